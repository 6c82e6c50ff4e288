"""What the fixed point costs on the demo task: the C runtime against the float reference.

Same samples, same order, same feedback; only the rounding differs. On the demo's own sensor everything is compared
after all its epochs. On the other two, whose weights have further to go, 4,000 steps lead runs with different rounding
to different places: each run's noise changes the errors that it learns from. (The float reference with nothing but
its weights rounded stochastically to the int8 grid ends as far away.) There the weights are compared after one epoch,
500 steps, while all are on one path.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pytest

from sdfa.device.check import compare_float
from sdfa.start.demo import EPOCHS
from sdfa.twin.reference import FloatArray, FloatTail, features
from tests.learnkit import Learned, Task, digits_task, learn_on_host, percent, weight_change

RULE = "aligned k=2"
SAMPLE_SEEDS = range(1, 6)
ROUNDINGS = 32
FEWER = 8  # for the accuracy of the other sample seeds
ONE_COSINE, MEAN_COSINE, POINTS = 0.8, 0.97, 0.015


@dataclass(frozen=True, eq=False)
class Pair:
    """Both machines after the same steps. fixed: one run per rounding seed. floats: the change of the weights."""

    task: Task
    fixed: list[Learned]
    floats: FloatArray
    float_accuracy: float

    def changes(self) -> FloatArray:
        """float64[rounding seeds, weights]."""
        return np.stack([weight_change(self.task, run.tail) for run in self.fixed])


@functools.cache
def pair(sensor: str, seed: int, epochs: int, roundings: int) -> Pair:
    task = digits_task(RULE, sensor, seed, epochs)
    tail = FloatTail.from_image(task.image)
    inputs, order = features(task.image, task.x), task.order
    tail.learn_many(inputs[order], task.y[order], task.rate_q24 / 2**24, task.tau_q15 / 2**15)
    guesses = tail.logits(features(task.image, task.x_unseen)).argmax(axis=1)
    # the first rounding seed is the one that the demo takes for these samples
    fixed = [learn_on_host(task, seed + 1000 * n) for n in range(roundings)]
    return Pair(task, fixed, weight_change(task, tail), float(np.mean(guesses == task.y_unseen)))


def demo_pair(seed: int) -> Pair:
    return pair("mirror", seed, EPOCHS, ROUNDINGS if seed == 1 else FEWER)


def cosine(a: FloatArray, b: FloatArray) -> float:
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


def test_int8_is_as_accurate_as_float() -> None:
    """Within 1.5 points, mean of 5 seeds: with the demo's rounding seeds, and with the mean of several for each."""
    pairs = [demo_pair(seed) for seed in SAMPLE_SEEDS]
    exact = np.array([p.float_accuracy for p in pairs])
    demo = np.array([p.fixed[0].curve[-1] for p in pairs])
    mean = np.array([np.mean([run.curve[-1] for run in p.fixed]) for p in pairs])
    said = f"float {percent(exact)}; int8, the demo's seeds {percent(demo)}; int8, mean {percent(mean)}"
    assert abs(demo.mean() - exact.mean()) <= POINTS, said
    assert abs(mean.mean() - exact.mean()) <= POINTS, said
    assert min(exact.min(), demo.min()) > 0.9, said  # two machines that learn nothing are near each other too


@pytest.mark.parametrize("seed", SAMPLE_SEEDS)
def test_one_run_goes_the_way_of_the_floats(seed: int) -> None:
    p = demo_pair(seed)
    order = p.task.order
    found = compare_float(
        p.task.image, p.fixed[0].tail, p.task.x[order], p.task.y[order], p.task.rate_q24, p.task.tau_q15
    )
    said = f"cosine {found['cosine']:.3f}, length ratio {found['length_ratio']:.3f}"
    assert found["cosine"] == pytest.approx(cosine(p.changes()[0], p.floats))
    assert found["cosine"] >= ONE_COSINE, said


def test_the_rounding_averages_out() -> None:
    p = demo_pair(1)
    found = cosine(p.changes().mean(axis=0), p.floats)
    assert found > MEAN_COSINE, f"cosine of the mean over {ROUNDINGS} rounding seeds {found:.4f}"


@pytest.mark.parametrize("sensor", ["mirror", "rot90", "shift"])
def test_one_epoch_on_every_sensor(sensor: str) -> None:
    """Unbiased in length too: the mean change, along the change of the floats, is as long as that."""
    p = pair(sensor, 1, 1, ROUNDINGS)
    changes = p.changes()
    singles = [cosine(change, p.floats) for change in changes]
    mean = changes.mean(axis=0)
    along = float(mean @ p.floats / (p.floats @ p.floats))
    of_mean = cosine(mean, p.floats)
    said = f"cosines {min(singles):.3f} to {max(singles):.3f}, of the mean {of_mean:.4f}; length {along:.3f}"
    assert min(singles) >= ONE_COSINE, said
    assert of_mean > MEAN_COSINE, said
    assert along == pytest.approx(1, abs=0.05), said
