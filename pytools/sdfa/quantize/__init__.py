"""Graph -> QGraph: every operation in integers, every constant that can be computed on the PC computed."""

from __future__ import annotations

from collections.abc import Callable

from sdfa.errors import SdfaError
from sdfa.graph import Graph, Op
from sdfa.quantize.ends import strip_ends
from sdfa.quantize.layers import lower_conv, lower_dense
from sdfa.quantize.lowering import Lowering, refuse
from sdfa.quantize.moves import lower_alias, lower_concatenation
from sdfa.quantize.pictures import lower_mean, lower_pad, lower_pool
from sdfa.quantize.pointwise import lower_add, lower_mul, lower_softmax
from sdfa.quantize.qgraph import Channels, QGraph, QOp, QTensor
from sdfa.quantize.tables import lower_table

__all__ = ["SUPPORTED_OPS", "Channels", "QGraph", "QOp", "QTensor", "quantize"]


def _lower_dequantize(_: Lowering, op: Op) -> None:
    raise refuse(op, "only at the end of the model; convert it to full-integer int8")


# what an operation becomes: one operation, several, or none
_LOWER: dict[str, Callable[[Lowering, Op], QOp | list[QOp] | None]] = {
    "CONV_2D": lower_conv,
    "DEPTHWISE_CONV_2D": lower_conv,
    "FULLY_CONNECTED": lower_dense,
    "AVERAGE_POOL_2D": lower_pool,
    "MAX_POOL_2D": lower_pool,
    "MEAN": lower_mean,
    "PAD": lower_pad,
    "PADV2": lower_pad,
    "ADD": lower_add,
    "SUB": lower_add,
    "MUL": lower_mul,
    "CONCATENATION": lower_concatenation,
    "RESHAPE": lower_alias,
    "SQUEEZE": lower_alias,
    "EXPAND_DIMS": lower_alias,
    "SOFTMAX": lower_softmax,
    "LOGISTIC": lower_table,
    "TANH": lower_table,
    "RELU": lower_table,
    "RELU6": lower_table,
    "LEAKY_RELU": lower_table,
    "HARD_SWISH": lower_table,
    "QUANTIZE": lower_table,
    "DEQUANTIZE": _lower_dequantize,
}
SUPPORTED_OPS = tuple(_LOWER)


def _one(what: str, indices: tuple[int, ...]) -> int:
    if len(indices) != 1:
        raise SdfaError(f"the model has {len(indices)} {what}s; exactly one is supported")
    return indices[0]


def _check_supported(graph: Graph) -> None:
    for op in graph.ops:
        if op.kind not in _LOWER:
            names = ", ".join(repr(graph.tensors[i].name) for i in op.outputs)
            raise SdfaError(
                f"operation {op.place} of {len(graph.ops)}, {op.kind} (makes {names}), is not supported; "
                f"supported: {', '.join(SUPPORTED_OPS)}"
            )


def _lower(low: Lowering, op: Op) -> list[QOp]:
    made = _LOWER[op.kind](low, op)
    if made is None:
        return []
    return made if isinstance(made, list) else [made]


def quantize(graph: Graph) -> QGraph:
    """Lower a full-integer int8 graph. Raises SdfaError naming the operation, its place and what is supported."""
    _check_supported(graph)
    graph = strip_ends(graph)
    low = Lowering(graph)
    first = low.tensor(_one("input", graph.inputs))
    ops = [made for op in graph.ops for made in _lower(low, op)]
    last = _one("output", graph.outputs)
    if last not in low.index:
        raise SdfaError("the model's output does not come from its input")
    return QGraph(graph.name, tuple(low.tensors), tuple(ops), first, low.index[last], graph.sha256)
