"""`pytools experiment convs`: the paper's two claims about convolutions.

1. Feedback alignment does not teach deep convolutions: sparse feedback to every layer, against back-propagation, and
   against convolutions that stay as random as they began.
2. Convolutions that were trained on some classes and then frozen, below new dense layers that learn all classes by
   sparse feedback, compete with back-propagation through those layers.

Float32, batches of BATCH. Rates are chosen for each rule on a part of the training samples, with the first seed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sdfa import __version__
from sdfa.experiment import engine
from sdfa.experiment.convnet import Layer, Shape, accuracy, forward, new_dense, new_net, sparse_feedback, step
from sdfa.experiment.paper import Track, run_all
from sdfa.experiment.paper_report import percent, rate_said, seeds_said
from sdfa.experiment.task import Task, load_task

BATCH = 16
BASE_CLASSES = 5
"""The convolutions of the second claim were trained on so many classes."""


@dataclass(frozen=True)
class Rule:
    """claim: 1 or 2. k: errors per unit, 0 for back-propagation. frozen: the convolutions do not learn."""

    claim: int
    name: str
    k: int
    frozen: bool


RULES = (
    Rule(1, "back-propagation", 0, False),
    Rule(1, "sparse feedback, k = 2, to all layers", 2, False),
    Rule(1, "random convolutions stay; back-propagation above", 0, True),
    Rule(2, "back-propagation, convolutions too", 0, False),
    Rule(2, "frozen; back-propagation above", 0, True),
    Rule(2, "frozen; sparse feedback, k = 2, above", 2, True),
    Rule(2, "frozen; sparse feedback, k = 1, above", 1, True),
)


@dataclass(frozen=True)
class Question:
    """data: a name of task.TASKS. picture: its (h, w, channels). rates: of the mean step of a batch."""

    data: str
    picture: tuple[int, int, int]
    shape: Shape
    epochs: int
    samples: int = 0
    seeds: int = 3
    rates: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1)

    def described(self) -> dict[str, Any]:
        """All that a cell's values depend on beside its key."""
        return {"sdfa": __version__, **{k: v for k, v in asdict(self).items() if k != "seeds"}}

    def quick(self) -> Question:
        """The same with one seed and few epochs: for a first look, and for tests."""
        return replace(self, seeds=1, epochs=3, rates=self.rates[2:], samples=400)


_MNIST = Shape(((8, 2), (16, 1), (16, 2), (32, 2)), (64, 10))
_CIFAR = Shape(((16, 2), (32, 1), (32, 2), (32, 2)), (64, 10))
_RATES = (0.01, 0.03, 0.1)
_DEEP = ((8, 1), (16, 2), (16, 1), (32, 2))
QUESTIONS = {
    q.data: q
    for q in (
        Question("digits", (8, 8, 1), Shape(_DEEP, (32, 10)), 10),
        Question("mnist", (28, 28, 1), _MNIST, 4, 1500, seeds=1, rates=_RATES),
        Question("cifar10_small", (32, 32, 3), _CIFAR, 4, 1500, seeds=1, rates=_RATES),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One net that learns. stage: tune or test."""

    stage: str
    rule: Rule
    rate: float
    seed: int

    @property
    def key(self) -> str:
        return f"{self.stage}/{self.rule.claim}/{self.rule.name}/{self.rate:g}/{self.seed}"


def _run(cell: Cell, question: Question, task: Task) -> dict[str, Any]:
    task = task.tuning() if cell.stage == "tune" else task
    x, judge = (part.reshape(len(part), *question.picture) for part in (task.x, task.x_judge))
    rng = np.random.default_rng(cell.seed)
    net = new_net(question.picture, question.shape, rng)
    convs = len(question.shape.convs)
    if cell.rule.claim == 2:
        old = task.y < BASE_CLASSES
        _learn(net, Task(x[old], task.y[old], judge, task.y_judge), question.epochs, 0.1, 0, 0, rng)
        net = [*net[:convs], *new_dense(net[convs].w.shape[0], question.shape.dense, rng)]
    frozen = convs if cell.rule.frozen else 0
    score = _learn(net, Task(x, task.y, judge, task.y_judge), question.epochs, cell.rate, cell.rule.k, frozen, rng)
    return {"accuracy": score}


def _learn(
    net: Sequence[Layer], task: Task, epochs: int, rate: float, k: int, frozen: int, rng: np.random.Generator
) -> float:
    """Accuracy after the last epoch. Frozen layers are computed once."""
    x, judge = task.x, task.x_judge
    if frozen:
        x, judge = (_features(net[:frozen], part) for part in (x, judge))
        net, frozen = net[frozen:], 0
    feedback = sparse_feedback(net, forward(net, x[:1]), k, rng) if k else None
    for epoch in range(epochs):
        order = rng.permutation(len(x))
        now = rate * (1 - 0.9 * epoch / max(epochs - 1, 1))
        with np.errstate(over="ignore", invalid="ignore"):  # a rate that is too high scores as what it is
            for at in range(0, len(order), BATCH):
                rows = order[at : at + BATCH]
                step(net, x[rows], task.y[rows], feedback, now, frozen)
    return accuracy(net, judge, task.y_judge)


def _features(convs: Sequence[Layer], x: Any) -> Any:
    """What the last convolution makes of x: a net that goes on behind it, so ReLU there too."""
    parts = [np.maximum(forward(convs, x[at : at + 500]).outputs[-1], 0) for at in range(0, len(x), 500)]
    return np.concatenate(parts)


def explore(question: Question, journal: engine.Journal, jobs: int, track: Track) -> dict[str, Any]:
    """Runs what the journal lacks; returns the result in JSON's types."""
    task = load_task(question.data).limited(question.samples)
    tuning = [Cell("tune", rule, rate, 1) for rule in RULES for rate in question.rates]
    run = partial(_run, question=question, task=task)
    run_all(tuning, run, journal, jobs, track("choosing rates", len(tuning)))
    rates = {rule: max(question.rates, key=partial(_tuned, journal, rule)) for rule in RULES}
    tests = [Cell("test", rule, rates[rule], seed) for rule in RULES for seed in range(1, question.seeds + 1)]
    run_all(tests, run, journal, jobs, track("learning", len(tests)))
    return {
        "experiment": "convs", "settings": question.described() | {"seeds": question.seeds},
        "rules": [_row(rule, rates[rule], question, journal) for rule in RULES],
    }  # fmt: skip


def _tuned(journal: engine.Journal, rule: Rule, rate: float) -> float:
    return float(journal.done[Cell("tune", rule, rate, 1).key]["accuracy"])


def _row(rule: Rule, rate: float, question: Question, journal: engine.Journal) -> dict[str, Any]:
    values = [
        float(journal.done[Cell("test", rule, rate, seed).key]["accuracy"]) for seed in range(1, question.seeds + 1)
    ]
    deviation = float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
    return {"claim": rule.claim, "rule": rule.name, "rate": rate, "mean": float(np.mean(values)),
            "deviation": deviation, "seeds": values}  # fmt: skip


def _of(samples: int) -> str:
    return f", {samples:,} samples to learn from" if samples else ""


CLAIMS = {
    1: "Deep convolutions. The claim holds where sparse feedback is far behind back-propagation",
    2: f"Frozen convolutions, trained on the first {BASE_CLASSES} classes, and new dense layers for all classes",
}


def as_markdown(result: dict[str, Any]) -> str:
    """A section: one table for each claim."""
    s = result["settings"]
    convs = ", ".join(
        f"{channels}{f' (stride {stride})' if stride > 1 else ''}" for channels, stride in s["shape"]["convs"]
    )
    dense = "-".join(map(str, s["shape"]["dense"]))
    parts = [
        f"### Convolutions: {s['data']}, {s['epochs']} epochs\n",
        f"Convolutions 3x3 of {convs} channels, dense {dense}; float32. Accuracy in % on test samples after the last "
        f"epoch, {seeds_said(s['seeds'])}{_of(s['samples'])}.\n",
    ]
    for claim, title in CLAIMS.items():
        parts += [f"{title}.\n", "| rule | accuracy | rate |", "|---|---|---|"]
        for row in result["rules"]:
            if row["claim"] == claim:
                parts.append(f"| {row['rule']} | {percent(row)} | {rate_said(row['rate'], s['rates'])} |")
        parts.append("")
    return "\n".join(parts)
