"""Real numbers to fixed point, against exact fractions."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import example, given
from hypothesis import strategies as st

from sdfa.lower.multipliers import mantissa16, quantize_multiplier, round_half_away

POSITIVE = st.floats(2.0**-40, 2.0**40) | st.floats(2.0**-33, 4.0)


@given(st.floats(-(2.0**52), 2.0**52))
@example(0.49999999999999994)
@example(-0.5)
def test_halves_go_away_from_zero(x: float) -> None:
    exact = abs(Fraction(x))
    floor = math.floor(exact)
    expected = floor + (exact - floor >= Fraction(1, 2))
    # std::round of x + 0.5, as TensorFlow writes it for doubles: the sum itself is rounded
    assert abs(round_half_away(x)) in {expected, math.floor(float(abs(x)) + 0.5)}
    assert round_half_away(-x) == -round_half_away(x)


def _exact(real: float) -> tuple[int, int]:
    """The nearest m · 2^(s − 31) with 31 bits of m, in fractions."""
    value, shift = Fraction(real), 0
    while value >= 1:
        value, shift = value / 2, shift + 1
    while value < Fraction(1, 2):
        value, shift = value * 2, shift - 1
    scaled = value * 2**31
    mult = math.floor(scaled + Fraction(1, 2))
    return (mult // 2, shift + 1) if mult == 1 << 31 else (mult, shift)


@given(POSITIVE)
@example(1.0)
@example(math.nextafter(1.0, 0.0))
@example(math.nextafter(2.0**-32, 0.0))
@example(2.0**-32)
@example(2.0**30)
@example(math.nextafter(2.0**30, 0.0))
def test_multiplier_is_the_nearest(real: float) -> None:
    mult, shift = _exact(real)
    if shift < -31:
        assert quantize_multiplier(real) == (0, 0)
    elif shift > 30:
        assert quantize_multiplier(real) == ((1 << 31) - 1, 30)
    else:
        assert quantize_multiplier(real) == (mult, shift)
        assert 1 << 30 <= mult < 1 << 31


def test_zero_has_no_multiplier() -> None:
    assert quantize_multiplier(0.0) == (0, 0)


@given(POSITIVE)
@example(1.0)
@example(math.nextafter(1.0, 0.0))
def test_mantissa_is_normal_and_nearest(real: float) -> None:
    mant, exponent = mantissa16(real)
    assert 32768 <= mant <= 65535
    error = abs(Fraction(mant) * Fraction(2) ** exponent - Fraction(real))
    assert error <= Fraction(2) ** exponent / 2
