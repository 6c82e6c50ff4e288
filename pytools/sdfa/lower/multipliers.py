"""Real numbers to fixed-point forms, on the PC (the arithmetic of TensorFlow Lite's Prepare functions)."""

from __future__ import annotations

import math


def round_half_away(x: float) -> int:
    """std::round: halves go away from zero."""
    return math.floor(x + 0.5) if x >= 0 else -math.floor(-x + 0.5)


def quantize_multiplier(real: float) -> tuple[int, int]:
    """real >= 0 as m * 2^(s - 31), m in {0} or 2^30 .. 2^31 - 1 (TFLite QuantizeMultiplier).

    Too small gives (0, 0); too large saturates at (2^31 - 1, 30).
    """
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    mult = round_half_away(fraction * (1 << 31))
    if mult == 1 << 31:
        mult, shift = mult // 2, shift + 1
    if shift < -31:
        return 0, 0
    if shift > 30:
        return (1 << 31) - 1, 30
    return mult, shift


def mantissa16(real: float) -> tuple[int, int]:
    """real > 0 as m * 2^e with m in 32768 .. 65535, rounded to nearest."""
    fraction, exponent = math.frexp(real)
    mant = round_half_away(fraction * 65536)
    if mant == 65536:
        mant, exponent = 32768, exponent + 1
    return mant, exponent - 16
