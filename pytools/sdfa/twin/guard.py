"""The integer twin's guard (firmware/SPEC.md 4.4)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sdfa.errors import SdfaError
from sdfa.twin.fixedpoint import MASK32
from sdfa.twin.learn import Twin

SATURATED, DIVERGED, COARSE, IDLE = 1, 2, 4, 8


@dataclass(frozen=True)
class Config:
    """struct sdfa_guard_config; the same defaults."""

    window: int = 64
    diverged_q4: int = 32
    saturated_shift: int = 6
    coarse_shift: int = 4
    idle_shift: int = 14
    halve: bool = False
    floor: int = 0


@dataclass(frozen=True)
class _Window:
    steps: int
    stopped: int
    updated: int
    moved: int
    loss: int
    weights: int
    sizes: int


class Guard:
    """windows, halvings, loss, best: as in struct sdfa_guard. reasons: of all windows together.

    Where the rate is halved, the weights of the last good window come back (back=False: they stay).
    """

    def __init__(self, twin: Twin, config: Config, *, back: bool = True) -> None:
        self.twin, self.config, self.back = twin, config, back
        self.windows = self.halvings = self.loss = self.best = self.reasons = 0
        self.floor = config.floor or _floor(twin)
        self._start = replace(twin.stats)
        self._copy = twin.tail_bytes()

    def step(self) -> int:
        """The bits of what is wrong, at the end of a window; else 0."""
        if self.twin.stats.steps < self._start.steps:  # a reset or a load: the window begins anew
            self._start = replace(self.twin.stats)
        if self.twin.stats.steps - self._start.steps < self.config.window:
            return 0
        window = self._window()
        reasons = self._reasons(window)
        if self.config.halve and reasons & ~IDLE:
            self._halve()
        else:
            self._copy = self.twin.tail_bytes()
        self.best = min(self.best, window.loss) if self.windows else window.loss
        self.loss = window.loss
        self.windows += 1
        self.reasons |= reasons
        self._start = replace(self.twin.stats)
        return reasons

    def _halve(self) -> None:
        try:
            self.twin.set_rate(self.twin.rate_q24 >> 1)
        except SdfaError:
            return
        self.halvings += 1
        if self.back:
            self.twin.set_tail(self._copy)

    def _window(self) -> _Window:
        now, start = self.twin.stats, self._start
        steps = now.steps - start.steps
        moving = [w for i, w in enumerate(self.twin.weights) if self.twin.learns(i)]
        return _Window(
            steps, now.saturated_weights - start.saturated_weights, now.weights_updated - start.weights_updated,
            now.moved - start.moved, min(now.loss - start.loss, MASK32) // steps, sum(w.size for w in moving),
            sum(int(np.abs(w.astype(np.int64)).sum()) for w in moving),
        )  # fmt: skip

    def _reasons(self, w: _Window) -> int:
        c, best = self.config, min(max(self.best, self.floor), 2 * self.floor)
        risen = self.windows > 0 and w.loss * 16 > best * c.diverged_q4
        found = {
            SATURATED: w.stopped << c.saturated_shift > w.updated,
            DIVERGED: risen and w.loss > self.loss - (self.loss >> 3),
            COARSE: (w.moved << c.coarse_shift) * w.weights > w.updated * w.sizes,
            IDLE: w.loss > self.floor and w.moved << c.idle_shift < w.steps * w.sizes,
        }
        return sum(bit for bit, wrong in found.items() if wrong)


def _floor(twin: Twin) -> int:
    classes = twin.layers[-1].out_n
    return 128 * classes if twin.learning.loss == "mse" else (classes.bit_length() - 1) << 11
