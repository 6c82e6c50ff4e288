"""Operations that move values or only rename them: RESHAPE and its kin, CONCATENATION."""

from __future__ import annotations

import math

from sdfa.lower.lowering import Lowering, activation, refuse, same_quantization
from sdfa.lower.qgraph import QOp
from sdfa.tflite.graph import Op


def lower_alias(low: Lowering, op: Op) -> None:
    """RESHAPE, SQUEEZE, EXPAND_DIMS: a second name of the same bytes."""
    a = low.source(op)
    o = low.tensor(op.outputs[0], storage=low.tensors[a].storage)
    if low.tensors[a].len != low.tensors[o].len:
        raise refuse(op, f"cannot reshape {low.tensors[a].shape} to {low.tensors[o].shape}")


def lower_concatenation(low: Lowering, op: Op) -> list[QOp]:
    """One COPY per input, into rows that start at the axis."""
    sources, o = [low.source(op, slot) for slot in range(len(op.inputs))], low.tensor(op.outputs[0])
    out = low.tensors[o]
    if activation(op) != "NONE":
        raise refuse(op, f"fused activation {activation(op)} is not supported")
    axis = int(op.options.get("axis", 0))
    if not -len(out.shape) <= axis < len(out.shape):
        raise refuse(op, f"axis {axis} is outside the shape {out.shape}")
    axis %= len(out.shape)
    _check_parts(low, op, sources, o, axis)
    rows, off, copies = math.prod(out.shape[:axis]), 0, []
    for source in sources:
        row_len = low.tensors[source].len // rows
        copies.append(QOp("copy", op.place, (source,), o, {"rows": rows, "row_len": row_len, "off": off}))
        off += row_len
    return copies


def _check_parts(low: Lowering, op: Op, sources: list[int], o: int, axis: int) -> None:
    """All parts have the output's quantization, and its shape but for the axis."""
    out = low.tensors[o]
    for source in sources:
        part = low.tensors[source]
        same_quantization(op, part, out)
        if part.shape[:axis] != out.shape[:axis] or part.shape[axis + 1 :] != out.shape[axis + 1 :]:
            raise refuse(op, f"{part.name!r} of shape {part.shape} does not fit into {out.shape} along axis {axis}")
    if sum(low.tensors[source].shape[axis] for source in sources) != out.shape[axis]:
        raise refuse(op, f"the parts do not fill the output of shape {out.shape} along axis {axis}")
