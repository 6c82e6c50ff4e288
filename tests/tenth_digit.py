"""Nine digits are known; the tenth is added on the device from a few samples, with old ones in a replay ring.

`python -m tests.tenth_digit` prints the table of docs/feedback.md: means over 24 seeds, on the host.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from sdfa.data import load_digits
from sdfa.device.adapt import learned_image, sample_orders
from sdfa.device.care import AddClass, Care, CareStage
from sdfa.device.device import Classify, Device, Learn, Remember, Set, Stage
from sdfa.exporter.export import Options, export_graph
from sdfa.exporter.merge import merge
from sdfa.image.reader import read_image
from sdfa.targets import find_target
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite
from tests.tflite_writer import dense_net

NEW = 9
OLD_KEPT = 90
SAMPLES = 50
SEEDS = range(1, 25)
RATES = (0.008, 0.032)
RULES = {
    "last": ("last", 1),
    "aligned k=1": ("aligned", 1),
    "aligned k=2": ("aligned", 2),
    "live k=1": ("live", 1),
    "live k=2": ("live", 2),
    "bp": ("bp", 1),
}
"""Feedback and connections."""


@dataclass(frozen=True)
class Scores:
    """Accuracy on unseen samples: of the old digits before; of the new digit and of the old ones after."""

    before: float
    new: float
    old: float


def int8(x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Int8Array:
    return np.asarray(np.rint(x.reshape(len(x), -1) * 255 - 128), np.int8)


@functools.cache
def nine_digits(seed: int) -> bytes:
    """A .tflite of 64-32-9, from random weights by six epochs over the digits 0 to 8."""
    train, _ = load_digits()
    model = dense_net(
        np.random.default_rng(seed), (64, 32, NEW), softmax=True, per_channel=False, headroom=3.0,
        input_scale=1 / 255, input_zero_point=-128,
    )  # fmt: skip
    data = export_graph(load_tflite(model, "net"), "net", Options(train_last=2, feedback="bp", rate=0.02)).data
    old = train.y < NEW
    x, y = int8(train.x)[old], train.y[old]
    stages: list[Stage] = [Set(seed=seed), *(Learn(x[o], y[o]) for o in sample_orders(len(y), 6, seed))]
    session = Device(find_target("host"), data).session(stages)
    state = session.state
    learned = learned_image(data, session.tail, state.stats.steps, state.random, state.rate_q24, state.tau_q15)
    return merge(read_image(learned), model)


def after_the_tenth(seed: int, n: int, care: Care, rule: str = "bp", rate: float = 0.02) -> Scores:
    """n samples of the new digit, three times over. care: with a replay ring, 90 old samples are in it."""
    (train, test), rng = load_digits(), np.random.default_rng(seed)
    feedback, k = RULES[rule]
    layers = 1 if feedback == "last" else 2
    options = Options(train_last=layers, feedback=feedback, connections=k, rate=rate, spare=1, seed=seed)
    data = export_graph(load_tflite(nine_digits(seed), "net"), "net", options).data
    new = rng.permutation(np.flatnonzero(train.y == NEW))[:n]
    old = rng.permutation(np.flatnonzero(train.y < NEW))[:OLD_KEPT]
    x, x_test = int8(train.x), int8(test.x)
    stages: list[Stage] = [Set(seed=seed), Classify(x_test), AddClass()]
    if care.replay:
        stages += [CareStage(care, seed), Remember(x[old], train.y[old])]
    stages += [*[Learn(x[new], train.y[new])] * 3, Classify(x_test)]
    before, after = (c == test.y for c in Device(find_target("host"), data).session(stages).classes)
    is_new = test.y == NEW
    return Scores(float(before[~is_new].mean()), float(after[is_new].mean()), float(after[~is_new].mean()))


def replay(n: int) -> Care:
    return Care(replay=OLD_KEPT + n, policy="balanced", replays=4)


def table() -> str:
    """The old digits before; in Markdown, for each rule, new and old ones after: percent ± standard error."""
    head = ["feedback", *(f"new, old at η = {rate}" for rate in RATES)]
    rows = [[rule, *(_cell(rule, rate) for rate in RATES)] for rule in RULES]
    before = np.mean([after_the_tenth(seed, 1, Care()).before for seed in SEEDS])
    lines = [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]]
    return "\n".join([f"old before: {100 * before:.1f} %", "", *lines])


def _cell(rule: str, rate: float) -> str:
    found = [after_the_tenth(seed, SAMPLES, replay(SAMPLES), rule, rate) for seed in SEEDS]
    parts = np.array([[s.new, s.old] for s in found]) * 100
    error = parts.std(axis=0, ddof=1) / np.sqrt(len(found))
    return ", ".join(f"{m:.1f} ± {e:.1f}" for m, e in zip(parts.mean(axis=0), error, strict=True))


if __name__ == "__main__":
    print(table())
