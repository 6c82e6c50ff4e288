"""Everything planned -> the bytes of an image: the one serialiser of firmware/SPEC.md section 1."""

from __future__ import annotations

import json
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.checks import layer_bytes
from sdfa.image.packing import packable
from sdfa.image.reader import model_id
from sdfa.image.records import (
    FEEDBACKS,
    HEADER,
    KIND_OF,
    KINDS,
    LAYER,
    LAYER_FAST,
    LAYER_KEEP,
    LAYER_PACKABLE,
    LAYER_TAIL,
    LAYER_ZEROS,
    LEARNED,
    LEARNING,
    LIVE_CENTRED,
    LOSSES,
    MAGIC,
    RATIO,
    SECTION,
    TENSOR,
    VERSION,
)
from sdfa.learning.feedback import Table, bp_sigma
from sdfa.learning.tail import Tail, TailLayer
from sdfa.lower import Channels, QGraph, QOp
from sdfa.lower.multipliers import mantissa16, quantize_multiplier
from sdfa.lower.plan import Block, Plan, Use, align, storage_blocks
from sdfa.tflite.graph import Int32Array

SECTION_ALIGN = 16
DEAD_CHANNEL = 2.0**10
"""A channel whose weight unit is this many times smaller than the layer's median carries no weights; it is frozen."""


@dataclass(frozen=True, eq=False)
class Learning:
    """What learns and how. rate, tau: real values. centred: only with `live`.
    jacobian: `mean` or `product`, what aligned tables come from; None without such tables.
    master_bits: of fractions that are kept behind the weights while they learn, 0 or records.MASTER_BITS.

    tables: one per hidden trainable layer, none for `last` and `bp`; `live` has none for the last of them.
    """

    tail: Tail
    loss: str
    feedback: str
    connections: int
    rate: float
    tau: float
    seed: int
    tables: Sequence[Table]
    master_bits: int = 0
    centred: bool = False
    jacobian: str | None = None

    @property
    def ops(self) -> frozenset[int]:
        """Indices of the operations that learn."""
        return frozenset(layer.op for layer in self.tail.layers)


@dataclass
class _Pool:
    """Constants, each at a multiple of 4; equal ones are stored once."""

    data: bytearray = field(default_factory=bytearray)
    seen: dict[tuple[bytes, bytes], int] = field(default_factory=dict)

    def add(self, array: npt.NDArray[Any], own: bytes = b"") -> int:
        """own: constants are shared only with others of the same mark."""
        raw = np.ascontiguousarray(array).tobytes()
        if (own, raw) not in self.seen:
            self.data.extend(bytes(align(len(self.data)) - len(self.data)))
            self.seen[own, raw] = len(self.data)
            self.data.extend(raw)
        return self.seen[own, raw]

    def add_weights(self, weights: npt.NDArray[Any]) -> int:
        """Weights may be packed in place later: shared only with weights of the same shape."""
        return self.add(weights, f"weights {weights.shape} ".encode())


def memory_blocks(qgraph: QGraph, learning: Learning | None) -> list[Block]:
    """Every piece of arena memory with its life. Step len(ops) is the learning step."""
    end, storage = len(qgraph.ops), [t.storage for t in qgraph.tensors]
    uses = [Use(op.kind, tuple(storage[t] for t in op.inputs), storage[op.output]) for op in qgraph.ops]
    kept = {storage[qgraph.output]}
    for layer in learning.tail.layers if learning else ():
        kept |= {layer.a.storage, layer.out.storage}
    lengths = {s: qgraph.tensors[s].len for s in storage}
    blocks = storage_blocks(uses, lengths, [storage[qgraph.input]], kept)
    blocks += [_scratch(qgraph, i, op) for i, op in enumerate(qgraph.ops) if op.kind in ("conv", "depthwise")]
    return blocks + (_learning_blocks(learning, end) if learning else [])


def _scratch(qgraph: QGraph, i: int, op: QOp) -> Block:
    taps = op.fields["kh"] * op.fields["kw"] * qgraph.tensors[op.inputs[0]].c
    return Block(f"scratch {i}", align(taps) + 4 * taps if is_packable(op) else taps, i, i)


def is_packable(op: QOp) -> bool:
    """Whether the weights may be packed for the DSP extension, which needs two windows of int16 more (SPEC 1.4)."""
    return op.kind in ("conv", "dense") and op.channels is not None and packable(op.channels.weights)


def is_fast(op: QOp) -> bool:
    """Whether every channel allows the short way to requantize (SPEC 2.1)."""
    assert op.channels is not None
    mult, shift = op.channels.mult, op.channels.shift
    return bool((mult >= 1 << 30).all() and ((shift >= -20) & (shift <= -1)).all())


def _learning_blocks(learning: Learning, end: int) -> list[Block]:
    layers = learning.tail.layers
    blocks = [
        Block("accumulators", 4 * layers[-1].out_n, layers[-1].op, end),
        Block("error", 2 * layers[-1].out_n, end, end),
    ]
    if len(layers) > 1:
        widest = align(max(layer.out_n for layer in layers[:-1]), 2)
        blocks.append(Block("delta", 2 * widest * (2 if len(layers) > 2 else 1), end, end))
    return blocks


def _record(dtype: np.dtype[Any], values: Mapping[str, Any]) -> bytes:
    record = np.zeros((), dtype)
    for name, value in values.items():
        record[name] = value
    return record.tobytes()


@dataclass(frozen=True)
class TailLayout:
    """Offsets (bias, weights) in the tail by operation index, and its length."""

    offsets: Mapping[int, tuple[int, int]]
    len: int


def tail_layout(learning: Learning | None) -> TailLayout:
    offsets, at = {}, 0
    for layer in learning.tail.layers if learning else ():
        offsets[layer.op] = (at, at + 4 * layer.out_n)
        at += layer_bytes(layer.out_n, layer.in_n, bool(learning and learning.master_bits))
    return TailLayout(offsets, at)


def _tail_bytes(learning: Learning, layout: TailLayout) -> bytes:
    out = bytearray(layout.len)
    for layer in learning.tail.layers:
        bias_at, weights_at = layout.offsets[layer.op]
        out[bias_at:weights_at] = layer.channels.bias.astype("<i4").tobytes()
        weights = layer.channels.weights.tobytes()
        out[weights_at : weights_at + len(weights)] = weights
    return bytes(out)


@dataclass(frozen=True, eq=False)
class _Writer:
    """The state of one image while its operations are written."""

    qgraph: QGraph
    plan: Plan
    learning: Learning | None
    layout: TailLayout
    pool: _Pool
    zeros: Collection[int]

    def channel_fields(self, i: int, op: QOp) -> dict[str, int]:
        ch = op.channels
        assert ch is not None
        fields = {"mult": self.pool.add(ch.mult), "shift": self.pool.add(ch.shift), "flags": self.layer_flags(i, op)}
        if i in self.layout.offsets:
            fields["bias"], fields["weights"] = self.layout.offsets[i]
        else:
            fields["weights"] = self.pool.add_weights(ch.weights)
            fields["bias"] = self.pool.add(self.biases(i, op, ch))
        return fields

    def biases(self, i: int, op: QOp, ch: Channels) -> Int32Array:
        folded = ch.folded_bias(self.qgraph.tensors[op.inputs[0]].zero_point)
        return np.concatenate([folded, ch.bias]) if i in self.zeros else folded

    def layer_flags(self, i: int, op: QOp) -> int:
        flags = LAYER_FAST if is_fast(op) else 0
        if self.learning and i == self.learning.tail.layers[-1].op:
            flags |= LAYER_KEEP
        if i in self.layout.offsets:
            return flags | LAYER_TAIL
        return flags | (LAYER_PACKABLE if is_packable(op) else 0) | (LAYER_ZEROS if i in self.zeros else 0)

    def op(self, i: int, op: QOp) -> bytes:
        kind = KIND_OF[op.kind]
        dtype = KINDS[kind][1]
        fields = dict(op.fields) | {"kind": kind, "len": dtype.itemsize, "in": op.inputs[0], "out": op.output}
        if op.channels is not None:
            fields |= self.channel_fields(i, op)
        if op.kind in ("conv", "depthwise"):
            fields["scratch"] = self.plan.offsets[f"scratch {i}"]
        if op.table is not None:
            fields["table"] = self.pool.add(op.table)
        if len(op.inputs) > 1:
            fields["in1"] = op.inputs[1]
        if self.learning and i == self.learning.tail.layers[-1].op:
            fields["acc"] = self.plan.offsets["accumulators"]
        return _record(dtype, fields)

    def tensors(self) -> bytes:
        return b"".join(
            _record(
                TENSOR,
                {"off": self.plan.offsets[f"tensor {t.storage}"], "c": t.c, "h": t.h, "w": t.w,
                 "zero_point": t.zero_point, "scale": t.scale},
            )
            for t in self.qgraph.tensors
        )  # fmt: skip

    def learning_section(self, op_offsets: Sequence[int]) -> bytes:
        g = self.learning
        assert g is not None
        last = g.tail.layers[-1]
        pairs = [quantize_multiplier(float(x)) for x in _logit_scales(last, g.loss)]
        head = {
            "layer_n": len(g.tail.layers), "loss": LOSSES.index(g.loss), "feedback": FEEDBACKS.index(g.feedback),
            "rate_q24": rate_q24(g.rate), "tau_q15": tau_q15(g.tau), "master_bits": g.master_bits,
            "seed": g.seed & 0xFFFFFFFF,
            "error": self.plan.offsets["error"], "delta": self.plan.offsets.get("delta", 0),
            "zmult": self.pool.add(np.array([m for m, _ in pairs], "<i4")),
            "zshift": self.pool.add(np.array([s for _, s in pairs], np.int8)),
        }  # fmt: skip
        exponents = _delta_exponents(g)
        layers = [self.layer(n, op_offsets[layer.op], exponents[n]) for n, layer in enumerate(g.tail.layers)]
        return _record(LEARNING, head) + b"".join(layers)

    def layer(self, n: int, op_offset: int, delta_exp: int) -> bytes:
        g = self.learning
        assert g is not None
        layer = g.tail.layers[n]
        bias_mant, bias_exp = mantissa16(1.0 / layer.a.scale**2)
        if not -31 <= bias_exp <= 16:
            raise SdfaError(f"operation {layer.dense.place}: input scale {layer.a.scale} is out of range for learning")
        fields = {
            "op": op_offset, "ratio": self.pool.add(_ratios(layer)), "delta_exp": delta_exp,
            "bias_mant": bias_mant, "bias_exp": bias_exp,
        }  # fmt: skip
        if n < len(g.tables):
            index = g.tables[n].index.astype(np.uint8 if g.tail.layers[-1].out_n <= 256 else "<u2")
            fields |= {
                "index": self.pool.add(index),
                "coef": self.pool.add(g.tables[n].coef),
                "k": index.shape[1],
            }
        layer_n = len(g.tail.layers)
        if g.feedback == "live" and n == layer_n - 2:
            fields |= {"k": g.connections, "flags": LIVE_CENTRED if g.centred else 0}
        if n > 0 and (g.feedback == "bp" or (g.feedback == "live" and n == layer_n - 1)):
            fields["sigma"] = self.pool.add(bp_sigma(layer.channels.scale)[0].astype("<u2"))
        return _record(LAYER, fields)


def rate_q24(rate: float) -> int:
    """Learning rate as the device takes it. SdfaError when it does not fit."""
    value = round(rate * 2**24) if 0 < rate < 256 else 0
    if not 0 < value < 1 << 32:
        raise SdfaError(f"learning rate {rate:g} does not fit its fixed-point form: between 6e-8 and 255")
    return value


def tau_q15(tau: float) -> int:
    """Threshold as the device takes it. SdfaError when it does not fit."""
    if not 0 <= tau < 1:
        raise SdfaError(f"threshold {tau:g} is out of range: from 0 to below 1")
    return min(round(tau * 2**15), 32767)


def _logit_scales(last: TailLayer, loss: str) -> npt.NDArray[np.float64]:
    """SPEC 3.1: accumulator to logit, in bits Q12, or in units of the output range Q15."""
    unit = last.a.scale * last.channels.scale
    if loss == "softmax_ce":
        return np.asarray(unit * (np.log2(np.e) * 4096))
    return np.asarray(unit / (256 * last.out.scale) * 32768)


def _delta_exponents(g: Learning) -> list[int]:
    """SPEC 3.2: exponent of each layer's deltas, first layer first."""
    exponents = [-15]
    for layer in reversed(g.tail.layers[len(g.tables) + 1 :]):
        exponents.insert(0, exponents[0] + bp_sigma(layer.channels.scale)[1] + 8)
    return [t.exponent - 7 for t in g.tables] + exponents


def frozen_channels(layer: TailLayer) -> npt.NDArray[np.bool_]:
    """Channels without a usable weight unit (all their weights are zero, or it is absurdly small)."""
    scale = layer.channels.scale
    return scale * DEAD_CHANNEL < np.median(scale)


def _ratios(layer: TailLayer) -> npt.NDArray[Any]:
    rows = np.zeros(layer.out_n, RATIO)
    for i in np.flatnonzero(~frozen_channels(layer)):
        rows[i] = mantissa16(layer.a.scale / float(layer.channels.scale[i]))
    return rows


def build_image(
    qgraph: QGraph, plan: Plan, learning: Learning | None, meta: Mapping[str, Any], zeros: Collection[int] = ()
) -> bytes:
    """All sections of a factory image. zeros: indices of frozen dense layers many of whose inputs are zeros."""
    layout = tail_layout(learning)
    writer = _Writer(qgraph, plan, learning, layout, _Pool(), zeros)
    ops = [writer.op(i, op) for i, op in enumerate(qgraph.ops)]
    offsets = [sum(map(len, ops[:i])) for i in range(len(ops))]
    learn = writer.learning_section(offsets) if learning else b""
    sections = [(b"TENS", writer.tensors()), (b"OPS ", b"".join(ops)), (b"DATA", bytes(writer.pool.data))]
    if learning:
        sections += [(b"TAIL", _tail_bytes(learning, layout)), (b"LERN", learn)]
    sections.append((b"META", json.dumps(meta, sort_keys=True, separators=(",", ":")).encode()))
    head = {
        "arena_len": plan.arena_len, "tail_len": layout.len, "op_n": len(ops), "tensor_n": len(qgraph.tensors),
        "input": qgraph.input, "output": qgraph.output,
        "kernels": sum({1 << KIND_OF[op.kind] for op in qgraph.ops}),
    }  # fmt: skip
    return pack_image(head, sections)


def pack_image(head: Mapping[str, Any], sections: list[tuple[bytes, bytes]]) -> bytes:
    """Header, table and sections with offsets, model_id and CRC filled in. head: the other header fields."""
    at = align(HEADER.itemsize + SECTION.itemsize * len(sections), SECTION_ALIGN)
    table, body = b"", b""
    for tag, payload in sections:
        table += _record(SECTION, {"tag": tag, "off": at + len(body), "len": len(payload)})
        body += payload + bytes(align(len(payload), SECTION_ALIGN) - len(payload))
    fields = dict(head) | {
        "magic": MAGIC, "version": VERSION, "section_n": len(sections), "image_len": at + len(body),
        "model_id": np.frombuffer(model_id(sections), np.uint8),
    }  # fmt: skip
    gap = bytes(at - HEADER.itemsize - len(table))
    whole = bytearray(_record(HEADER, fields) + table + gap + body)
    whole[4:8] = zlib.crc32(whole[8:]).to_bytes(4, "little")
    return bytes(whole)


def learned_section(tail: bytes, steps: int, random: int, rate: int, tau: int) -> bytes:
    """Payload of LRND. rate: Q24, tau: Q15."""
    return _record(LEARNED, {"steps": steps, "random": random, "rate_q24": rate, "tau_q15": tau}) + tail
