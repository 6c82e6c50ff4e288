"""Which int8 values each channel of a QGraph can take: intervals, carried from the input to the output.

Sound, not tight: a value outside its interval cannot occur for any input. An interval of one value is exact.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.lower import QGraph, QOp, QTensor
from sdfa.twin.fixedpoint import INT32_MAX, INT32_MIN, Int64Array, i64, mbqm

__all__ = ["FULL", "Span", "reads_padding", "value_ranges"]


@dataclass(frozen=True, eq=False)
class Span:
    """low, high: int64[n], both included; value i of a flat tensor lies in interval i modulo n."""

    low: Int64Array
    high: Int64Array

    @property
    def constant(self) -> npt.NDArray[np.bool_]:
        """bool[n]: where only one value can occur."""
        return np.asarray(self.low == self.high)

    def seen(self, n: int) -> Span:
        """The same flat tensor with n channels; looser where the numbers of channels do not divide."""
        own = len(self.low)
        if n % own == 0:
            return Span(np.tile(self.low, n // own), np.tile(self.high, n // own))
        if own % n == 0:
            return Span(self.low.reshape(-1, n).min(axis=0), self.high.reshape(-1, n).max(axis=0))
        return Span(np.full(n, self.low.min()), np.full(n, self.high.max()))

    def with_value(self, value: int) -> Span:
        """`value` may occur too."""
        return Span(np.minimum(self.low, value), np.maximum(self.high, value))


FULL = Span(i64([-128]), i64([127]))


def value_ranges(qgraph: QGraph, learns: Collection[int]) -> dict[int, Span]:
    """By storage: the intervals of what operations write once; whatever is absent is FULL.

    learns: indices of operations whose weights change on the device.
    """
    writers = Counter(qgraph.tensors[op.output].storage for op in qgraph.ops)
    writers[qgraph.tensors[qgraph.input].storage] += 1
    found: dict[int, Span] = {}
    for i, op in enumerate(qgraph.ops):
        storage = qgraph.tensors[op.output].storage
        if writers[storage] == 1 and i not in learns:
            found[storage] = _span(qgraph, op, found)
    return found


def reads_padding(op: QOp, a: QTensor, out: QTensor) -> bool:
    """Whether some tap of a CONV or DEPTHWISE lies outside its input a for some output cell."""
    if op.kind == "dense":
        return False
    f = op.fields
    bottom = (out.h - 1) * f["stride_h"] + (f["kh"] - 1) * f["dil_h"] - f["pad_top"] >= a.h
    right = (out.w - 1) * f["stride_w"] + (f["kw"] - 1) * f["dil_w"] - f["pad_left"] >= a.w
    return bool(f["pad_top"] or f["pad_left"] or bottom or right)


def _span(qgraph: QGraph, op: QOp, found: Mapping[int, Span]) -> Span:
    a, out = qgraph.tensors[op.inputs[0]], qgraph.tensors[op.output]
    x = found.get(a.storage, FULL)
    if op.channels is not None:
        return _weighted(op, x, a, out)
    if op.kind in ("avgpool", "maxpool"):
        return _clamped(op, x.low, x.high)
    if op.kind == "mean":
        return _mean(op, x.seen(a.c), a, out)
    if op.kind == "pad":
        return x.with_value(out.zero_point)
    if op.table is not None:
        return _looked_up(op.table, x)
    return _clamped(op, FULL.low, FULL.high)


def _clamped(op: QOp, low: Int64Array, high: Int64Array) -> Span:
    bounds = op.fields.get("act_min", -128), op.fields.get("act_max", 127)
    return Span(np.clip(low, *bounds), np.clip(high, *bounds))


def _looked_up(table: npt.NDArray[np.int8], x: Span) -> Span:
    parts = [table[low + 128 : high + 129] for low, high in zip(x.low, x.high, strict=True)]
    return Span(i64([p.min() for p in parts]), i64([p.max() for p in parts]))


def _mean(op: QOp, x: Span, a: QTensor, out: QTensor) -> Span:
    cells = a.h * a.w
    low, high = (cells * (end - a.zero_point) for end in (x.low, x.high))
    return _requantized(op, low, high, (i64(op.fields["mult"]), i64(op.fields["shift"])), out.zero_point)


def _weighted(op: QOp, x: Span, a: QTensor, out: QTensor) -> Span:
    """CONV, DEPTHWISE, DENSE."""
    ch = op.channels
    assert ch is not None
    x = x.seen(op.fields["in_n"] if op.kind == "dense" else a.c)
    if reads_padding(op, a, out):
        x = x.with_value(a.zero_point)
    w, bias = ch.weights.astype(np.int64), i64(ch.folded_bias(a.zero_point))
    up, down = np.maximum(w, 0), np.minimum(w, 0)
    if op.kind == "depthwise":
        own = np.repeat(np.stack([x.low, x.high]), len(bias) // a.c, axis=1)
        ends = [(up * i + down * j).sum(axis=(0, 1)) for i, j in (own, own[::-1])]
    else:
        up, down = (part.reshape(len(bias), -1, len(x.low)).sum(axis=1) for part in (up, down))
        ends = [up @ i + down @ j for i, j in ((x.low, x.high), (x.high, x.low))]
    return _requantized(op, bias + ends[0], bias + ends[1], (i64(ch.mult), i64(ch.shift)), out.zero_point)


def _fits(*values: Int64Array) -> npt.NDArray[np.bool_]:
    """Which channels stay within 32 bits in all of these."""
    inside = [(v >= INT32_MIN) & (v <= INT32_MAX) for v in values]
    return np.asarray(np.logical_and.reduce(inside))


def _requantized(
    op: QOp, low: Int64Array, high: Int64Array, scaling: tuple[Int64Array, Int64Array], zero_point: int
) -> Span:
    """Outputs of accumulators low ... high, unlimited integers; scaling: multiplier and shift.

    Requantization is monotone as long as no step leaves 32 bits; where one may, everything can come out.
    """
    mult, shift = scaling
    accs = [np.clip(end, INT32_MIN, INT32_MAX) for end in (low, high)]
    shifted = [acc << np.maximum(shift, 0) for acc in accs]
    values = [mbqm(acc, mult, shift) + zero_point for acc in accs]
    sound = _fits(low, high, *shifted, *values)
    return _clamped(op, np.where(sound, values[0], -128), np.where(sound, values[1], 127))
