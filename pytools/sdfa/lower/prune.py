"""QGraph -> QGraph: channels that are constant, or that nobody reads, are left out. Every output byte stays the same.

Converters write such channels where training left a layer without weights for them; they cost time and flash, and
their absurd scales keep a whole operation from the fast way to requantize (SPEC.md 2.1).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sdfa.lower import Channels, QGraph, QOp
from sdfa.lower.plan import align
from sdfa.lower.ranges import FULL, Span, reads_padding, value_ranges
from sdfa.twin.fixedpoint import INT32_MAX, INT32_MIN, Int64Array, i64

__all__ = ["channels_left_out", "prune"]

GROUP = 8
"""The kernels take channels in groups of this size; what remains of a tensor is filled up to whole groups."""
# 4 x · 2^30 · 2^(-1 - 31) = x, whatever x
_UNIT, _UNIT_MULT, _UNIT_SHIFT = 4, 1 << 30, -1

_PASSING = ("depthwise", "avgpool", "maxpool", "mean", "pad", "table")

_Mask = npt.NDArray[np.bool_]


def prune(qgraph: QGraph, learns: Collection[int]) -> QGraph:
    """The same function with fewer channels. Operations and tensors keep their indices.

    learns: indices of operations whose weights change on the device; they, their inputs and outputs stay as they are.
    """
    while True:
        ranges = value_ranges(qgraph, learns)
        qgraph = replace(qgraph, ops=tuple(_canonical(qgraph, op, ranges) for op in qgraph.ops))
        smaller = _View(qgraph, ranges, learns).without_channels()
        if smaller is qgraph:
            return qgraph
        qgraph = smaller


def channels_left_out(before: QGraph, after: QGraph) -> list[int]:
    """How many output channels each operation lost."""
    return [before.tensors[op.output].c - after.tensors[op.output].c for op in before.ops]


def _canonical(qgraph: QGraph, op: QOp, ranges: Mapping[int, Span]) -> QOp:
    """The operation; constant channels read nothing and have a multiplier that every core likes.

    What learns has no ranges, so that it stays.
    """
    out = qgraph.tensors[op.output]
    ch, span = op.channels, ranges.get(out.storage)
    if ch is None or span is None or not span.constant.any():
        return op
    constant = span.constant
    weights = ch.weights.copy()
    weights[(..., constant) if op.kind == "depthwise" else constant] = 0
    value = _UNIT * (span.low - out.zero_point)
    channels = replace(
        ch,
        weights=weights,
        bias=np.where(constant, value, ch.bias).astype(np.int32),
        mult=np.where(constant, _UNIT_MULT, ch.mult).astype(np.int32),
        shift=np.where(constant, _UNIT_SHIFT, ch.shift).astype(np.int8),
        sums=np.where(constant, 0, ch.sums),
    )
    return replace(op, channels=channels)


@dataclass(frozen=True, eq=False)
class _View:
    """A graph and what is known of it. ranges: of all its tensors that can lose channels."""

    qgraph: QGraph
    ranges: Mapping[int, Span]
    learns: Collection[int]

    def storage(self, tensor: int) -> int:
        return self.qgraph.tensors[tensor].storage

    def keeps_channels(self, op: QOp) -> bool:
        """Whether channel k of the output is made of channel k of the only input."""
        return op.kind in _PASSING and self.qgraph.tensors[op.inputs[0]].c == self.qgraph.tensors[op.output].c

    def groups(self) -> list[frozenset[int]]:
        """Storages that lose the same channels: what one operation makes and others only pass on."""
        root: dict[int, int] = {}
        for op in self.qgraph.ops:
            source, made = self.storage(op.inputs[0]), self.storage(op.output)
            root[made] = root.get(source, source) if self.keeps_channels(op) else made
        return [frozenset(s for s, r in root.items() if r == each) for each in dict.fromkeys(root.values())]

    def without_channels(self) -> QGraph:
        """The graph without all channels that can go; itself if none can."""
        view = self
        for group in self.groups():
            gone = view.removable(group)
            if gone.any():
                # values that stay are the same, so that the ranges of all other groups still hold
                view = replace(view, qgraph=view.without(group, gone))
        return view.qgraph

    def removable(self, group: frozenset[int]) -> _Mask:
        """bool[c]: which channels of a group go; whole groups of channels remain."""
        width = self.width(group)
        gone = np.ones(width, np.bool_)
        for i, op in enumerate(self.qgraph.ops):
            for t in op.inputs:
                if self.storage(t) in group and not self.keeps_channels(op):
                    gone &= self.spares(i, t, width)
        stay = min(width, align(max(width - int(gone.sum()), 1), GROUP))
        gone[np.flatnonzero(gone)[width - stay :]] = False
        return gone if stay < width and self.biases_hold(group, gone) else np.zeros(width, np.bool_)

    def width(self, group: frozenset[int]) -> int:
        """Channels of the group's tensors; 0 where none may go."""
        ends = {self.storage(self.qgraph.input), self.storage(self.qgraph.output)}
        makers = [i for i, op in enumerate(self.qgraph.ops) if self.storage(op.output) in group]
        widths = {t.c for t in self.qgraph.tensors if t.storage in group}
        first = self.qgraph.ops[makers[0]]
        made = first.kind in ("conv", "dense") and first.channels is not None and makers[0] not in self.learns
        if not made or group & ends or len(makers) != len(group):
            return 0
        assert first.channels is not None
        return widths.pop() if widths == {len(first.channels.bias)} else 0

    def spares(self, i: int, t: int, width: int) -> _Mask:
        """bool[width]: which channels of tensor t operation i can do without."""
        op, a = self.qgraph.ops[i], self.qgraph.tensors[t]
        reads = op.fields.get("in_n", a.c)
        if i in self.learns or op.kind not in ("conv", "dense") or op.channels is None or reads != width:
            return np.zeros(width, np.bool_)
        span = self.ranges.get(a.storage, FULL).seen(width)
        known = span.constant
        if reads_padding(op, a, self.qgraph.tensors[op.output]):
            known &= span.low == a.zero_point
        return np.asarray(known | ~op.channels.weights.reshape(-1, width).any(axis=0))

    def readers(self, group: frozenset[int]) -> dict[int, int]:
        """Operations with weights for the group's channels, by index: the tensor that they read."""
        ops = self.qgraph.ops
        return {
            i: op.inputs[0]
            for i, op in enumerate(ops)
            if self.storage(op.inputs[0]) in group and op.kind in ("conv", "dense")
        }

    def biases_hold(self, group: frozenset[int], gone: _Mask) -> bool:
        """Whether every bias that takes constants up stays within 32 bits."""
        for i, t in self.readers(group).items():
            bias, sums = self.absorbed(i, t, gone)
            folded = bias - self.qgraph.tensors[t].zero_point * sums
            if not all(((v >= INT32_MIN) & (v <= INT32_MAX)).all() for v in (bias, folded)):
                return False
        return True

    def absorbed(self, i: int, t: int, gone: _Mask) -> tuple[Int64Array, Int64Array]:
        """Bias and sums of operation i with the constants of the channels that go; int64[n], unlimited."""
        ch, a = self.qgraph.ops[i].channels, self.qgraph.tensors[t]
        assert ch is not None
        taps = ch.weights.astype(np.int64).reshape(len(ch.bias), -1, len(gone)).sum(axis=1)[:, gone]
        values = self.ranges.get(a.storage, FULL).seen(len(gone)).low[gone]
        return i64(ch.bias) + taps @ (values - a.zero_point), ch.sums - taps.sum(axis=1)

    def without(self, group: frozenset[int], gone: _Mask) -> QGraph:
        """The graph without these channels of the group."""
        ops = list(self.qgraph.ops)
        for i, t in self.readers(group).items():
            bias, sums = self.absorbed(i, t, gone)
            ops[i] = _narrower(ops[i], bias.astype(np.int32), sums, ~gone)
        for i, op in enumerate(ops):
            if self.storage(op.output) in group and op.channels is not None:
                ops[i] = _shorter(op, op.channels, ~gone)
        left = int((~gone).sum())
        tensors = [
            replace(t, c=left, shape=(*t.shape[:-1], left)) if t.storage in group else t for t in self.qgraph.tensors
        ]
        return replace(self.qgraph, ops=tuple(ops), tensors=tuple(tensors))


def _narrower(op: QOp, bias: npt.NDArray[np.int32], sums: Int64Array, stay: _Mask) -> QOp:
    """Without input channels; bias, sums: of what remains."""
    assert op.channels is not None
    weights = np.ascontiguousarray(op.channels.weights[..., stay])
    fields = dict(op.fields) | ({"in_n": int(stay.sum())} if op.kind == "dense" else {})
    return _with(op, replace(op.channels, weights=weights, bias=bias, sums=sums), fields)


def _shorter(op: QOp, ch: Channels, stay: _Mask) -> QOp:
    """Without output channels."""
    weights = np.ascontiguousarray(ch.weights[..., stay] if op.kind == "depthwise" else ch.weights[stay])
    fields = dict(op.fields) | ({"out_n": int(stay.sum())} if op.kind == "dense" else {})
    left = Channels(weights, ch.bias[stay], ch.mult[stay], ch.shift[stay], ch.scale[stay], ch.sums[stay])
    return _with(op, left, fields)


def _with(op: QOp, channels: Channels, fields: Mapping[str, int]) -> QOp:
    assert op.channels is not None
    windows = op.macs // op.channels.weights.size
    return replace(op, channels=channels, fields=fields, macs=windows * channels.weights.size)
