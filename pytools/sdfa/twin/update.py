"""One layer's update (firmware/SPEC.md 3.4): which rows move, by how much, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.records import MASTER_BITS
from sdfa.twin.fixedpoint import LCG_INCREMENT, LCG_MULTIPLIER, MASK32, Int64Array, i64, lanes, lcg_jumps, mix, octets
from sdfa.twin.layers import Layer

Rounding = Literal["stochastic", "nearest", "truncate"]

SHIFT_MIN, SHIFT_MAX = 7, 30
EXTRA_BITS = 4
"""That the step of a row of int8 weights is shorter than Q16."""
STEP_MAX, PART_MAX, GROUP = 4095, 240, 64
"""Of rows of int8 weights: the largest step, the largest part of it, how many weights one random word serves."""
WEIGHT_MAX, BIAS_MAX = 127, 1 << 30


@dataclass(frozen=True, eq=False)
class Rate:
    """A learning rate's factor h and shift s for every row of one layer; rows that never move have h = 0."""

    h: list[int]
    s: list[int]


def rate_of(layers: tuple[Layer, ...], rate_q24: int, *, any_small: bool = False) -> list[Rate]:
    """h and s of 3.4 for every layer, or an SdfaError for a rate that the arithmetic cannot hold.

    any_small: a rate that moves nothing is none of these.
    """
    if not 0 < rate_q24 <= MASK32:
        raise SdfaError(f"a learning rate of {rate_q24 / 2**24:g} is refused; it must lie above 0 and below 256")
    extra = rate_q24.bit_length() - 16
    mant = rate_q24 >> extra if extra > 0 else rate_q24 << -extra
    return [_rate(layer, i, mant, extra - 24, rate_q24 / 2**24, any_small) for i, layer in enumerate(layers)]


def _rate(layer: Layer, i: int, mant: int, exp: int, rate: float, any_small: bool) -> Rate:
    h = (mant * layer.mant) >> 17
    s = -(33 + exp + layer.exp + layer.delta_exp)
    live = s[layer.mant > 0]
    if (live < SHIFT_MIN).any():
        raise SdfaError(f"a learning rate of {rate:g} is too large for trainable layer {i}: give a smaller one")
    if (live > SHIFT_MAX).all() and not any_small:
        raise SdfaError(f"a learning rate of {rate:g} is too small for trainable layer {i}: give a larger one")
    return Rate(np.where(s > SHIFT_MAX, 0, h).tolist(), s.tolist())


@dataclass(frozen=True, eq=False)
class Moves:
    """The rows that move: indices int64[R], G int64[R], and the generator's state behind the draw of G."""

    rows: Int64Array
    g: Int64Array
    states: npt.NDArray[np.uint64]


class Draws:
    """How the generator advances over one layer's rows: a row that moves takes some words more after G's."""

    def __init__(self, in_n: int, rounding: Rounding, master: bool) -> None:
        self.rounding = rounding
        self.extra = 0 if master else EXTRA_BITS
        self.groups = -(-in_n // (4 if master else GROUP))
        self._multiplier, self._increment = lcg_jumps(self._words(STEP_MAX))

    def _words(self, step: int) -> int:
        """How many words a row takes; master weights have one more, for the bias."""
        return 1 + self.groups if self.extra == 0 else self.groups * -(-abs(step) // PART_MAX)

    def plan(self, rate: Rate, d: Int64Array, state: int) -> tuple[Moves, int]:
        """Moves for the deltas d int64[N], and the generator's state behind them."""
        found: list[tuple[int, int, int]] = []
        deltas = d.tolist()
        for i in np.flatnonzero(d).tolist():
            if not rate.h[i]:
                continue
            state = (state * LCG_MULTIPLIER + LCG_INCREMENT) & MASK32
            value, s = deltas[i] * rate.h[i], rate.s[i] + self.extra
            if s > SHIFT_MAX:
                value = self._rounded(value, s - SHIFT_MAX, state ^ (state >> 16))
                state, s = (state * LCG_MULTIPLIER + LCG_INCREMENT) & MASK32, SHIFT_MAX
            step = self._limited(self._rounded(-value, s, state ^ (state >> 16)))
            if step:
                found.append((i, step, state))
                last = self._words(step) - 1
                state = (state * int(self._multiplier[last]) + int(self._increment[last])) & MASK32
        rows, g, states = np.array(found, np.int64).reshape(-1, 3).T
        return Moves(rows, g, states.astype(np.uint64)), state

    def _limited(self, step: int) -> int:
        return step if self.extra == 0 else max(-STEP_MAX, min(step, STEP_MAX))

    def _rounded(self, value: int, s: int, y: int) -> int:
        """value / 2^s, rounded."""
        if self.rounding == "stochastic":
            return ((y >> (32 - s)) + value) >> s
        return (value + int(self._fixed(i64(value), s))) >> s

    def words(self, moves: Moves) -> npt.NDArray[np.uint64]:
        """What the generator returns after each row's G, uint64[R, most that any takes]; a bias takes the first."""
        n = self._words(int(np.abs(moves.g).max()))
        states = moves.states[:, None] * self._multiplier[:n] + self._increment[:n]
        return mix(states & np.uint64(MASK32))

    def offsets(self, value: Int64Array, bits: int, random: Int64Array) -> Int64Array:
        """What is added before `value` is shifted right by `bits`; `random` has that many bits."""
        return random if self.rounding == "stochastic" else self._fixed(value, bits)

    def _fixed(self, value: Int64Array, bits: int) -> Int64Array:
        """Not on the device: rounding to nearest, or towards zero."""
        half = (1 << bits) >> 1
        return np.full_like(value, half) if self.rounding == "nearest" else np.where(value < 0, (1 << bits) - 1, 0)


@dataclass(frozen=True)
class Change:
    """What the counters take from one update."""

    moved: int
    saturated: int


def apply(
    layer: Layer,
    draws: Draws,
    moves: Moves,
    a: Int64Array,
    weights: npt.NDArray[np.int8],
    fractions: npt.NDArray[np.int8] | None,
    bias: npt.NDArray[np.int32],
) -> Change:
    """Move weights int8[N, K], their fractions and bias int32[N] in place; a = q − z_in, int64[K]."""
    words = draws.words(moves)
    old = weights[moves.rows].astype(np.int64)
    if fractions is None:
        new, stopped = _whole(draws, old, moves.g, a, words)
    else:
        new, fractions[moves.rows], stopped = _master(
            draws, old, fractions[moves.rows], moves.g[:, None] * a, words[:, 1:]
        )
    wanted_bias = bias[moves.rows] + _bias_step(layer, draws, moves.g, words[:, 0])
    new_bias = np.clip(wanted_bias, -BIAS_MAX, BIAS_MAX)
    weights[moves.rows] = new.astype(np.int8)
    bias[moves.rows] = new_bias.astype(np.int32)
    stopped += np.count_nonzero(new_bias != wanted_bias)
    return Change(int(np.abs(new - old).sum()), int(stopped))


def _whole(
    draws: Draws, old: Int64Array, g: Int64Array, a: Int64Array, words: npt.NDArray[np.uint64]
) -> tuple[Int64Array, int]:
    """New int8 weights, and how many the clamp stopped. g: int64[R]; a: int64[K]; words: [R, groups * parts]."""
    size, sign = np.abs(g)[:, None], np.sign(g)[:, None]
    if draws.rounding != "stochastic":
        bits = 16 - EXTRA_BITS
        return _moved(old, sign * ((size * a + draws.offsets(size * a, bits, i64(0))) >> bits))
    new, stopped, parts = old, 0, -(-size // PART_MAX)
    for part in range(int(parts.max())):
        at = np.minimum(np.arange(draws.groups) * parts + part, words.shape[1] - 1)
        taken = np.clip(size - PART_MAX * part, 0, PART_MAX)
        delta = carried(taken, a, lanes(np.take_along_axis(words, at, axis=1)))
        new, some = _moved(new, sign * delta)
        stopped += some
    return new, stopped


def _moved(old: Int64Array, delta: Int64Array) -> tuple[Int64Array, int]:
    wanted = old + delta
    # a weight of -128 from the factory stays until it moves
    new = np.where(delta, np.clip(wanted, -WEIGHT_MAX, WEIGHT_MAX), old)
    return new, np.count_nonzero(new != wanted)


def carried(size: Int64Array, a: Int64Array, starts: Int64Array) -> Int64Array:
    """Sizes of the changes int64[R, K]: of every fourth weight, what is left of one goes to the next.

    size: of steps, int64[R, 1]; a: int64[K]; starts: what is left before the first, int64[R, groups, 4].
    """
    rows, groups, _ = starts.shape
    padded = np.zeros((groups * GROUP,), np.int64)
    padded[: len(a)] = a
    sums = (padded * size).reshape(rows, groups, GROUP // 4, 4).cumsum(axis=2) + starts[:, :, None, :]
    whole = sums >> (16 - EXTRA_BITS)
    whole[:, :, 1:] -= whole[:, :, :-1].copy()
    return i64(whole.reshape(rows, -1)[:, : len(a)])


def _master(
    draws: Draws, old: Int64Array, fractions: npt.NDArray[np.int8], step: Int64Array, words: npt.NDArray[np.uint64]
) -> tuple[Int64Array, npt.NDArray[np.int8], int]:
    """New int8 weights and fractions of master weights, and how many the clamp stopped."""
    half, bits = 1 << (MASTER_BITS - 1), MASTER_BITS
    r = octets(words).reshape(len(old), -1)[:, : old.shape[1]]
    delta = (step + draws.offsets(step, 16 - bits, r)) >> (16 - bits)
    before = (old << bits) + fractions
    wanted = before + delta
    low, high = -(WEIGHT_MAX << bits) - half, (WEIGHT_MAX << bits) + half - 1
    master = np.where(delta, np.clip(wanted, low, high), before)
    new = (master + half) >> bits
    return new, (master - (new << bits)).astype(np.int8), np.count_nonzero(master != wanted)


def _bias_step(layer: Layer, draws: Draws, g: Int64Array, words: npt.NDArray[np.uint64]) -> Int64Array:
    """Δb int64[R]."""
    sb = 16 - layer.bias_exp
    word = i64(words)
    random = word >> (32 - sb) if sb <= 32 else word << (sb - 32)
    value = (g << draws.extra) * layer.bias_mant
    return (value + draws.offsets(value, sb, random)) >> sb
