"""Operations that work value by value or row by row: ADD, SUB, MUL, SOFTMAX."""

from __future__ import annotations

from sdfa.image.records import ADD_SUBTRACT
from sdfa.lower.lowering import Lowering, activation_range, refuse
from sdfa.lower.multipliers import quantize_multiplier
from sdfa.lower.qgraph import QOp, QTensor
from sdfa.tflite.graph import Op

SOFTMAX_MAX = 4095


def _pair(low: Lowering, op: Op) -> tuple[tuple[int, int], int, QTensor, QTensor, QTensor]:
    """Indices of both inputs and of the output, and their tensors, which have one shape."""
    if len(op.inputs) != 2 or any(low.graph.tensors[i].data is not None for i in op.inputs):
        raise refuse(op, "a constant operand is not supported; fold it into the weights and bias of the layer before")
    a, b, o = low.source(op, 0), low.source(op, 1), low.tensor(op.outputs[0])
    ta, tb, to = (low.tensors[i] for i in (a, b, o))
    if not ta.cells == tb.cells == to.cells:
        raise refuse(op, f"shapes {ta.shape} and {tb.shape} differ: broadcasting is not supported")
    return (a, b), o, ta, tb, to


def lower_add(low: Lowering, op: Op) -> QOp:
    """ADD and SUB, of two activations of one shape."""
    pair, o, ta, tb, to = _pair(low, op)
    subtract = op.kind == "SUB"
    fields = activation_range(op, to) | {"flags": ADD_SUBTRACT if subtract else 0}
    twice = 2 * max(ta.scale, tb.scale)
    reals = {"0": ta.scale / twice, "1": tb.scale / twice, "_out": twice / ((1 << 20) * to.scale)}
    for name, real in reals.items():
        fields[f"mult{name}"], fields[f"shift{name}"] = quantize_multiplier(real)
        if fields[f"shift{name}"] > 0:
            raise refuse(op, "output scale is too small for the input scales")
    return QOp("add", op.place, pair, o, fields)


def lower_mul(low: Lowering, op: Op) -> QOp:
    """MUL of two activations of one shape."""
    pair, o, ta, tb, to = _pair(low, op)
    mult, shift = quantize_multiplier(ta.scale * tb.scale / to.scale)
    return QOp("mul", op.place, pair, o, {"mult": mult, "shift": shift} | activation_range(op, to))


def lower_softmax(low: Lowering, op: Op) -> QOp:
    """SOFTMAX over the last dimension."""
    a, o, ta, to = low.ends(op)
    if to.scale != 1 / 256 or to.zero_point != -128:
        raise refuse(op, "output must be quantized with scale 1/256 and zero point -128, as converters write it")
    if ta.c > SOFTMAX_MAX or ta.cells != to.cells:
        raise refuse(op, f"shape {ta.shape} is not supported: at most {SOFTMAX_MAX} classes")
    real = min(float(op.options.get("beta", 1.0)) * ta.scale * (1 << 26), (1 << 31) - 1.0)
    mult, shift = quantize_multiplier(real) if real > 0 else (0, -1)
    if shift < 0:
        raise refuse(op, f"input scale {ta.scale} times beta is too small")
    radius = 31 * (1 << 26) // (1 << shift)
    return QOp("softmax", op.place, (a,), o, {"mult": mult, "shift": shift, "diff_min": -radius})
