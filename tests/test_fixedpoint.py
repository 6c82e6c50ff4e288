"""Fixed-point arithmetic against big integers, real numbers and TensorFlow Lite Micro."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdfa.twin.fixedpoint import (
    LCG_INCREMENT,
    LCG_MULTIPLIER,
    exp_on_negative_values,
    lanes,
    lcg_jumps,
    log2_q12,
    mbqm,
    mix,
    one_over_one_plus_x_for_x_in_0_1,
    pow2,
    rdbpot,
    softmax,
    srdhm,
    wrap32,
)
from tests.oneop import oracle_run
from tests.tflite_format import OpDef, TensorDef, write_model

LOW, HIGH = -(1 << 31), (1 << 31) - 1
INT32 = st.integers(LOW, HIGH) | st.sampled_from([LOW, LOW + 1, -1, 0, 1, HIGH - 1, HIGH])


def half_away(x: Fraction) -> int:
    """Round half away from zero."""
    return (1 if x >= 0 else -1) * math.floor(abs(x) + Fraction(1, 2))


def half_up(x: Fraction) -> int:
    return math.floor(x + Fraction(1, 2))


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_wrap32_is_modulo(x: int) -> None:
    assert int(wrap32(x)) == (x - LOW) % (1 << 32) + LOW


@given(INT32, INT32)
def test_srdhm(a: int, b: int) -> None:
    assert int(srdhm(a, b)) == min(half_up(Fraction(a * b, 1 << 31)), HIGH)


@given(INT32, st.integers(0, 31))
def test_rdbpot(x: int, n: int) -> None:
    assert int(rdbpot(x, n)) == half_away(Fraction(x, 1 << n))


@given(INT32, INT32, st.integers(-31, 30))
def test_mbqm(x: int, m: int, s: int) -> None:
    shifted = ((x << max(s, 0)) - LOW) % (1 << 32) + LOW
    wanted = half_away(Fraction(min(half_up(Fraction(shifted * m, 1 << 31)), HIGH), 1 << max(-s, 0)))
    assert int(mbqm(x, m, s)) == wanted


def test_mbqm_broadcasts_over_channels() -> None:
    acc = np.arange(-60, 60).reshape(4, 5, 6) * 1000
    m, s = np.arange(6) + (1 << 30), np.array([-31, -4, -1, 0, 1, 3])
    whole = mbqm(acc, m, s)
    assert all(int(whole[i]) == int(mbqm(acc[i], m[i[2]], s[i[2]])) for i in np.ndindex(4, 5, 6))


def test_exponential_is_close() -> None:
    a = -np.unique(np.concatenate([np.arange(4096), np.geomspace(1, 2**31, 20000).astype(np.int64)]))
    assert np.abs(exp_on_negative_values(a) / 2**31 - np.exp(a / 2**26)).max() < 3e-7


def test_reciprocal_is_close() -> None:
    x = np.linspace(0, HIGH, 100_001).astype(np.int64)
    assert np.abs(one_over_one_plus_x_for_x_in_0_1(x) / 2**31 - 1 / (1 + x / 2**31)).max() < 1e-8


def test_pow2_is_close_everywhere() -> None:
    f = np.arange(4096)
    assert np.abs(pow2(f) - 65536 * np.exp2(-f / 4096)).max() < 8
    assert (np.diff(pow2(f)) < 0).all()
    assert int(pow2(0)) == 65536


def test_log2_is_close() -> None:
    for x in [*range(4096, 20000), *(int(v) for v in np.geomspace(2**15, 2**30, 5000))]:
        assert abs(log2_q12(x) - 4096 * math.log2(x)) < 40


# --- the generator ---


def test_jumps_equal_single_steps() -> None:
    multiplier, increment = lcg_jumps(50)
    state = start = 987654321
    for m, c in zip(multiplier.tolist(), increment.tolist(), strict=True):
        state = (state * LCG_MULTIPLIER + LCG_INCREMENT) % (1 << 32)
        assert (start * m + c) % (1 << 32) == state


def test_generator_has_full_period() -> None:
    """Hull and Dobell: increment odd, multiplier 1 mod 4. So each state comes up once in 2^32 steps."""
    assert LCG_INCREMENT % 2 == 1
    assert LCG_MULTIPLIER % 4 == 1


def test_lanes_are_uniform_over_the_full_period() -> None:
    """X -> X ^ (X >> 16) is a bijection of 32 bits, so words are uniform; a lane is 12 different bits of the word."""
    x = np.random.default_rng(0).integers(0, 1 << 32, 100_000).astype(np.uint64)
    y = mix(x)
    assert (mix(y) == x).all()
    bits = lanes(np.uint64(1) << np.arange(32, dtype=np.uint64))
    for lane in range(4):
        moved = bits[:, lane]
        assert np.count_nonzero(moved) == 12
        assert sorted(moved[moved > 0].tolist()) == [1 << b for b in range(12)]


def test_lanes_look_uniform_in_a_sample() -> None:
    multiplier, increment = lcg_jumps(1 << 16)
    found = lanes(mix((np.uint64(1) * multiplier + increment) & np.uint64(0xFFFFFFFF)))
    for lane in range(4):
        counts = np.bincount(found[:, lane] >> 4, minlength=256)
        chi = float(((counts - 256.0) ** 2 / 256).sum())
        # chi square with 255 degrees of freedom: 255 ± 5 standard deviations
        assert abs(chi - 255) < 5 * math.sqrt(510), lane


def test_the_mean_step_is_exact() -> None:
    """Over all random offsets, 12 bits for int8 and 8 for master weights, the sum of the rounded steps is G · a."""
    rng = np.random.default_rng(1)
    steps = [*rng.integers(-(1 << 29), 1 << 29, 3000).tolist(), *range(-300 * 16, 300 * 16), -65536, 65536]
    for bits in (12, 8):
        r = np.arange(1 << bits)
        assert all(int(((v + r) >> bits).sum()) == v for v in steps)


# --- softmax ---


def softmax_model(n: int, scale: float) -> bytes:
    tensors = [TensorDef("x", (1, n), scale=(scale,)), TensorDef("y", (1, n), scale=(1 / 256,), zero_point=-128)]
    return write_model(tensors, [OpDef("SOFTMAX", (0,), (1,), {"beta": 1.0})], [0], [1])


def softmax_constants(scale: float) -> tuple[int, int, int]:
    """(mult, shift, diff_min) as TensorFlow Lite Micro prepares them."""
    real = min(float(np.float32(scale)) * 2**26, 2.0**31 - 1)
    q, shift = math.frexp(real)
    return round(q * 2**31), shift, -math.floor(31 * 2**26 / 2**shift)


@pytest.mark.parametrize("scale", [0.003, 1 / 64, 0.1, 0.25, 1.0])
def test_softmax_equals_the_oracle(scale: float) -> None:
    """Two classes: every pair of differences. More classes: random rows of many lengths."""
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    rng = np.random.default_rng(2)
    pairs = np.stack([np.full(256, 127), np.arange(-128, 128)], axis=1)
    # the oracle aborts where more than 511 values are equal
    for n in (2, 3, 10, 100, 500):
        rows = pairs if n == 2 else rng.integers(-128, 128, (40, n)) // rng.integers(1, 30, (40, 1))
        model = softmax_model(n, scale)
        for row in rows.astype(np.int8):
            want = oracle_run(model, row[None])
            assert (softmax(row[None], *softmax_constants(scale)) == want).all()


def test_softmax_of_a_real_row_sums_to_one() -> None:
    q = np.random.default_rng(3).integers(-128, 128, (500, 10)).astype(np.int8)
    v = softmax(q, *softmax_constants(0.1)).astype(np.int64) + 128
    assert np.abs(v.sum(axis=1) - 256).max() <= 6


def test_softmax_survives_senseless_parameters() -> None:
    q = np.random.default_rng(4).integers(-128, 128, (50, 7)).astype(np.int8)
    for mult, shift, diff_min in ((LOW, 30, HIGH), (HIGH, 30, LOW), (-5, 0, 0), (0, 0, 1)):
        assert softmax(q, mult, shift, diff_min).shape == q.shape
