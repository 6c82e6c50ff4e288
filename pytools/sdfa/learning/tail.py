"""The trainable tail of a QGraph: which dense layers learn, and their real-valued view."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdfa.errors import SdfaError, amount
from sdfa.lower import Channels, QGraph, QOp, QTensor
from sdfa.tflite.graph import FloatArray

LARGEST_OUTPUT = 16384


@dataclass(frozen=True, eq=False)
class TailLayer:
    """One dense layer that learns. op: its index in QGraph.ops. a: its input, out: its output."""

    op: int
    dense: QOp
    a: QTensor
    out: QTensor

    @property
    def channels(self) -> Channels:
        assert self.dense.channels is not None
        return self.dense.channels

    @property
    def out_n(self) -> int:
        return self.out.len

    @property
    def in_n(self) -> int:
        return self.a.len

    def real_weights(self) -> FloatArray:
        """float64 (out_n, in_n)."""
        return self.channels.weights.astype(np.float64) * self.channels.scale[:, None]


@dataclass(frozen=True, eq=False)
class Tail:
    """layers: first to last. softmax: the model ends in SOFTMAX."""

    layers: tuple[TailLayer, ...]
    softmax: bool


def _producer(qgraph: QGraph, storage: int) -> int | None:
    found = [i for i, op in enumerate(qgraph.ops) if qgraph.tensors[op.output].storage == storage]
    return found[-1] if found else None


def _readers(qgraph: QGraph, storage: int) -> int:
    return sum(qgraph.tensors[t].storage == storage for op in qgraph.ops for t in op.inputs)


def _layer(qgraph: QGraph, i: int) -> TailLayer:
    op = qgraph.ops[i]
    return TailLayer(i, op, qgraph.tensors[op.inputs[0]], qgraph.tensors[op.output])


def _trainable(qgraph: QGraph, i: int | None) -> bool:
    if i is None:
        return False
    op = qgraph.ops[i]
    return op.kind == "dense" and op.fields["rows"] == 1 and op.bias_tensor >= 0


def find_tail(qgraph: QGraph, count: int | None) -> Tail:
    """The last `count` dense layers (default: up to 2). Raises SdfaError when there are not that many in a chain."""
    if count is not None and count < 1:
        raise SdfaError(f"--train-last {count}: at least one layer must learn; leave the option away for the default")
    at = _producer(qgraph, qgraph.tensors[qgraph.output].storage)
    softmax = at is not None and qgraph.ops[at].kind == "softmax"
    if softmax and at is not None:
        at = _producer(qgraph, qgraph.tensors[qgraph.ops[at].inputs[0]].storage)
    layers: list[TailLayer] = []
    while _trainable(qgraph, at) and len(layers) < (2 if count is None else count):
        assert at is not None
        layer = _layer(qgraph, at)
        if layers and _readers(qgraph, layer.out.storage) > 1:
            break
        layers.insert(0, layer)
        at = _producer(qgraph, layer.a.storage)
    if not layers or (count is not None and len(layers) < count):
        raise SdfaError(
            f"only {amount(len(layers), 'dense layer')} with bias (FULLY_CONNECTED, one row) at the end of this model; "
            f"{count or 1} asked for: choose a smaller --train-last, or end the model in dense layers"
        )
    _check_output(layers[-1])
    return Tail(tuple(layers), softmax)


def _check_output(last: TailLayer) -> None:
    if last.dense.activation != "NONE":
        raise SdfaError(f"operation {last.dense.place}: the output layer must have no activation to learn")
    if last.out_n > LARGEST_OUTPUT:
        raise SdfaError(f"{last.out_n} outputs; at most {LARGEST_OUTPUT} can learn")
