"""Learning a dense net from nothing: on the C runtime in integers, and in float32 as the reference.

Both start from the same seeded weights and feedback tables. The runtime takes one sample at a time; the float
reference takes small batches and adds their steps up, so that one rate means the same to both.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.device.adapt import learned_image, sample_orders
from sdfa.device.device import Classify, Device, Learn, Set, Stage, State
from sdfa.device.samples import quantize_input
from sdfa.experiment.task import Task
from sdfa.exporter.export import Options
from sdfa.exporter.untrained import Calibration, init_net, untrained
from sdfa.image.writer import rate_q24
from sdfa.learning.feedback import Table, aligned_table, products, random_table, ranked_table
from sdfa.targets import find_target
from sdfa.tflite.dense_model import DenseNet

FloatArray = npt.NDArray[np.float32]

CALIBRATION_N = 256


@dataclass(frozen=True)
class Rule:
    """feedback: random, aligned, bp, dense or last. k: connections per neuron, for the first two. rank: of the feedback
    matrix (0: as it comes). scale: length of the rows of random feedback, relative to that of the net's own Jacobian at
    the start."""

    name: str
    feedback: str
    k: int = 0
    rank: int = 0
    scale: float = 1.0


@dataclass(frozen=True)
class Plan:
    """How to learn. rate: of the first epoch; it falls linearly to the part `end` of it. tau: error threshold.
    seed: of weights, feedback, order and rounding. batch: samples whose steps are added up, in float. master: bits of
    the weights, in integers."""

    rate: float
    epochs: int
    seed: int
    tau: float = 1 / 32
    headroom: float = 4.0
    batch: int = 16
    master: int = 8
    end: float = 0.1

    def rates(self) -> Iterator[float]:
        """The learning rate of each epoch."""
        for epoch in range(self.epochs):
            yield self.rate * (1 - (1 - self.end) * epoch / max(self.epochs - 1, 1))


@dataclass(frozen=True)
class Learned:
    """accuracy: on the judge's samples, after each epoch. updated: share of the weight updates that were done.
    saturated: weights that the clamp stopped, per step."""

    accuracy: tuple[float, ...]
    updated: float = 1.0
    saturated: float = 0.0


def start(sizes: Sequence[int], rule: Rule, plan: Plan) -> DenseNet:
    """The net before it learns: the one that `pytools init` makes of this seed."""
    return untrained(sizes, rule.feedback, rule.k, np.random.default_rng(plan.seed))


def tables_of(rule: Rule, net: DenseNet, seed: int) -> list[Table]:
    """Feedback of each hidden layer, first layer first; none for bp and last."""
    if rule.feedback in ("bp", "last"):
        return []
    js = products([np.asarray(w, np.float64) for w in net.weights])
    if rule.feedback == "aligned":
        return [aligned_table(j, rule.k) for j in js]
    js = [rule.scale * j for j in js]
    classes = js[0].shape[1] if js else 0
    k = classes if rule.feedback == "dense" else rule.k
    rng = np.random.default_rng([seed, 1])
    return [ranked_table(j, k, rule.rank, rng) if rule.rank else random_table(j, k, rng) for j in js]


def learn_on_runtime(sizes: Sequence[int], rule: Rule, plan: Plan, task: Task, target: str = "host") -> Learned:
    """int8, one sample at a time, on the C runtime; an epoch is one batch of the target."""
    net = start(sizes, rule, plan)
    options = Options(
        feedback=rule.feedback, seed=plan.seed, rate=plan.rate, tau=plan.tau, connections=rule.k or None,
        tables=tables_of(rule, net, plan.seed) or None, master=plan.master,
    )  # fmt: skip
    export, _ = init_net(sizes, "scratch", Calibration(task.x[:CALIBRATION_N]), plan.headroom, options)
    x, judge = quantize_input(export.image, task.x), quantize_input(export.image, task.x_judge)
    data = export.data
    accuracy: list[float] = []
    states: list[State] = []
    for order, rate in zip(sample_orders(len(x), plan.epochs, plan.seed), plan.rates(), strict=True):
        seed = None if states else plan.seed
        stages: list[Stage] = [Set(rate_q24=rate_q24(rate), seed=seed), Learn(x[order], task.y[order]), Classify(judge)]
        session = Device(find_target(target), data).session(stages)
        s = session.state
        accuracy.append(float(np.mean(session.classes[0] == task.y_judge)))
        states.append(s)
        data = learned_image(data, session.tail, len(states) * len(x), s.random, s.rate_q24, s.tau_q15)
    return Learned(tuple(accuracy), *_work(states, sum(int(np.prod(w.shape)) for w in net.weights)))


def _work(states: Sequence[State], weights: int) -> tuple[float, float]:
    steps = max(sum(s.stats.steps for s in states), 1)
    updated = sum(s.stats.weights_updated for s in states) / (steps * weights)
    return updated, sum(s.stats.saturated_weights for s in states) / steps


# --- float reference ---


def errors(z: FloatArray, y: npt.NDArray[np.int64], tau: float) -> FloatArray:
    """softmax(z) - onehot(y) for logits (n, C); small errors of other classes are dropped, and the sum stays 0."""
    e = np.exp(z - z.max(axis=1, keepdims=True))
    e /= e.sum(axis=1, keepdims=True)
    rows = np.arange(len(y))
    e[rows, y] = 0
    e[e < tau] = 0
    e[rows, y] = -e.sum(axis=1)
    return np.asarray(e, np.float32)


def deltas(
    net: DenseNet, outputs: Sequence[FloatArray], e: FloatArray, feedback: Sequence[FloatArray] | str
) -> list[FloatArray]:
    """Error (n, out) of every layer. feedback: B (hidden, C) of each hidden layer, or bp or last."""
    found = [e]
    for i in reversed(range(len(net.weights) - 1)):
        if feedback == "last":
            found.insert(0, np.zeros_like(outputs[i]))
            continue
        d = found[0] @ net.weights[i + 1] if isinstance(feedback, str) else e @ feedback[i].T
        found.insert(0, d * (outputs[i] > 0))
    return found


def learn_in_float(sizes: Sequence[int], rule: Rule, plan: Plan, task: Task) -> tuple[Learned, DenseNet]:
    """The same in float32, batches of plan.batch samples; the net that was learned."""
    net = start(sizes, rule, plan)
    accuracy = []
    for _ in float_epochs(net, rule, plan, task):
        accuracy.append(float(np.mean(net.forward(task.x_judge)[-1].argmax(axis=1) == task.y_judge)))
    return Learned(tuple(accuracy)), net


def float_feedback(rule: Rule, net: DenseNet, seed: int) -> list[FloatArray] | str:
    """What `deltas` takes."""
    tables = tables_of(rule, net, seed)
    if not tables:
        return "last" if rule.feedback == "last" else "bp"
    return [t.matrix(len(net.biases[-1])).astype(np.float32) for t in tables]


def float_epochs(net: DenseNet, rule: Rule, plan: Plan, task: Task) -> Iterator[int]:
    """Learns epoch by epoch, in place; yields its number after each."""
    feedback = float_feedback(rule, net, plan.seed)
    orders = sample_orders(len(task.x), plan.epochs, plan.seed)
    for epoch, (order, rate) in enumerate(zip(orders, plan.rates(), strict=True)):
        for at in range(0, len(order), plan.batch):
            rows = order[at : at + plan.batch]
            _step(net, task.x[rows], task.y[rows], feedback, plan.tau, np.float32(rate))
        yield epoch


def _step(
    net: DenseNet,
    x: FloatArray,
    y: npt.NDArray[np.int64],
    feedback: Sequence[FloatArray] | str,
    tau: float,
    rate: np.float32,
) -> None:
    outputs = net.forward(x)
    found = deltas(net, outputs, errors(outputs[-1], y, tau), feedback)
    for w, b, d, a in zip(net.weights, net.biases, found, [x, *outputs[:-1]], strict=True):
        w -= rate * (d.T @ a)
        b -= rate * d.sum(axis=0)
