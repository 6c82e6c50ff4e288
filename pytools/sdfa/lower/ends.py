"""Models whose interface is not int8: the conversions at both ends are left to the caller."""

from __future__ import annotations

from dataclasses import replace

from sdfa.tflite.graph import Graph, Op, Tensor


def strip_ends(graph: Graph) -> Graph:
    """The graph without QUANTIZE behind a float or uint8 input and DEQUANTIZE or QUANTIZE before such an output.

    The int8 tensor becomes the end. uint8 is stripped only when it has the same scale and its zero point is
    128 higher: the same real values, one bit apart.
    """
    ends = [op for op in graph.ops if _is_first(graph, op) or _is_last(graph, op)]
    inner = {op.inputs[0]: op.outputs[0] for op in ends if _is_first(graph, op)}
    outer = {op.outputs[0]: op.inputs[0] for op in ends if _is_last(graph, op)}
    return replace(
        graph,
        ops=tuple(op for op in graph.ops if op not in ends),
        inputs=tuple(inner.get(i, i) for i in graph.inputs),
        outputs=tuple(outer.get(i, i) for i in graph.outputs),
    )


def _is_first(graph: Graph, op: Op) -> bool:
    """A conversion of the model's input that nothing else reads."""
    if op.kind != "QUANTIZE" or not _one_to_one(op) or op.inputs[0] not in graph.inputs:
        return False
    alone = sum(op.inputs[0] in other.inputs for other in graph.ops) == 1
    return alone and op.inputs[0] not in graph.outputs and _converts(graph, op.inputs[0], op.outputs[0])


def _is_last(graph: Graph, op: Op) -> bool:
    """A conversion to the model's output that nothing else reads."""
    if op.kind not in ("DEQUANTIZE", "QUANTIZE") or not _one_to_one(op) or op.outputs[0] not in graph.outputs:
        return False
    unread = not any(op.outputs[0] in other.inputs for other in graph.ops)
    return unread and _converts(graph, op.outputs[0], op.inputs[0])


def _one_to_one(op: Op) -> bool:
    return len(op.inputs) == len(op.outputs) == 1


def _converts(graph: Graph, outside: int, inside: int) -> bool:
    outer, inner = graph.tensors[outside], graph.tensors[inside]
    if inner.dtype != "int8" or inner.data is not None or inner.scale.size != 1:
        return False
    return outer.dtype == "float32" or (outer.dtype == "uint8" and _one_bit_apart(outer, inner))


def _one_bit_apart(outer: Tensor, inner: Tensor) -> bool:
    return (
        outer.scale.size == 1
        and bool(outer.scale[0] == inner.scale[0])
        and int(outer.zero_point[0]) == int(inner.zero_point[0]) + 128
    )
