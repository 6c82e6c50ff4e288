"""The integer twin's replay ring (firmware/SPEC.md 4.2)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.twin.fixedpoint import LCG_INCREMENT, LCG_MULTIPLIER, MASK32
from sdfa.twin.learn import Twin

Int8Array = npt.NDArray[np.int8]


def next_word(state: int) -> tuple[int, int]:
    """The generator of 3.3: its next state, and what it returns."""
    state = (state * LCG_MULTIPLIER + LCG_INCREMENT) & MASK32
    return state, state ^ (state >> 16)


class Ring:
    """Samples of the tail, kept for later. room: how many. class_n: of the net for the balanced policy, else 0.

    random: state of its own generator. seen: samples that were put. features, labels: what it holds.
    """

    def __init__(self, room: int, class_n: int, seed: int) -> None:
        if not 0 < room < 1 << 16:
            raise SdfaError(f"a ring of {room} samples: between 1 and 65535")
        self.room, self.class_n, self.random = room, class_n, seed
        self.seen, self.seen_of, self.kept_of = 0, [0] * class_n, [0] * class_n
        self.features: list[Int8Array] = []
        self.labels: list[int] = []

    def put(self, features: Int8Array, label: int) -> bool:
        """Offers one sample int8[K]; whether it is kept."""
        self.seen = min(self.seen + 1, MASK32)
        if self.class_n:
            self.seen_of[label] = min(self.seen_of[label] + 1, MASK32)
        place = self._balanced_place(label) if self.class_n else self._place()
        if place == self.room:
            return False
        if place == len(self.labels):
            self.features.append(features)
            self.labels.append(label)
        else:
            if self.class_n:
                self.kept_of[self.labels[place]] -= 1
            self.features[place], self.labels[place] = features, label
        if self.class_n:
            self.kept_of[label] += 1
        return True

    def learn(self, twin: Twin) -> bool:
        """One step of the twin from a sample that the ring draws; False if it is empty."""
        if not self.labels:
            return False
        if self.class_n:
            present = [c for c, n in enumerate(self.kept_of) if n]
            i = self._pick_of(present[self._pick(len(present))])
        else:
            i = self._pick(len(self.labels))
        twin.learn_features(self.features[i].reshape(1, -1), np.array([self.labels[i]]))
        return True

    def _pick(self, n: int) -> int:
        self.random, word = next_word(self.random)
        return word * n >> 32

    def _pick_of(self, label: int) -> int:
        places = [i for i, c in enumerate(self.labels) if c == label]
        return places[self._pick(len(places))]

    def _place(self) -> int:
        if len(self.labels) < self.room:
            return len(self.labels)
        return min(self._pick(self.seen), self.room)

    def _balanced_place(self, label: int) -> int:
        largest = max(range(self.class_n), key=lambda c: self.kept_of[c])
        if len(self.labels) < self.room:
            return len(self.labels)
        if self.kept_of[label] < self.kept_of[largest]:
            return self._pick_of(largest)
        return self._pick_of(label) if self._pick(self.seen_of[label]) < self.kept_of[label] else self.room
