"""Digits before a changed sensor, as `pytools demo` teaches them, with the generator's start as a choice of its own."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sdfa.bundle import model_dir
from sdfa.device.adapt import sample_orders
from sdfa.device.check import flat
from sdfa.device.device import Classify, Device, Learn, Set, Stats
from sdfa.device.samples import quantize_input, tail_weight_count
from sdfa.exporter.settings import load_settings
from sdfa.image.reader import Image
from sdfa.image.writer import tau_q15
from sdfa.start.demo import RULES, Rule, changed_digits, export_digits
from sdfa.targets import find_target
from sdfa.tflite.graph import Int8Array
from sdfa.twin.reference import FloatArray, FloatTail

IntArray = npt.NDArray[np.int64]

LIVE_RULES = (Rule("live k=1", "live", 1, 0.006),)
"""Beside demo.RULES."""


@dataclass(frozen=True, eq=False)
class Task:
    """What there is to learn. x int8[n, ...], y [n]: samples. orders: theirs, one per epoch. unseen: to score on."""

    data: bytes
    image: Image
    x: Int8Array
    y: IntArray
    orders: tuple[IntArray, ...]
    x_unseen: Int8Array
    y_unseen: IntArray

    @property
    def order(self) -> IntArray:
        """All steps, epoch after epoch."""
        return np.concatenate(self.orders)

    @property
    def rate_q24(self) -> int:
        assert self.image.learning is not None
        return int(self.image.learning["rate_q24"])

    @property
    def tau_q15(self) -> int:
        assert self.image.learning is not None
        return int(self.image.learning["tau_q15"])


@functools.cache
def digits_task(rule: str, sensor: str, seed: int, epochs: int, master: int = 8) -> Task:
    """rule: a name of demo.RULES or LIVE_RULES. seed: of the samples, their order and random tables."""
    settings = replace(load_settings(model_dir("digits") / "model.toml"), master=master)
    export = export_digits(next(r for r in (*RULES, *LIVE_RULES) if r.name == rule), settings, seed)
    samples, unseen = changed_digits(sensor, seed)
    x, x_unseen = (quantize_input(export.image, s.x) for s in (samples, unseen))
    y, y_unseen = (s.y.astype(np.int64) for s in (samples, unseen))
    orders = tuple(sample_orders(len(x), epochs, seed))
    return Task(export.data, export.image, x, y, orders, x_unseen, y_unseen)


@dataclass(frozen=True, eq=False)
class Learned:
    """curve: accuracy on unseen samples after each epoch. skipped: share of the weight updates that were not done."""

    curve: FloatArray
    skipped: float
    stats: Stats
    tail: bytes


def learn_on_host(task: Task, seed: int, tau: float | None = None) -> Learned:
    """The C runtime, its generator started with `seed`."""
    stages: list[Set | Learn | Classify] = [Set(seed=seed, tau_q15=None if tau is None else tau_q15(tau))]
    for order in task.orders:
        stages += [Learn(task.x[order], task.y[order]), Classify(task.x_unseen)]
    session = Device(find_target("host"), task.data).session(stages)
    curve = np.array([np.mean(classes == task.y_unseen) for classes in session.classes])
    stats = session.state.stats
    updates = stats.steps * tail_weight_count(task.image)
    return Learned(curve, 1 - stats.weights_updated / updates, stats, session.tail)


def weight_change(task: Task, tail: FloatTail | bytes) -> FloatArray:
    """All weights of a tail less those of the image, in real units, in one vector."""
    learned = FloatTail.from_image(task.image, tail) if isinstance(tail, bytes) else tail
    return flat(learned) - flat(FloatTail.from_image(task.image))


def percent(*values: float | FloatArray) -> str:
    """Shares as text for the message of an assertion."""
    return ", ".join(" ".join(f"{100 * v:.2f}" for v in np.atleast_1d(value)) for value in values) + " %"
