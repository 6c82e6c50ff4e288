"""The integer twin's gate (firmware/SPEC.md 4.3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.twin.learn import Twin

Int8Array = npt.NDArray[np.int8]

MORE_RIGHT, AS_GOOD, MORE_WRONG, MORE_LOSS = range(4)


@dataclass(frozen=True)
class Score:
    """Of n samples: how many are right, and the sum of their losses (bits, Q12)."""

    n: int
    correct: int
    loss: int


class Gate:
    """Held-out samples, and the weights that a refusal goes back to. marked, judged: as in struct sdfa_gate."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.samples: list[tuple[Int8Array, int]] = []
        self.marked = self.judged = Score(0, 0, 0)

    def put(self, features: Int8Array, label: int) -> None:
        """Holds one sample int8[K] out."""
        self.samples.append((features, label))

    def mark(self) -> None:
        self._mark(self._score())

    def judge(self) -> int:
        """The verdict; a refused twin has the weights of the mark again."""
        now, before = self._score(), self.marked
        self.judged = now
        if now.correct != before.correct:
            verdict = MORE_RIGHT if now.correct > before.correct else MORE_WRONG
        else:
            verdict = MORE_LOSS if now.loss > before.loss else AS_GOOD
        if verdict < MORE_WRONG:
            self._mark(now)
        else:
            self.twin.set_tail(self._copy)
        return verdict

    def _score(self) -> Score:
        found = [self.twin.score_features(x, y) for x, y in self.samples]
        return Score(len(found), sum(right for right, _ in found), sum(loss for _, loss in found))

    def _mark(self, score: Score) -> None:
        self.marked = score
        self._copy = self.twin.tail_bytes()
