"""Facts about the guard on digits before a changed sensor: it notices, it mends, and it does not cry wolf."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.device.care import Care, Cared, CareStage, CareState
from sdfa.device.device import Classify, Device, Learn, Set, Stage
from sdfa.image.writer import rate_q24
from sdfa.targets import find_target
from tests.learnkit import digits_task, percent

SEEDS = range(1, 9)
EPOCHS = 8


def run(
    rule: str, sensor: str, seed: int, rate: float | None, guard: str, steps: int | None = None, master: int = 8
) -> tuple[float, CareState]:
    """(accuracy on unseen samples, what the guard saw)."""
    task = digits_task(rule, sensor, seed, EPOCHS, master)
    order = task.order[:steps]
    stages: list[Stage] = [
        Set(rate_q24=None if rate is None else rate_q24(rate), seed=seed), CareStage(Care(guard=guard)),
        Learn(task.x[order], task.y[order]), Classify(task.x_unseen), Cared(),
    ]  # fmt: skip
    session = Device(find_target("host"), task.data).session(stages)
    return float(np.mean(session.classes[0] == task.y_unseen)), session.cared[0]


@pytest.mark.parametrize(
    ("rule", "master"), [("last", 8), ("aligned k=2", 8), ("live k=2", 8), ("bp", 8), ("last", 16), ("live k=2", 16)]
)
def test_a_healthy_run_raises_nothing(rule: str, master: int) -> None:
    """Of master weights `moved` counts what the int8 weights do: in the mean as much as without fractions."""
    for sensor in ("mirror", "rot90"):
        for seed in SEEDS:
            _, seen = run(rule, sensor, seed, None, "report", master=master)
            assert seen.windows == EPOCHS * 500 // 64
            assert seen.reasons == 0, (sensor, seed)


@pytest.mark.parametrize(
    ("rule", "rate", "master"),
    [
        ("last", 0.3, 8),
        ("aligned k=2", 0.15, 8),
        ("aligned k=2", 0.3, 8),
        ("bp", 0.3, 8),
        ("last", 0.3, 16),
        ("bp", 0.3, 16),
    ],
)
def test_a_rate_far_too_high_is_noticed_within_two_windows(rule: str, rate: float, master: int) -> None:
    for seed in SEEDS:
        _, seen = run(rule, "mirror", seed, rate, "report", steps=128, master=master)
        assert seen.windows == 2
        assert seen.reasons & 7, seed


@pytest.mark.parametrize(("rule", "within"), [("last", 0.04), ("aligned k=2", 0.09)])
def test_halving_mends_it(rule: str, within: float) -> None:
    """Rate 0.3: without the guard the net is lost. Halving ends at a rate that is still above the best one: over
    32 seeds 1.9 and 4.5 points are missing; the limits are twice that, as eight seeds scatter by 0.9 and 1.7.
    """
    good, bad, mended = (
        np.array([run(rule, "mirror", seed, rate, guard)[0] for seed in SEEDS])
        for rate, guard in ((None, "report"), (0.3, "report"), (0.3, "halve"))
    )
    said = f"{rule}: good rate {percent(good.mean())}, 0.3 {percent(bad.mean())}, guarded {percent(mended)}"
    assert bad.mean() < 0.4, said
    assert mended.mean() > good.mean() - within, said


def test_dead_neurons_are_noticed() -> None:
    """Back-propagation at 0.12 silences the hidden layer of most seeds in the first window: there is one class left."""
    silent = 0
    for seed in SEEDS:
        accuracy, seen = run("bp", "rot90", seed, 0.12, "report")
        if accuracy < 0.12:
            silent += 1
            assert seen.reasons & 8, seed
    assert silent >= 4
