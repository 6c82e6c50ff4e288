"""One cell of an experiment: one person, one seed, one rule. Pure functions of what a task carries."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from sdfa.device.adapt import sample_orders
from sdfa.device.care import Judge
from sdfa.device.device import Classify, Device, HoldOut, Learn, Set, Stage
from sdfa.device.samples import tail_weight_count
from sdfa.errors import SdfaError
from sdfa.experiment.basenet import Adam, Training, accuracy, adam_epoch, parameters
from sdfa.image.reader import read_image
from sdfa.image.writer import rate_q24, tau_q15
from sdfa.targets import find_target
from sdfa.tflite.dense_model import DenseNet, he_net
from sdfa.tflite.graph import Int8Array
from sdfa.twin.layers import decode
from sdfa.twin.update import rate_of

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Plan:
    """rate: of the first step; decay: it falls linearly to 0 over the epochs. tau: error threshold. seed: of the order
    of samples and of the rounding. epochs: in all; scores are taken after each of `looks`."""

    rate: float
    epochs: int
    looks: tuple[int, ...]
    seed: int
    tau: float = 1 / 32
    decay: bool = False

    def rate_in(self, epoch: int) -> float:
        """The learning rate of an epoch, counted from 0."""
        return self.rate * (1 - epoch / self.epochs) if self.decay else self.rate


@dataclass(frozen=True, eq=False)
class Samples:
    """To learn (x, y), and the sets to score on: the new person's test part, then old people's samples.

    held: of the new person, for the gate; None: there is no gate. again: learning starts over with these too, where the
    gate lets what was learned stay.
    """

    x: FloatArray | Int8Array
    y: IntArray
    judges: tuple[tuple[FloatArray | Int8Array, IntArray], ...]
    held: tuple[FloatArray | Int8Array, IntArray] | None = None
    again: bool = False


@dataclass(frozen=True)
class Scores:
    """test, old: accuracy before learning and at each look. updated: share of weight updates that were done.

    saturated: weights that stopped at a limit. rate: the one that was used. refused: the gate took the old ones back.
    gain: held-out samples that what was learned has right more than the start had.
    """

    test: tuple[float, ...]
    old: tuple[float, ...]
    updated: float
    saturated: int
    rate: float
    refused: bool = False
    gain: int = 0


def learn_on_device(target: str, image: bytes, samples: Samples, plan: Plan) -> Scores:
    """int8 samples, on the C runtime: one batch. A rate that does not fit the model's fixed-point form is halved.

    With a gate the last scores are those of the weights that it left.
    """
    plan = replace(plan, rate=usable_rate(image, plan.rate))
    judges = [Classify(np.asarray(x, np.int8)) for x, _ in samples.judges]
    stages: list[Stage] = [Set(tau_q15=tau_q15(plan.tau), seed=plan.seed & 0x7FFFFFFF), *judges]
    stages += [HoldOut(np.asarray(samples.held[0], np.int8), samples.held[1])] if samples.held else []
    for first, rows in _stretches(len(samples.y), plan):
        stages += [
            Set(rate_q24=max(1, rate_q24(plan.rate_in(first)))),
            Learn(np.asarray(samples.x[rows], np.int8), samples.y[rows]),
        ]
        end = first + len(rows) // len(samples.y)
        stages += [Judge()] if samples.held and end == plan.epochs else []
        stages += judges if end in plan.looks else []
    session = Device(find_target(target), image).session(stages)
    share = [
        tuple(float(np.mean(c == y)) for c in session.classes[i :: len(judges)])
        for i, (_, y) in enumerate(samples.judges)
    ]
    stats = session.state.stats
    total = stats.steps * tail_weight_count(read_image(image))
    done = stats.weights_updated / max(total, 1)
    refused = any(judgement.refused for judgement in session.judgements)
    gain = sum(judgement.right - judgement.right_before for judgement in session.judgements)
    if samples.held and samples.again and not refused:
        x = np.concatenate([np.asarray(part, np.int8) for part in (samples.x, samples.held[0])])
        y = np.concatenate([samples.y, samples.held[1]])
        return replace(learn_on_device(target, image, Samples(x, y, samples.judges), plan), gain=gain)
    old = share[1] if len(share) > 1 else ()
    return Scores(share[0], old, done, stats.saturated_weights, plan.rate, refused, gain)


def _stretches(n: int, plan: Plan) -> Iterator[tuple[int, IntArray]]:
    """Epochs that nothing interrupts, as one: (its first epoch, the samples in their order)."""
    orders = sample_orders(n, plan.epochs, plan.seed)
    ends = range(1, plan.epochs + 1) if plan.decay else sorted({*plan.looks, plan.epochs})
    for first, end in itertools.pairwise((0, *ends)):
        yield first, np.concatenate(orders[first:end])


def usable_rate(image: bytes, rate: float) -> float:
    """The rate, halved until every layer of the image can hold it."""
    layers = decode(read_image(image)).layers
    while rate > 1e-6:
        try:
            rate_of(layers, rate_q24(rate))
            return rate
        except SdfaError:
            rate /= 2
    raise SdfaError("no learning rate fits the scales of this model: normalize its inputs")


def learn_in_float(net: DenseNet, learn: int, samples: Samples, plan: Plan) -> Scores:
    """Back-propagation through the last `learn` layers, in float32, a sample at a time, in the device's order."""
    tail = DenseNet([w.copy() for w in net.weights[-learn:]], [b.copy() for b in net.biases[-learn:]])
    judges = [(_below(net, learn, np.asarray(x, np.float32)), y) for x, y in samples.judges]
    x = _below(net, learn, np.asarray(samples.x, np.float32))
    found = [[accuracy(tail, *judge) for judge in judges]]
    for epoch, order in enumerate(sample_orders(len(x), plan.epochs, plan.seed)):
        rate = np.float32(plan.rate_in(epoch))
        for i in order:
            sgd_step(tail, x[i], int(samples.y[i]), rate)
        if epoch + 1 in plan.looks:
            found.append([accuracy(tail, *judge) for judge in judges])
    return _scores(found, plan)


def _below(net: DenseNet, learn: int, x: FloatArray) -> FloatArray:
    """What the first of the last `learn` layers reads."""
    fixed = len(net.weights) - learn
    return net.forward(x)[fixed - 1] if fixed else x


def sgd_step(net: DenseNet, x: FloatArray, label: int, rate: np.float32) -> None:
    """One sample; all errors from the old weights, then all updates, in place."""
    outs = net.forward(x)
    delta = np.exp(outs[-1] - outs[-1].max())
    delta /= delta.sum()
    delta[label] -= 1
    for i in reversed(range(len(outs))):
        below = outs[i - 1] if i else x
        step = rate * delta
        if i:
            delta = (delta @ net.weights[i]) * (below > 0)
        net.weights[i][...] -= step[:, None] * below
        net.biases[i][...] -= step


def _scores(found: list[list[float]], plan: Plan) -> Scores:
    columns = list(zip(*found, strict=True))
    return Scores(columns[0], columns[1] if len(columns) > 1 else (), float(plan.epochs > 0), 0, plan.rate)


_SCRATCH_BATCH = 16


def learn_from_scratch(classes: int, samples: Samples, plan: Plan, how: Training) -> Scores:
    """All layers, from random weights, by Adam: what the samples alone are worth."""
    rng = np.random.default_rng(plan.seed)
    x = np.asarray(samples.x, np.float32)
    net = he_net((x.shape[1], *how.hidden, classes), rng)
    adam = Adam(parameters(net), plan.rate)
    judges = [(np.asarray(j, np.float32), y) for j, y in samples.judges]
    found = [[accuracy(net, *judge) for judge in judges]]
    for epoch in range(plan.epochs):
        adam_epoch(net, adam, x, samples.y, replace(how, batch=_SCRATCH_BATCH), rng)
        if epoch + 1 in plan.looks:
            found.append([accuracy(net, *judge) for judge in judges])
    return _scores(found, plan)
