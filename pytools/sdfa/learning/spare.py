"""Spare outputs: slots for classes that a device meets later (firmware/SPEC.md 4.7)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sdfa.errors import SdfaError
from sdfa.image.reader import Image
from sdfa.learning.tail import find_tail
from sdfa.lower import Channels, QGraph, QTensor

CLOSED_BIAS = -(1 << 30) - (1 << 20)
"""Bias of a closed slot: lower than learning ever makes one."""
SPARE_MAX = 4096


def add_spare(qgraph: QGraph, n: int) -> QGraph:
    """The graph with n more outputs: closed slots, with the weight scale of the channel whose scale is the median."""
    if not 0 <= n <= SPARE_MAX:
        raise SdfaError(f"--spare-classes {n}: at most {SPARE_MAX}")
    if n == 0:
        return qgraph
    tail = find_tail(qgraph, 1)
    last = tail.layers[0]
    if int(last.channels.shift.max()) > 0:
        raise SdfaError("--spare-classes: the output layer's scales are too small for a slot that never wins")
    grown = {last.out.storage, qgraph.tensors[qgraph.output].storage}
    tensors = tuple(_grown(t, last.out_n, n) if t.storage in grown else t for t in qgraph.tensors)
    fields = dict(last.dense.fields) | {"out_n": last.out_n + n}
    op = replace(last.dense, channels=_channels(last.channels, n), fields=fields, macs=(last.out_n + n) * last.in_n)
    return replace(qgraph, tensors=tensors, ops=(*qgraph.ops[: last.op], op, *qgraph.ops[last.op + 1 :]))


def _grown(t: QTensor, old: int, n: int) -> QTensor:
    if t.cells != (1, 1, old) or t.shape[-1] != old:
        raise SdfaError(f"--spare-classes: the output {t.name!r} of shape {t.shape} is no vector of classes")
    return replace(t, c=old + n, shape=(*t.shape[:-1], old + n))


def _channels(ch: Channels, n: int) -> Channels:
    like = int(np.argsort(ch.scale, kind="stable")[len(ch.scale) // 2])
    mult, shift, scale = (np.concatenate([v, np.full(n, v[like], v.dtype)]) for v in (ch.mult, ch.shift, ch.scale))
    weights = np.concatenate([ch.weights, np.zeros((n, ch.weights.shape[1]), np.int8)])
    bias, sums = np.concatenate([ch.bias, np.full(n, CLOSED_BIAS, np.int32)]), np.concatenate([ch.sums, np.zeros(n)])
    return Channels(weights, bias, mult, shift, scale, sums.astype(np.int64))


def is_closed(bias: int) -> bool:
    """Whether an output with this bias is a closed slot."""
    return bias < -(1 << 30)


def open_classes(image: Image) -> int:
    """Outputs of the trainable output layer that are no closed slots, in the present weights."""
    op = image.ops[image.op_off.index(int(image.layers[-1]["op"]))][1]
    bias = np.frombuffer(image.present_tail, "<i4", int(op["out_n"]), int(op["bias"]))
    return int(op["out_n"]) - sum(is_closed(int(b)) for b in bias)
