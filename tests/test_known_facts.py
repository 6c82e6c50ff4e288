"""Facts that the design rests on, seen in this implementation: digits before a changed sensor, and from scratch."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.data import load_digits
from sdfa.start.demo import EPOCHS
from sdfa.twin.learn import Twin
from sdfa.twin.reference import FloatArray, FloatLayer, FloatTail
from sdfa.twin.update import Rounding
from tests.learnkit import digits_task, learn_on_host, percent

TAU = 1 / 32


@pytest.mark.parametrize(("rounding", "margin"), [("nearest", 0.2), ("truncate", 0.3)])
def test_only_stochastic_rounding_learns_well(rounding: Rounding, margin: float) -> None:
    """Two epochs, aligned k = 2, mean of 3 seeds. The C runtime stands for the stochastic twin: they are equal."""
    stochastic, other = [], []
    for seed in (1, 2, 3):
        task = digits_task("aligned k=2", "rot90", seed, 2)
        stochastic.append(learn_on_host(task, seed).curve[-1])
        twin = Twin(task.image, rounding=rounding)
        inputs, order = twin.features(task.x), task.order
        twin.learn_features(inputs[order], task.y[order])
        other.append(np.mean(twin.classify(task.x_unseen) == task.y_unseen))
    said = f"stochastic {percent(np.array(stochastic))}; {rounding} {percent(np.array(other))}"
    assert np.mean(stochastic) - np.mean(other) >= margin, said
    assert np.mean(stochastic) > 0.6, said


@pytest.mark.parametrize(("sensor", "first", "curve", "last"), [("rot90", 0.1, 0.03, 0.0), ("mirror", 0.2, 0.08, 0.03)])
def test_aligned_beats_random_feedback(sensor: str, first: float, curve: float, last: float) -> None:
    """k = 1, each with its best rate, mean of 16 seeds: margins after one epoch, over all, and after the last."""
    seeds = range(1, 17)
    aligned, random = (
        np.stack([learn_on_host(digits_task(rule, sensor, seed, EPOCHS), seed).curve for seed in seeds])
        for rule in ("aligned k=1", "random k=1")
    )
    gain = (aligned - random).mean(axis=0)
    said = f"aligned {percent(aligned.mean(axis=0))}; random {percent(random.mean(axis=0))}"
    assert gain[0] >= first, said
    assert gain.mean() >= curve, said
    assert gain[-1] > last, said
    assert aligned.mean(axis=0)[-1] > 0.75, said


@pytest.mark.parametrize(("sensor", "k", "curve"), [("mirror", 1, -0.01), ("mirror", 2, -0.01), ("rot90", 2, 0.01)])
def test_live_feedback_is_no_worse_than_frozen_tables(sensor: str, k: int, curve: float) -> None:
    """Mean of 6 seeds, which scatters by half a point on mirror: after the last epoch, and over all of them."""
    live, aligned = (
        np.stack(
            [learn_on_host(digits_task(f"{rule} k={k}", sensor, seed, EPOCHS), seed).curve for seed in range(1, 9)]
        )
        for rule in ("live", "aligned")
    )
    gain = (live - aligned).mean(axis=0)
    said = f"live {percent(live.mean(axis=0))}; aligned {percent(aligned.mean(axis=0))}"
    assert gain[-1] >= -0.01, said
    assert gain.mean() >= curve, said


def test_the_threshold_skips_most_updates_for_nothing() -> None:
    """Mean of 30 sample seeds with 3 rounding seeds each: one run alone scatters by 3 points and more."""
    found = {
        tau: [
            learn_on_host(digits_task("aligned k=2", "rot90", seed, EPOCHS), 100 * seed + n, tau)
            for seed in range(1, 31)
            for n in range(3)
        ]
        for tau in (0.0, TAU)
    }
    accuracy = {tau: float(np.mean([run.curve[-1] for run in runs])) for tau, runs in found.items()}
    skipped = {tau: float(np.mean([run.skipped for run in runs])) for tau, runs in found.items()}
    said = f"tau 0, 1/32: accuracy {percent(*accuracy.values())}, skipped {percent(*skipped.values())}"
    assert skipped[TAU] > 0.6, said
    # rows with a silent neuron or a step that rounds to zero are skipped without a threshold too: of steps in Q12 many
    assert 1 - skipped[TAU] < 0.85 * (1 - skipped[0.0]), said
    assert accuracy[TAU] >= accuracy[0.0] - 0.01, said


class Counting(FloatTail):
    """Counts the rows with Δ = 0."""

    rows = zeros = 0

    def deltas(self, activations: list[FloatArray], e: FloatArray) -> list[FloatArray]:
        found = self.thresholded(super().deltas(activations, e))
        self.rows += sum(d.size for d in found)
        self.zeros += sum(d.size - np.count_nonzero(d) for d in found)
        return found

    def thresholded(self, deltas: list[FloatArray]) -> list[FloatArray]:
        return deltas


class Plain(Counting):
    """Each |Δ| < τ becomes 0, and nothing restores the sum."""

    def error(self, z: FloatArray, label: int | FloatArray, tau: float) -> FloatArray:
        return super().error(z, label, 0.0)

    def thresholded(self, deltas: list[FloatArray]) -> list[FloatArray]:
        return [np.where(np.abs(d) < TAU, 0.0, d) for d in deltas]


def from_scratch(kind: type[Counting], seed: int) -> Counting:
    """64-32-10 with random weights (He) and random feedback: one output per neuron, coefficient in ±1/2."""
    rng = np.random.default_rng(seed)
    weights = [rng.normal(0, np.sqrt(2 / k), (n, k)) for n, k in ((32, 64), (10, 32))]
    feedback = np.zeros((32, 10))
    feedback[np.arange(32), rng.integers(0, 10, 32)] = rng.uniform(-0.5, 0.5, 32)
    layers = [
        FloatLayer((0.0, np.inf), feedback, np.ones(32)),
        FloatLayer((-np.inf, np.inf), None, np.ones(10)),
    ]
    return kind(layers, weights, [np.zeros(32), np.zeros(10)], None)


def score_from_scratch(kind: type[Counting], seed: int, tau: float) -> tuple[float, float]:
    """(accuracy on the test digits after 5 epochs at rate 0.02, share of Δ that were 0)."""
    train, test = load_digits()
    x, x_test = (s.x.reshape(len(s.x), -1).astype(np.float64) for s in (train, test))
    tail, rng = from_scratch(kind, seed), np.random.default_rng(100 + seed)
    for _ in range(5):
        order = rng.permutation(len(x))
        tail.learn_many(x[order], train.y[order], 0.02, tau)
    return float(np.mean(tail.logits(x_test).argmax(axis=1) == test.y)), tail.zeros / tail.rows


def test_a_threshold_must_keep_the_sum() -> None:
    """From scratch in floats, mean of 4 seeds: the product's threshold costs nothing, a plain one on Δ several points.

    How many depends on the feedback: the smaller its coefficients, the more Δ of hidden neurons are lost.
    """
    everything, kept, plain = (
        np.array([score_from_scratch(kind, seed, tau) for seed in range(4)]).mean(axis=0)
        for kind, tau in ((Counting, 0.0), (Counting, TAU), (Plain, TAU))
    )
    said = f"accuracy and zero deltas: tau 0 {percent(everything)}; sum kept {percent(kept)}; plain {percent(plain)}"
    assert everything[0] > 0.93, said
    assert kept[0] >= everything[0] - 0.01, said
    assert plain[0] <= kept[0] - 0.03, said
    assert kept[1] > 0.6, said
