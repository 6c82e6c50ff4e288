"""Functions of one int8 value as tables of 256, in the arithmetic of TensorFlow Lite Micro's own kernels.

Every table is int8[256]; entry q + 128 is the output for the input q.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from sdfa.lower.lowering import Lowering, level, refuse, same_quantization
from sdfa.lower.multipliers import quantize_multiplier, round_half_away
from sdfa.lower.qgraph import QOp, QTensor
from sdfa.tflite.graph import Int8Array, Op
from sdfa.twin.fixedpoint import (
    INT32_MAX,
    Int64Array,
    exp_on_negative_values,
    i64,
    mbqm,
    one_minus_x_over_one_plus_x_for_x_in_0_1,
    one_over_one_plus_x_for_x_in_0_1,
    rdbpot,
)

_INPUTS = np.arange(-128, 128)
_Q4 = 27  # fraction bits of a value with 4 integer bits


def _int8(v: npt.ArrayLike) -> Int8Array:
    return np.clip(i64(v), -128, 127).astype(np.int8)


def _rescaled(a: QTensor, real: float) -> Int64Array:
    """(q - z) times `real`, rounded."""
    return mbqm(_INPUTS - a.zero_point, *quantize_multiplier(real))


# --- TANH, LOGISTIC: gemmlowp fixed point with 4 integer bits; beyond +-15 the result saturates ---


def _in_q4(op: Op, a: QTensor) -> tuple[Int64Array, Int64Array]:
    """Real inputs in Q4.27, and -1 or 1 where they are so far from zero that the result saturates, else 0."""
    fraction, shift = math.frexp(a.scale * (1 << _Q4))
    if shift < 0:
        raise refuse(op, f"input scale {a.scale} is too small")
    d = _INPUTS - a.zero_point
    radius = (15 << _Q4) >> shift
    beyond = np.where(d <= -radius, -1, np.where(d >= radius, 1, 0))
    # where shift is above 30 everything is beyond
    return mbqm(d, round_half_away(fraction * (1 << 31)), min(shift, 30)), i64(beyond)


def _saturated(v: Int64Array, beyond: Int64Array) -> Int8Array:
    return np.where(beyond < 0, -128, np.where(beyond > 0, 127, _int8(v))).astype(np.int8)


def _fixed_output(op: Op, out: QTensor, scale: float, zero_point: int) -> None:
    if out.quantization != (scale, zero_point):
        raise refuse(op, f"output must have scale {scale:g} and zero point {zero_point}, as converters write it")


def logistic(op: Op, a: QTensor, out: QTensor) -> Int8Array:
    """LOGISTIC."""
    _fixed_output(op, out, 1 / 256, -128)
    x, beyond = _in_q4(op, a)
    half = one_over_one_plus_x_for_x_in_0_1(exp_on_negative_values(-np.abs(x), 4))
    y = np.where(x == 0, 1 << 30, np.where(x > 0, half, INT32_MAX - half))
    return _saturated(rdbpot(y, 23) - 128, beyond)


def tanh(op: Op, a: QTensor, out: QTensor) -> Int8Array:
    """TANH."""
    _fixed_output(op, out, 1 / 128, 0)
    x, beyond = _in_q4(op, a)
    # twice the value has one more integer bit and the same digits
    y = one_minus_x_over_one_plus_x_for_x_in_0_1(exp_on_negative_values(-np.abs(x), 5))
    return _saturated(rdbpot(np.sign(x) * y, 24), beyond)


# --- piecewise linear functions ---


def requantized(_: Op, a: QTensor, out: QTensor) -> Int8Array:
    """QUANTIZE from int8 to int8."""
    return _int8(_rescaled(a, a.scale / out.scale) + out.zero_point)


def relu(_: Op, a: QTensor, out: QTensor) -> Int8Array:
    """RELU, with its own output scale."""
    return _int8(np.maximum(_rescaled(a, a.scale / out.scale) + out.zero_point, out.zero_point))


def relu6(op: Op, a: QTensor, out: QTensor) -> Int8Array:
    """RELU6, which does not rescale."""
    same_quantization(op, a, out)
    return _int8(np.clip(_INPUTS, a.zero_point, max(a.zero_point, level(a, 6.0))))


def leaky_relu(op: Op, a: QTensor, out: QTensor) -> Int8Array:
    """LEAKY_RELU."""
    alpha = float(op.options.get("alpha", 0.0))
    if not 0 <= alpha < math.inf:
        raise refuse(op, f"alpha {alpha} is not supported: from 0 up")
    below = _rescaled(a, a.scale * alpha / out.scale)
    v = np.where(a.zero_point <= _INPUTS, _rescaled(a, a.scale / out.scale), below)
    return _int8(v + out.zero_point)


# --- HARD_SWISH: 16-bit fixed point ---


def _saturate16(v: Int64Array) -> Int64Array:
    return np.clip(v, -(1 << 15), (1 << 15) - 1)


def _high16(a: Int64Array, b: int) -> Int64Array:
    """Saturating rounding doubling high multiplication of 16-bit values."""
    return _saturate16((a * b + (1 << 14)) >> 15)


def _multiplier16(real: float) -> tuple[int, int]:
    """(m, s) with real = m * 2^(s - 15)."""
    mult, shift = quantize_multiplier(real)
    return min((mult + (1 << 15)) >> 16, (1 << 15) - 1), shift


def hard_swish(op: Op, a: QTensor, out: QTensor) -> Int8Array:
    """HARD_SWISH: x * min(max(x + 3, 0), 6) / 6."""
    unit = a.scale / 128
    mult, shift = _multiplier16(unit / out.scale)
    if shift > 0:
        raise refuse(op, "output scale is too small for the input scale")
    x = i64(_INPUTS - a.zero_point) << 7
    gate = (_hard_swish_gate(x, unit) + (1 << 15)) >> 1
    product = gate * _high16(x, mult)
    # C divides towards zero
    v = np.where(product >= 0, product >> 15, -(-product >> 15))
    return _int8(rdbpot(v, -shift) + out.zero_point)


def _hard_swish_gate(x: Int64Array, unit: float) -> Int64Array:
    """x * unit / 3, saturated, in Q15."""
    mult, shift = _multiplier16(unit * (32768 / 3))
    gate = _high16(_saturate16(x << max(shift - 1, 0)), mult)
    return _saturate16(gate << 1) if shift > 0 else rdbpot(gate, -shift)


_FUNCTIONS: dict[str, Callable[[Op, QTensor, QTensor], Int8Array]] = {
    "LOGISTIC": logistic,
    "TANH": tanh,
    "RELU": relu,
    "RELU6": relu6,
    "LEAKY_RELU": leaky_relu,
    "HARD_SWISH": hard_swish,
    "QUANTIZE": requantized,
}


def lower_table(low: Lowering, op: Op) -> QOp:
    """Any of _FUNCTIONS."""
    a, o, ta, to = low.ends(op)
    if ta.len != to.len:
        raise refuse(op, f"shapes {ta.shape} and {to.shape} differ")
    return QOp("table", op.place, (a,), o, {}, table=_FUNCTIONS[op.kind](op, ta, to))
