"""Which frozen dense layers read so many zeros that cores which pass over them are sooner done (SPEC.md 1.4, ZEROS)."""

from __future__ import annotations

from collections.abc import Callable, Collection

import numpy as np

from sdfa.image.reader import Image
from sdfa.lower import QGraph, QOp
from sdfa.tflite.graph import Int8Array
from sdfa.twin.infer import run_until

ZERO = -128
"""The zero point that the M0's kernel passes over, and the one that a ReLU leaves."""
SHARE_MIN = 1 / 3
"""Of the inputs that are the zero point. For four rows an M3 executes 9 1/4 instructions per input; passing over zeros
11 1/4, or 3 1/4 for a zero: equal at a quarter. The rest is for new inputs, which may have fewer zeros than those seen.
An M0 takes two rows at a time otherwise, 18 instructions instead of 16 1/4, or 4 1/4 for a zero: it always gains."""
ROWS_MIN, INPUTS_MIN = 4, 32
"""Fewer rows are summed one by one, over zeros too. The second biases, 4 bytes a row, are at most an eighth of the
weights."""
SAMPLES = 64

_RECTIFIERS = ("dense", "conv", "depthwise")


def zero_layers(
    qgraph: QGraph, learns: Collection[int], seen: Int8Array | None, image: Callable[[], Image]
) -> frozenset[int]:
    """Indices of operations. learns: indices of those that learn. image: makes one of this graph.

    seen: int8 (n, *input), inputs to count zeros by. None: outputs of a layer that a ReLU or its zero point cuts off at
    zero are taken to be zeros in every second case, as 0.40 to 0.81 of them are in the dense layers of public models.
    """
    frozen = (i for i, op in enumerate(qgraph.ops) if i not in learns and _may(qgraph, op))
    return frozenset(i for i in frozen if _share(qgraph, i, seen, image) >= SHARE_MIN)


def _may(qgraph: QGraph, op: QOp) -> bool:
    if op.kind != "dense" or qgraph.tensors[op.inputs[0]].zero_point != ZERO:
        return False
    return op.fields["out_n"] >= ROWS_MIN and op.fields["in_n"] >= INPUTS_MIN


def _share(qgraph: QGraph, i: int, seen: Int8Array | None, image: Callable[[], Image]) -> float:
    """Share of the inputs of operation i that are the zero point."""
    tensor = qgraph.ops[i].inputs[0]
    if seen is not None and len(seen):
        some = seen[:: -(-len(seen) // SAMPLES)]
        return float(np.mean(run_until(image(), some, i, tensor) == ZERO))
    storage = qgraph.tensors[tensor].storage
    makers = [op.kind for op in qgraph.ops[:i] if qgraph.tensors[op.output].storage == storage]
    return 0.5 if makers[-1:] and makers[-1] in _RECTIFIERS else 0.0
