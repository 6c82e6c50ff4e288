"""Images made by hand from image/records.py and firmware/SPEC.md, without the exporter: any chain that learns."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.image.reader import Image, read_image, sections_of
from sdfa.image.records import (
    DENSE,
    FEEDBACKS,
    HEADER,
    LAYER,
    LEARNING,
    LOSSES,
    MAGIC,
    RATIO,
    SECTION,
    TENSOR,
    VERSION,
    table_count,
)

Array = npt.NDArray[Any]
Sections = dict[bytes, bytes]


def record(dtype: np.dtype[np.void], **values: Any) -> bytes:
    """One record; fields that are not given are 0."""
    found = np.zeros(1, dtype)
    for name, value in values.items():
        found[0][name.rstrip("_")] = value
    return found.tobytes()


def pack(sections: Mapping[bytes, bytes], **header: int) -> bytes:
    """An image of these sections, with offsets, model_id and CRC-32 (SPEC 1.1, 1.2, 1.8)."""
    at = _aligned(HEADER.itemsize + SECTION.itemsize * len(sections))
    table, body, digest = b"", b"", hashlib.sha256()
    for tag, payload in sections.items():
        table += record(SECTION, tag=tag, off=at + len(body), len=len(payload))
        body += payload + bytes(_aligned(len(payload)) - len(payload))
        if tag != b"LRND":
            digest.update(tag + len(payload).to_bytes(4, "little") + payload)
    model_id = np.frombuffer(digest.digest()[:8], np.uint8)
    fixed = {"magic": MAGIC, "version": VERSION, "image_len": at + len(body), "section_n": len(sections)}
    head = record(HEADER, **{**fixed, "model_id": model_id, **header})
    whole = head + table + bytes(at - len(head) - len(table)) + body
    return resealed(whole)


def resealed(data: bytes) -> bytes:
    """The same bytes with the right CRC-32."""
    return data[:4] + zlib.crc32(data[8:]).to_bytes(4, "little") + data[8:]


def _aligned(n: int) -> int:
    return -(-n // 16) * 16


def multiplier(real: float) -> tuple[int, int]:
    """(m, s) with real = m · 2^(s − 31)."""
    q, s = math.frexp(real)
    m = round(q * 2**31)
    return (m // 2, s + 1) if m == 1 << 31 else (m, s)


def mantissa(real: float) -> tuple[int, int]:
    """(mant, exp) with real = mant · 2^exp and mant in 32768 ... 65535."""
    q, s = math.frexp(real)
    m = round(q * 65536)
    return (32768, s - 15) if m == 65536 else (m, s - 16)


@dataclass
class Data:
    """The section DATA: add returns an offset, a multiple of 4."""

    raw: bytearray = field(default_factory=bytearray)

    def add(self, values: npt.ArrayLike, dtype: npt.DTypeLike) -> int:
        off = len(self.raw)
        self.raw += np.asarray(values).astype(dtype).tobytes()
        self.raw += bytes(-len(self.raw) % 4)
        return off

    def pairs(self, pairs: Sequence[tuple[int, int]]) -> dict[str, int]:
        return {
            "mult": self.add([m for m, _ in pairs], "<i4"),
            "shift": self.add([s for _, s in pairs], np.int8),
        }


@dataclass(frozen=True)
class Recipe:
    """What a chain of trainable layers is made of. sizes: inputs, hidden neurons ..., outputs.

    weight_max: largest |weight| that is drawn. bp's scales vary over channels by up to a factor of 2.
    """

    sizes: tuple[int, ...] = (20, 12, 9, 5)
    feedback: str = "aligned"
    loss: str = "softmax_ce"
    activation: str = "RELU"
    k: int = 2
    centred: bool = False
    rate: float = 0.05
    tau: float = 1 / 32
    seed: int = 1
    weight_max: int = 127
    frozen: int = 0
    master_bits: int = 0


@dataclass
class _Maker:
    """The growing parts of one image."""

    recipe: Recipe
    rng: np.random.Generator
    data: Data = field(default_factory=Data)
    tensors: list[bytes] = field(default_factory=list)
    ops: list[bytes] = field(default_factory=list)
    tail: bytearray = field(default_factory=bytearray)
    meta: list[dict[str, Any]] = field(default_factory=list)
    scales: list[float] = field(default_factory=list)
    zero_points: list[int] = field(default_factory=list)
    arena: int = 0

    def take(self, length: int) -> int:
        off = self.arena
        self.arena += -(-length // 4) * 4
        return off

    def tensor(self, n: int, scale: float, zero_point: int) -> None:
        off = self.take(n)
        self.tensors.append(record(TENSOR, off=off, c=n, h=1, w=1, zero_point=zero_point, scale=scale))
        self.scales.append(scale)
        self.zero_points.append(zero_point)


def tail_image(recipe: Recipe) -> bytes:
    """An image that is nothing but its trainable tail, with random weights."""
    make = _Maker(recipe, np.random.default_rng(recipe.seed))
    make.tensor(recipe.sizes[0], 0.03, int(make.rng.integers(-20, 20)))
    for i in range(len(recipe.sizes) - 1):
        _dense(make, i)
    lern = _learning(make)
    sections: Sections = {
        b"TENS": b"".join(make.tensors), b"OPS ": b"".join(make.ops), b"DATA": bytes(make.data.raw),
        b"TAIL": bytes(make.tail), b"LERN": lern, b"META": json.dumps({"tail": make.meta}).encode(),
    }  # fmt: skip
    return pack(
        sections, arena_len=make.arena, tail_len=len(make.tail), op_n=len(make.ops), tensor_n=len(make.tensors),
        input=0, output=len(make.tensors) - 1, kernels=1 << 1,
    )  # fmt: skip


def _dense(make: _Maker, i: int) -> None:
    k, n = make.recipe.sizes[i : i + 2]
    last = i == len(make.recipe.sizes) - 2
    rng, s_in = make.rng, make.scales[-1]
    top = make.recipe.weight_max
    weights = rng.integers(-top, top + 1, (n, k))
    s_w = 2.0 / np.sqrt(k) / 127 * rng.uniform(0.7, 1.4, n)
    activation = "NONE" if last else make.recipe.activation
    s_out, z_out = (0.1, 3) if activation == "NONE" else (0.04 if activation == "RELU" else 6 / 255, -128)
    bias = rng.integers(-300, 300, n)
    bias_off = len(make.tail)
    make.tail += bias.astype("<i4").tobytes() + weights.astype(np.int8).tobytes()
    make.tail += bytes(-len(make.tail) % 4)
    if make.recipe.master_bits:
        make.tail += bytes(-(-n * k // 4) * 4)
    make.tensor(n, s_out, z_out)
    make.ops.append(
        record(
            DENSE, kind=1, len=48, in_=i, out=i + 1, weights=bias_off + 4 * n, bias=bias_off, in_n=k, out_n=n, rows=1,
            flags=3 if last else 1, acc=make.take(4 * n) if last else 0, act_max=127,
            act_min=-128 if activation == "NONE" else z_out,
            **make.data.pairs([multiplier(s_in * s / s_out) for s in s_w.tolist()]),
        )
    )  # fmt: skip
    make.meta.append(
        {"weight_scale": s_w.tolist(), "input_scale": s_in, "activation": activation, "output_scale": s_out}
    )


def _learning(make: _Maker) -> bytes:
    recipe, meta, sizes = make.recipe, make.meta, make.recipe.sizes
    last = meta[-1]
    unit = math.log2(math.e) * 4096 if recipe.loss == "softmax_ce" else 32768 / (256 * last["output_scale"])
    z = make.data.pairs([multiplier(last["input_scale"] * s * unit) for s in last["weight_scale"]])
    hidden = max((n + n % 2 for n in sizes[1:-1]), default=0)
    head = record(
        LEARNING, layer_n=len(meta), loss=LOSSES.index(recipe.loss), feedback=FEEDBACKS.index(recipe.feedback),
        rate_q24=round(recipe.rate * 2**24), tau_q15=round(recipe.tau * 2**15), master_bits=recipe.master_bits,
        seed=recipe.seed * 77,
        error=make.take(2 * sizes[-1]), delta=make.take(4 * hidden),
        zmult=z["mult"], zshift=z["shift"],
    )  # fmt: skip
    exps = [-15]
    for m in reversed(meta[1:]):
        transported = recipe.feedback == "bp" or (recipe.feedback == "live" and len(exps) == 1)
        exps.insert(0, exps[0] + _sigma(m)[1] + 8 if transported else -7 - 6)
    return head + b"".join(_layer(make, i, exps[i]) for i in range(len(meta)))


def _sigma(meta: dict[str, Any]) -> tuple[Array, int]:
    """s_w = sigma · 2^(E − 15)."""
    s_w = np.array(meta["weight_scale"])
    e = math.frexp(s_w.max())[1] - 1
    return np.minimum(np.rint(s_w * 2.0 ** (15 - e)), 65535), e


def _layer(make: _Maker, i: int, delta_exp: int) -> bytes:
    recipe, meta, data = make.recipe, make.meta[i], make.data
    n, classes = recipe.sizes[i + 1], recipe.sizes[-1]
    ratio = np.array([mantissa(meta["input_scale"] / s) for s in meta["weight_scale"]])
    ratio[: recipe.frozen, 0] = 0
    table = np.zeros(n, RATIO)
    table["mant"], table["exp"] = ratio.T
    mant, exp = mantissa(1 / meta["input_scale"] ** 2)
    fields: dict[str, int] = {"bias_mant": mant, "bias_exp": exp, "delta_exp": delta_exp}
    layer_n = len(make.meta)
    if i and (recipe.feedback == "bp" or (recipe.feedback == "live" and i == layer_n - 1)):
        fields["sigma"] = data.add(_sigma(meta)[0], "<u2")
    if recipe.feedback == "live" and i == layer_n - 2:
        fields |= {"k": recipe.k, "flags": int(recipe.centred)}
    if i < table_count(recipe.feedback, layer_n):
        k = classes if recipe.feedback == "dense" else recipe.k
        index = np.stack([make.rng.permutation(classes)[:k] for _ in range(n)])
        fields |= {"k": k, "index": data.add(index, np.uint8 if classes <= 256 else "<u2")}
        fields["coef"] = data.add(make.rng.integers(-127, 128, (n, k)), np.int8)
    return record(LAYER, op=48 * i, ratio=data.add(table, RATIO), **fields)


def with_learned(data: bytes, payload: bytes) -> bytes:
    """The same image with a section LRND."""
    head = np.frombuffer(data, HEADER, 1)[0]
    kept = ("arena_len", "tail_len", "op_n", "tensor_n", "input", "output", "kernels")
    sections = dict(sections_of(data)) | {b"LRND": payload}
    return pack(sections, **{name: int(head[name]) for name in kept})


def tail_of(recipe: Recipe) -> Image:
    return read_image(tail_image(recipe))


def inputs(rng: np.random.Generator, n: int, length: int) -> npt.NDArray[np.int8]:
    """Random inputs int8[n, length]."""
    return rng.integers(-128, 128, (n, length)).astype(np.int8)


def op_image(
    dtype: np.dtype[np.void], data: Data, shapes: Sequence[tuple[int, int, int]], zero_points: Sequence[int], **op: int
) -> bytes:
    """An image of one operation: tensors of these shapes (h, w, c); the first is read, the last written."""
    tensors, at = b"", 0
    for (h, w, c), zero_point in zip(shapes, zero_points, strict=True):
        tensors += record(TENSOR, off=at, h=h, w=w, c=c, zero_point=zero_point, scale=1)
        at += -(-h * w * c // 4) * 4
    ops = record(dtype, len=dtype.itemsize, in_=0, out=len(shapes) - 1, **op)
    sections: Sections = {b"TENS": tensors, b"OPS ": ops, b"DATA": bytes(data.raw) or bytes(4)}
    return pack(
        sections, arena_len=at + 4096, op_n=1, tensor_n=len(shapes), input=0, output=len(shapes) - 1,
        kernels=1 << op["kind"],
    )  # fmt: skip
