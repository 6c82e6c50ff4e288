"""Fixed-point arithmetic of firmware/SPEC.md: requantization (2.1), softmax (2.2), logarithms (3.1), generator (3.3).

Every function takes and returns int64 arrays (or ints) that hold 32-bit values, so that no product overflows,
and broadcasts its arguments. `>>` floors, as numpy's does on signed integers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Int64Array = npt.NDArray[np.int64]
UInt64Array = npt.NDArray[np.uint64]

INT32_MIN, INT32_MAX = -(1 << 31), (1 << 31) - 1
MASK32 = (1 << 32) - 1

LCG_MULTIPLIER, LCG_INCREMENT = 747796405, 2891336453

# gemmlowp: (bit of the remainder in Q26, exp(-2^e) in Q31) for e = -2 ... 4
_BARREL = (
    (24, 1672461947), (25, 1302514674), (26, 790015084), (27, 290630308), (28, 39332535), (29, 720401),
    (30, 242),
)  # fmt: skip
_EXP_MINUS_EIGHTH, _THIRD = 1895147668, 715827883
_48_OVER_17, _MINUS_32_OVER_17 = 1515870810, -1010580540  # Q29
_ACCUMULATION_BITS = 12


def i64(x: npt.ArrayLike) -> Int64Array:
    """`x` as int64."""
    return np.asarray(x, np.int64)


def wrap32(x: npt.ArrayLike) -> Int64Array:
    """`x` modulo 2^32 as a signed 32-bit value."""
    return ((i64(x) & MASK32) ^ (1 << 31)) - (1 << 31)


def srdhm(a: npt.ArrayLike, b: npt.ArrayLike) -> Int64Array:
    """Saturating rounding doubling high multiplication (2.1)."""
    return np.minimum((i64(a) * i64(b) + (1 << 30)) >> 31, INT32_MAX)


def rdbpot(x: npt.ArrayLike, n: npt.ArrayLike) -> Int64Array:
    """x / 2^n rounded half away from zero (2.1), n in 0 ... 31."""
    x, n = i64(x), i64(n)
    mask = (i64(1) << n) - 1
    return (x >> n) + ((x & mask) > (mask >> 1) + (x < 0))


def mbqm(x: npt.ArrayLike, m: npt.ArrayLike, s: npt.ArrayLike) -> Int64Array:
    """x · m · 2^(s - 31), rounded twice (2.1); s in -31 ... 30."""
    s = i64(s)
    shifted = wrap32(i64(x) << np.maximum(s, 0))
    return rdbpot(srdhm(shifted, m), np.maximum(-s, 0))


def bit_length(x: npt.ArrayLike) -> Int64Array:
    """Bits of x >= 0; exact below 2^53."""
    return i64(np.frexp(np.asarray(x, np.float64))[1])


# --- softmax (2.2): gemmlowp's functions, FixedPoint<int32, n> written as raw Q(31-n) values ---


def _shift_left_saturating(x: Int64Array, n: int) -> Int64Array:
    return np.clip(x << n, INT32_MIN, INT32_MAX)


def _exp_near_zero(a: Int64Array) -> Int64Array:
    """exp(a) for a in [-1/4, 0), Q31 to Q31: a Taylor polynomial around -1/8."""
    x = a + (1 << 28)
    x2 = srdhm(x, x)
    x3 = srdhm(x2, x)
    x4_over_4 = rdbpot(srdhm(x2, x2), 2)
    rest = rdbpot(wrap32(srdhm(x4_over_4 + x3, _THIRD) + x2), 1)
    return wrap32(_EXP_MINUS_EIGHTH + srdhm(_EXP_MINUS_EIGHTH, wrap32(x + rest)))


def exp_on_negative_values(a: npt.ArrayLike, integer_bits: int = 5) -> Int64Array:
    """exp(a) for a <= 0 in Q(31 - integer_bits), at most 5 integer bits; result in Q31."""
    a = i64(a)
    up = 5 - integer_bits
    quarter = 1 << (24 + up)
    low = (a & (quarter - 1)) - quarter
    result = _exp_near_zero(_shift_left_saturating(low, integer_bits))
    remainder = wrap32(low - a)
    for bit, factor in _BARREL[: len(_BARREL) - up]:
        result = np.where((remainder >> (bit + up)) & 1, srdhm(result, factor), result)
    return np.where(a == 0, INT32_MAX, result)


def _two_over_one_plus_x(x: npt.ArrayLike) -> Int64Array:
    """2 / (1 + x) for x in 0 ... 1, Q31 to Q29, by three Newton steps."""
    total = i64(x) + INT32_MAX
    # C divides towards zero
    half = np.where(total >= 0, (total + 1) >> 1, -((1 - total) >> 1))
    y = wrap32(_48_OVER_17 + srdhm(half, _MINUS_32_OVER_17))
    for _ in range(3):
        error = wrap32((1 << 29) - srdhm(half, y))
        y = wrap32(y + _shift_left_saturating(srdhm(y, error), 2))
    return y


def one_over_one_plus_x_for_x_in_0_1(x: npt.ArrayLike) -> Int64Array:
    """1 / (1 + x), Q31 to Q31."""
    return _shift_left_saturating(_two_over_one_plus_x(x), 1)


def one_minus_x_over_one_plus_x_for_x_in_0_1(x: npt.ArrayLike) -> Int64Array:
    """(1 - x) / (1 + x), Q31 to Q31."""
    return _shift_left_saturating(wrap32(_two_over_one_plus_x(x) - (1 << 29)), 2)


def softmax(q: npt.ArrayLike, mult: int, shift: int, diff_min: int) -> npt.NDArray[np.int8]:
    """Softmax over the last axis (2.2): int8 to int8 with scale 1/256 and zero point -128."""
    q = i64(q)
    d = q - q.max(axis=-1, keepdims=True)
    counted = d >= diff_min
    e = exp_on_negative_values(srdhm(wrap32(d << shift), mult))
    total = np.where(counted, rdbpot(e, _ACCUMULATION_BITS), 0).sum(axis=-1, keepdims=True) & MASK32
    headroom = 32 - bit_length(total)
    reciprocal = one_over_one_plus_x_for_x_in_0_1(wrap32((total << headroom) - (1 << 31)))
    # a damaged image may make a negative exponent; for a real one 23 <= exponent <= 35
    exponent = np.maximum(_ACCUMULATION_BITS - headroom + 23, 0)
    v = rdbpot(srdhm(reciprocal, e), exponent) - 128
    return np.where(counted, np.clip(v, -128, 127), -128).astype(np.int8)


# --- the error of a learning step (3.1) and the loss counter (3.5) ---


def pow2(f: npt.ArrayLike) -> Int64Array:
    """2^(-f/4096) in Q16 for f in 0 ... 4095."""
    f = i64(f)
    v = -3494 + ((f * 449) >> 12)
    v = 15704 + ((f * v) >> 12)
    v = -45425 + ((f * v) >> 12)
    return 65536 + ((f * v) >> 12)


def log2_q12(x: int) -> int:
    """log2(x) · 4096 for x >= 1 (3.5)."""
    n = x.bit_length() - 1
    f = (x << 12 >> n) - 4096
    return 4096 * n + f + ((((f * (4096 - f)) >> 12) * 1408) >> 12)


# --- the generator (3.3) ---


def lcg_jumps(n: int) -> tuple[UInt64Array, UInt64Array]:
    """uint64[n] each: the state after j + 1 steps is multiplier[j] · state + increment[j] mod 2^32."""
    multiplier, increment = np.zeros(n, np.uint64), np.zeros(n, np.uint64)
    m, c = 1, 0
    for j in range(n):
        m, c = m * LCG_MULTIPLIER & MASK32, (c * LCG_MULTIPLIER + LCG_INCREMENT) & MASK32
        multiplier[j], increment[j] = m, c
    return multiplier, increment


def mix(state: UInt64Array) -> UInt64Array:
    """What the generator returns for its states: X ^ (X >> 16)."""
    return state ^ (state >> np.uint64(16))


def lanes(y: UInt64Array) -> Int64Array:
    """Words uint64[...] to their four 16-bit lanes int64[..., 4] (3.4)."""
    y = y.astype(np.int64)
    rotated = (y >> 24) | (y << 8)
    return i64(np.stack([y, y >> 8, y >> 16, rotated], axis=-1) & 0xFFFF)


def octets(y: UInt64Array) -> Int64Array:
    """Words uint64[...] to their four bytes int64[..., 4], the lowest first (3.4)."""
    return i64(np.stack([y >> np.uint64(8 * i) for i in range(4)], axis=-1) & np.uint64(0xFF))
