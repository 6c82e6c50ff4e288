"""The replay ring: what stays in it and what it draws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.twin.replay import Ring

FEATURES = np.zeros(1, np.int8)


class Recorder:
    """Stands for a twin: what it is taught."""

    def __init__(self) -> None:
        self.labels: list[int] = []

    def learn_features(self, features: Any, labels: Any) -> None:
        self.labels.append(int(labels[0]))


def filled(room: int, class_n: int, seed: int, labels: list[int]) -> Ring:
    ring = Ring(room, class_n, seed)
    for label in labels:
        ring.put(FEATURES, label)
    return ring


def test_a_reservoir_keeps_every_sample_with_the_same_chance() -> None:
    """Room for 5 of 40, 2000 rings: each place of the stream is kept 250 times, give or take four sigma."""
    counts = np.zeros(40)
    for seed in np.random.default_rng(1).integers(0, 2**32, 2000).tolist():
        counts[filled(5, 0, seed, list(range(40))).labels] += 1
    assert counts.sum() == 2000 * 5
    assert np.abs(counts - 250).max() < 4 * np.sqrt(2000 * 0.125 * 0.875)


def test_a_balanced_ring_keeps_rare_classes() -> None:
    """A class of 3 % among three others: a reservoir of 20 holds less than one, a balanced one all it can."""
    rng = np.random.default_rng(1)
    for seed in range(20):
        labels = rng.choice(4, 400, p=[0.7, 0.2, 0.07, 0.03]).tolist()
        kept = np.bincount(filled(20, 4, seed, labels).labels, minlength=4)
        assert kept.sum() == 20
        assert kept.tolist() == [5, 5, 5, 5]


def test_a_balanced_ring_draws_each_class_equally_often() -> None:
    ring = filled(30, 3, 5, [0] * 26 + [1] * 3 + [2])
    learner: Any = Recorder()
    for _ in range(3000):
        assert ring.learn(learner)
    assert np.abs(np.bincount(learner.labels) - 1000).max() < 4 * np.sqrt(3000 * 2 / 9)


def test_a_reservoir_draws_each_sample_equally_often() -> None:
    ring = filled(10, 0, 5, list(range(10)))
    learner: Any = Recorder()
    for _ in range(5000):
        ring.learn(learner)
    assert np.abs(np.bincount(learner.labels) - 500).max() < 4 * np.sqrt(500)


def test_an_empty_ring_teaches_nothing() -> None:
    learner: Any = Recorder()
    assert not Ring(3, 0, 1).learn(learner)
    assert learner.labels == []


@pytest.mark.parametrize("room", [0, 65536])
def test_a_ring_has_a_sensible_size(room: int) -> None:
    with pytest.raises(SdfaError, match="between 1 and 65535"):
        Ring(room, 0, 1)
