"""Graph -> QGraph: every operation in integers, every constant that can be computed on the PC computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sdfa.errors import SdfaError
from sdfa.lower.ends import strip_ends
from sdfa.lower.layers import lower_conv, lower_dense
from sdfa.lower.lowering import Lowering, refuse
from sdfa.lower.moves import lower_alias, lower_concatenation
from sdfa.lower.pictures import MEAN_CELLS, lower_mean, lower_pad, lower_pool, lower_reduce_max
from sdfa.lower.pointwise import SOFTMAX_MAX, lower_add, lower_mul, lower_softmax
from sdfa.lower.qgraph import Channels, QGraph, QOp, QTensor
from sdfa.lower.tables import lower_table
from sdfa.tflite.graph import Graph, Op

__all__ = ["RULES", "SUPPORTED_OPS", "Channels", "QGraph", "QOp", "QTensor", "Rule", "lower"]


def _lower_dequantize(_: Lowering, op: Op) -> None:
    raise refuse(op, "only at the end of the model; convert it to full-integer int8")


@dataclass(frozen=True)
class Rule:
    """How one TensorFlow Lite operation is lowered.

    lower: makes one operation, several, or none. becomes: the kinds that it may make. limits: what it refuses, for
    docs/operations.md, which operations.py makes from this table.
    """

    lower: Callable[[Lowering, Op], QOp | list[QOp] | None]
    becomes: tuple[str, ...]
    limits: str


_WINDOW = "fused NONE, RELU, RELU6, RELU_N1_TO_1; SAME and VALID; any strides"
_PAIR = "two computed operands of one shape: no constant, no broadcasting; fused activations as CONV_2D"
_WHOLE = "over height and width together, or over the steps of a signal"
_NAME = "any that keeps the values in their order: a second name of the same bytes"
_OWN_SCALE = "rescales to its own output scale"

RULES: dict[str, Rule] = {
    "CONV_2D": Rule(lower_conv, ("conv",), f"{_WINDOW}; dilations; scales per tensor or channel; no groups"),
    "DEPTHWISE_CONV_2D": Rule(
        lower_conv,
        ("depthwise", "conv"),
        f"{_WINDOW}; dilations; depth multiplier; scales per tensor or channel; conv where the input has one channel",
    ),
    "FULLY_CONNECTED": Rule(
        lower_dense, ("dense",), "over the last dimension; fused activations as CONV_2D; scales per tensor or channel"
    ),
    "AVERAGE_POOL_2D": Rule(lower_pool, ("avgpool",), f"{_WINDOW}; output scale is the input's"),
    "MAX_POOL_2D": Rule(lower_pool, ("maxpool",), f"{_WINDOW}; output scale is the input's"),
    "MEAN": Rule(lower_mean, ("mean",), f"{_WHOLE}; at most {MEAN_CELLS:,} cells"),
    "REDUCE_MAX": Rule(lower_reduce_max, ("maxpool",), f"{_WHOLE}; output scale is the input's"),
    "PAD": Rule(
        lower_pad,
        ("pad",),
        "height and width; no operation where the VALID convolutions behind it can pad by themselves",
    ),
    "PADV2": Rule(lower_pad, ("pad",), "as PAD; with the zero point only, which is the real value 0"),
    "ADD": Rule(lower_add, ("add",), _PAIR),
    "SUB": Rule(lower_add, ("add",), _PAIR),
    "MUL": Rule(lower_mul, ("mul",), _PAIR),
    "CONCATENATION": Rule(
        lower_concatenation,
        ("copy",),
        "any axis; parts with the output's scale; one operation per part; no fused activation",
    ),
    "RESHAPE": Rule(lower_alias, (), _NAME),
    "SQUEEZE": Rule(lower_alias, (), _NAME),
    "EXPAND_DIMS": Rule(lower_alias, (), _NAME),
    "SOFTMAX": Rule(lower_softmax, ("softmax",), f"over the last dimension; at most {SOFTMAX_MAX:,} classes"),
    "LOGISTIC": Rule(lower_table, ("table",), "output scale 1/256, as converters write it"),
    "TANH": Rule(lower_table, ("table",), "output scale 1/128, as converters write it"),
    "RELU": Rule(lower_table, ("table",), _OWN_SCALE),
    "RELU6": Rule(lower_table, ("table",), "output scale is the input's"),
    "LEAKY_RELU": Rule(lower_table, ("table",), f"alpha from 0 up; {_OWN_SCALE}"),
    "HARD_SWISH": Rule(lower_table, ("table",), _OWN_SCALE),
    "QUANTIZE": Rule(lower_table, ("table",), "int8 to int8; at the ends from float32 or uint8: left to the caller"),
    "DEQUANTIZE": Rule(_lower_dequantize, (), "at the end only: left to the caller"),
}
SUPPORTED_OPS = tuple(RULES)


def _one(what: str, indices: tuple[int, ...]) -> int:
    if len(indices) != 1:
        raise SdfaError(f"the model has {len(indices)} {what}s; exactly one is supported")
    return indices[0]


def _check_supported(graph: Graph) -> None:
    for op in graph.ops:
        if op.kind not in RULES:
            names = ", ".join(repr(graph.tensors[i].name) for i in op.outputs)
            raise SdfaError(
                f"operation {op.place} of {len(graph.ops)}, {op.kind} (makes {names}), is not supported; "
                f"supported: {', '.join(SUPPORTED_OPS)}"
            )


def _lower(low: Lowering, op: Op) -> list[QOp]:
    made = RULES[op.kind].lower(low, op)
    if made is None:
        return []
    return made if isinstance(made, list) else [made]


def lower(graph: Graph) -> QGraph:
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
