"""Random images of one layer with weights, made by hand: shapes, shifts and clamps that no converter writes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.image.packing import packable
from sdfa.image.records import CONV, DENSE, KIND_OF, LAYER_FAST, LAYER_KEEP, LAYER_PACKABLE, LAYER_ZEROS, TENSOR
from tests.imagekit import Data, pack, record
from tests.oneop_draft import Rng, between, pick

Picture = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class _Layer:
    """fields: of the record, without the places that depend on the shapes. own_len: bytes beside the tensors.
    zero_point: of the input; None: any.
    """

    kind: str
    x: Picture
    y: Picture
    data: Data
    fields: dict[str, int]
    own_len: int = 0
    zero_point: int | None = None


def random_layer_image(rng: Rng) -> tuple[bytes, str]:
    """(a DENSE, CONV or DEPTHWISE alone, what it is). Half of them are of the fast kind."""
    layer = pick(rng, _dense, _conv, _depthwise)(rng)
    dtype = DENSE if layer.kind == "dense" else CONV
    place = _aligned(int(np.prod(layer.x)))
    end = place + _aligned(int(np.prod(layer.y)))
    zero = between(rng, -128, 127) if layer.zero_point is None else layer.zero_point
    tensors = b"".join(
        record(TENSOR, off=off, h=h, w=w, c=c, zero_point=zero_point, scale=1)
        for off, (h, w, c), zero_point in ((0, layer.x, zero), (place, layer.y, between(rng, -128, 127)))
    )
    own = "acc" if layer.kind == "dense" else "scratch"
    op = record(dtype, kind=KIND_OF[layer.kind], len=dtype.itemsize, in_=0, out=1, **layer.fields, **{own: end})
    image = pack(
        {b"TENS": tensors, b"OPS ": op, b"DATA": bytes(layer.data.raw)}, arena_len=end + _aligned(layer.own_len),
        op_n=1, tensor_n=2, input=0, output=1, kernels=1 << KIND_OF[layer.kind],
    )  # fmt: skip
    return image, f"{layer.kind} {layer.x} to {layer.y} {layer.fields}"


def _aligned(n: int) -> int:
    return -(-n // 4) * 4


def _dense(rng: Rng) -> _Layer:
    in_n, out_n, rows = between(rng, 1, pick(rng, 40, 40, 200)), between(rng, 1, 40), pick(rng, 1, 1, 2, 5)
    data = Data()
    fields = _channels(rng, data, (out_n, in_n), in_n)
    if rows == 1 and rng.random() < 0.3:
        fields["flags"] = fields["flags"] & ~LAYER_PACKABLE | LAYER_KEEP
    fields |= {"in_n": in_n, "out_n": out_n, "rows": rows}
    zero_point = pick(rng, None, -128, -128, 127, between(rng, -128, 127))
    if zero_point is not None and not fields["flags"] & LAYER_KEEP:
        fields |= {"bias": _both_biases(data, fields, zero_point), "flags": fields["flags"] | LAYER_ZEROS}
    return _Layer("dense", (1, rows, in_n), (1, rows, out_n), data, fields, 4 * out_n, zero_point)


def _both_biases(data: Data, fields: dict[str, int], zero_point: int) -> int:
    in_n, out_n = fields["in_n"], fields["out_n"]
    weights = np.frombuffer(bytes(data.raw), np.int8, in_n * out_n, fields["weights"]).reshape(out_n, in_n)
    folded = np.frombuffer(bytes(data.raw), "<i4", out_n, fields["bias"]).astype(np.int64)
    return data.add(np.concatenate([folded, folded + zero_point * weights.sum(axis=1, dtype=np.int64)]), "<i4")


def _conv(rng: Rng) -> _Layer:
    c, n = between(rng, 1, pick(rng, 9, 40)), between(rng, 1, pick(rng, 9, 40))
    x, window, size = _window(rng, c)
    taps = window["kh"] * window["kw"] * c
    data = Data()
    fields = _channels(rng, data, (n, taps), taps) | window
    return _Layer("conv", x, (*size, n), data, fields, _aligned(taps) + 4 * taps)


def _depthwise(rng: Rng) -> _Layer:
    c, multiplier = between(rng, 1, 40), pick(rng, 1, 1, 1, 2, 3)
    x, window, size = _window(rng, c)
    taps = window["kh"] * window["kw"]
    data = Data()
    fields = _channels(rng, data, (taps, c * multiplier), taps, axis=1) | window
    fields["flags"] &= ~LAYER_PACKABLE
    return _Layer("depthwise", x, (*size, c * multiplier), data, fields, taps * c)


def _window(rng: Rng, c: int) -> tuple[Picture, dict[str, int], tuple[int, int]]:
    """(input, fields of the record, output's height and width). Padding may exceed what SAME asks for."""
    found: dict[str, int] = {}
    sizes = []
    for axis, before in (("h", "pad_top"), ("w", "pad_left")):
        n, k, stride, dil = between(rng, 1, 7), between(rng, 1, 4), between(rng, 1, 3), pick(rng, 1, 1, 2)
        pad = pick(rng, 0, between(rng, 0, k * dil - 1))
        room = n + pad + pick(rng, 0, pad) - (k - 1) * dil - 1
        found |= {f"k{axis}": k, f"stride_{axis}": stride, f"dil_{axis}": dil, before: pad}
        sizes.append((n, max(room, 0) // stride + 1))
    (h, out_h), (w, out_w) = sizes
    return (h, w, c), found, (out_h, out_w)


def _channels(rng: Rng, data: Data, shape: tuple[int, int], taps: int, axis: int = 0) -> dict[str, int]:
    """Weights and what else belongs to a channel; axis: that of the channels."""
    n = shape[axis]
    weights = rng.integers(-128, 128, shape).astype(np.int8)
    if rng.random() < 0.5:
        weights = np.maximum(weights, np.int8(-127))
    if rng.random() < 0.25:
        weights = np.full(shape, pick(rng, -128, -128, 127), np.int8)
    everyday = int(np.log2(np.sqrt(taps) * 73 * 73 / 60)) + 1  # the shift that leaves values of int8's size
    fast = rng.random() < 0.5
    mult, shift = _fast_scale(rng, n, everyday) if fast else _any_scale(rng, n, everyday)
    bias = rng.integers(-(2**14), 2**14, n) if rng.random() < 0.9 else rng.integers(-(2**31), 2**31, n)
    if not fast:
        thin = rng.random(n) < 0.2  # one input each: what is left of shifts about 0 then stays inside int8
        np.moveaxis(weights, axis, 0)[thin] = np.eye(1, taps, between(rng, 0, taps - 1), dtype=np.int8)
        shift = np.where(thin, rng.integers(-1, 2, n), shift)
        bias = np.where(thin, bias % 64 - 32, bias)
    low, high = sorted((between(rng, -128, 127), between(rng, -128, 127)))
    if fast and rng.random() < 0.7:
        low, high = -128, 127
    flags = (LAYER_FAST if fast else 0) | (LAYER_PACKABLE if packable(weights) else 0)
    return {
        "weights": data.add(weights, np.int8), "bias": data.add(bias, "<i4"), "mult": data.add(mult, "<i4"),
        "shift": data.add(shift, np.int8), "flags": flags, "act_min": low, "act_max": high,
    }  # fmt: skip


Scale = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def _fast_scale(rng: Rng, n: int, everyday: int) -> Scale:
    shift = np.clip(-everyday + rng.integers(-2, 3, n), -20, -1)
    return rng.integers(1 << 30, 1 << 31, n), shift


def _any_scale(rng: Rng, n: int, everyday: int) -> Scale:
    """Some channels far from everyday ones, some beside the ties of rounding."""
    mult, shift = _fast_scale(rng, n, everyday)
    odd = rng.random(n) < 0.3
    shift = np.where(odd, rng.integers(-31, 31, n), shift)
    few = np.array([0, 1, 1 << 29, 1 << 30, (1 << 31) - 1])
    return np.where(rng.random(n) < 0.3, few[rng.integers(len(few), size=n)], mult), shift
