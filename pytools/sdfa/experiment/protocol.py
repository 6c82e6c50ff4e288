"""The protocol: which cells there are, how each rule's rate and epochs are chosen, and on whom.

Rates and epochs are chosen on base people who are met as if they were new, with a base net that has not seen them;
never on the test part of a new person.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from sdfa.device.samples import quantize_input
from sdfa.experiment.backbone import Backbone, train_backbone
from sdfa.experiment.basenet import Training, train
from sdfa.experiment.cells import Plan, Samples, Scores, learn_from_scratch, learn_in_float, learn_on_device
from sdfa.experiment.engine import Result, Task
from sdfa.experiment.people import POOL, TEST, FloatArray, Fold, IntArray, People, draw, hold_out, old_test_rows
from sdfa.experiment.rules import DEVICE, FLOAT, NONE, Rule
from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import Image
from sdfa.tflite.dense_model import DenseNet, Scaling, quantize_dense
from sdfa.tflite.graph import Graph, Int8Array
from sdfa.tflite.load import load_tflite

LOOKS = (1, 3, 10, 20, 30, 60)
_CLIP = 8.0
_CALIBRATION = 300
_JUDGED = 1000
_TUNE_SEED = 1000


@dataclass(frozen=True)
class Settings:
    """What all cells share. learn: dense layers that learn. epochs: that may be chosen. decay: the rate falls linearly
    to 0. tune_seeds: draws per tuned person. headroom: as of dense_model.Scaling.

    window: (time, channels) of raw signals, which a convolutional backbone reads; None: features, dense layers alone.

    tau: error threshold on the device. The errors of few samples soon fall below any, and what they still teach counts.
    """

    training: Training = field(default_factory=Training)
    learn: int = 2
    tau: float = 0.0
    decay: bool = False
    headroom: float = 1.25
    target: str = "host"
    epochs: tuple[int, ...] = LOOKS
    tune_seeds: int = 3
    base_seed: int = 1
    standardize: bool = True
    window: tuple[int, int] | None = None


class Trained:
    """A base net and everything that cells of its people need. Made when the first cell asks for it."""

    def __init__(self, people: People, base: Sequence[str], settings: Settings) -> None:
        self.people, self.base, self.settings = people, tuple(base), settings

    @functools.cached_property
    def old(self) -> IntArray:
        """Rows of base people that were kept out of pre-training."""
        rows = old_test_rows(self.people, self.base)
        return np.random.default_rng(0).permutation(rows)[:_JUDGED]

    @functools.cached_property
    def rows(self) -> IntArray:
        """Rows that were pre-trained on."""
        return np.setdiff1d(self.people.rows(self.base), old_test_rows(self.people, self.base))

    @functools.cached_property
    def _moments(self) -> tuple[FloatArray, FloatArray]:
        known = self.people.x[self.rows]
        return known.mean(axis=0), known.std(axis=0) + np.float32(1e-6)

    def prepared(self, x: FloatArray) -> FloatArray:
        """Features as the net takes them."""
        if not self.settings.standardize:
            return x
        mean, deviation = self._moments
        return np.clip((x - mean) / deviation, -_CLIP, _CLIP).astype(np.float32)

    @functools.cached_property
    def net(self) -> DenseNet:
        rng = np.random.default_rng(self.settings.base_seed)
        x, y = self.prepared(self.people.x[self.rows]), self.people.y[self.rows]
        return train(x, y, len(self.people.classes), self.settings.training, rng)

    @functools.cached_property
    def graph(self) -> Graph:
        x = self.prepared(self.people.x[self.rows[:: max(1, len(self.rows) // _JUDGED)]])
        return load_tflite(quantize_dense(self.net, x, Scaling(self.settings.headroom)), "base")

    def quantized(self, x: FloatArray) -> Int8Array:
        return quantize_input(self._plain, self.prepared(x))

    @functools.cached_property
    def _plain(self) -> Image:
        return export_graph(self.graph, "base", Options(train_last=0)).image

    @functools.cached_property
    def _images(self) -> dict[tuple[Any, ...], bytes]:
        return {}

    def image(self, rule: Rule, seed: int) -> bytes:
        """The image that learns by this rule."""
        key = (rule.feedback, rule.connections, rule.more, seed if rule.random else 0)
        if key not in self._images:
            calib = self.quantized(self.people.x[self.rows[:: max(1, len(self.rows) // _CALIBRATION)]])
            options = Options(
                train_last=1 if rule.feedback == "last" else self.settings.learn, feedback=rule.feedback,
                connections=rule.connections, seed=seed, loss="softmax_ce", rate=rule.rates[0], calib=calib,
            )  # fmt: skip
            self._images[key] = export_graph(self.graph, "base", replace(options, **dict(rule.more))).data
        return self._images[key]


class TrainedOnSignals(Trained):
    """The same with a convolutional backbone below the dense layers. In float the rules see what the backbone makes of
    a signal; the device sees the signal."""

    @functools.cached_property
    def _backbone(self) -> Backbone:
        rng = np.random.default_rng(self.settings.base_seed)
        x, y = self._signals(self.people.x[self.rows]), self.people.y[self.rows]
        return train_backbone(x, y, len(self.people.classes), self.settings.training, rng)

    def _signals(self, x: FloatArray) -> FloatArray:
        assert self.settings.window is not None
        return super().prepared(x).reshape(len(x), *self.settings.window)

    def prepared(self, x: FloatArray) -> FloatArray:
        return self._backbone.features(self._signals(x))

    @functools.cached_property
    def net(self) -> DenseNet:
        return self._backbone.dense

    @functools.cached_property
    def graph(self) -> Graph:
        x = self._signals(self.people.x[self.rows[:: max(1, len(self.rows) // _JUDGED)]])
        return self._backbone.graph(x, self.settings.headroom)

    def quantized(self, x: FloatArray) -> Int8Array:
        return quantize_input(self._plain, self._signals(x)[:, :, None])


def trained(people: People, base: Sequence[str], settings: Settings) -> Trained:
    """A base net, not made yet."""
    return (TrainedOnSignals if settings.window else Trained)(people, base, settings)


@dataclass(frozen=True)
class Cell:
    """One person, seed and rule, learning k samples per class at one rate for some epochs. fold: its base net."""

    stage: str
    fold: str
    person: str
    k: int
    seed: int
    rule: str
    rate: float
    epochs: int

    @property
    def key(self) -> str:
        return "|".join(f"{name}={value}" for name, value in asdict(self).items())


def work_of(cell: Cell, rule: Rule, trained: Trained, looks: tuple[int, ...]) -> Task:
    """The cell with all that it needs, free of anything larger."""
    people, settings = trained.people, trained.settings
    pool, test = people.rows((cell.person,), POOL), people.rows((cell.person,), TEST)
    rng = np.random.default_rng([cell.seed, cell.k])
    rows = pool[draw(people.y[pool], cell.k, rng)]
    test = test[np.isin(people.y[test], people.y[pool])]  # a class that cannot be learned is not scored
    test = np.random.default_rng(0).permutation(test)[:_JUDGED]
    see = trained.quantized if rule.runs == DEVICE else trained.prepared
    judges = [(see(people.changed[test]), people.y[test])]
    judges += [(see(people.x[trained.old]), people.y[trained.old])] if cell.stage == "test" else []
    held = rows[:0]
    if rule.held and (cell.stage == "test" or not rule.again):  # rates are chosen for as many samples as are learned
        rows, held = hold_out(people.y, rows)
    gate = (see(people.changed[held]), people.y[held]) if len(held) and cell.stage == "test" else None
    samples = Samples(see(people.changed[rows]), people.y[rows], tuple(judges), gate, rule.again)
    plan = Plan(cell.rate, cell.epochs, looks, cell.seed, settings.tau, settings.decay)
    if rule.runs == DEVICE:
        learn = functools.partial(learn_on_device, settings.target, trained.image(rule, cell.seed), samples, plan)
    elif rule.runs == FLOAT:
        learn = functools.partial(learn_in_float, trained.net, settings.learn, samples, plan)
    elif rule.runs == NONE:
        learn = functools.partial(learn_in_float, trained.net, settings.learn, samples, Plan(0.0, 0, (), 1))
    else:
        how, classes = settings.training, len(people.classes)
        learn = functools.partial(learn_from_scratch, classes, samples, plan, how)
    return Task(cell.key, functools.partial(_values, learn))


def _values(learn: functools.partial[Scores]) -> Result:
    return asdict(learn())


@dataclass(frozen=True)
class Choice:
    """rate, epochs: the best on tuned people, whose mean accuracy it was. edge: why the optimum may lie outside."""

    rate: float
    epochs: int
    accuracy: float
    edge: str = ""


def tuning_cells(name: str, fold: Fold, k: int, rule: Rule, settings: Settings) -> Iterator[tuple[int, Cell]]:
    """(number of the tuning net, cell): all that choosing this rule's rate takes."""
    budgets = settings.epochs if settings.decay and rule.runs in (DEVICE, FLOAT) else settings.epochs[-1:]
    for net, (_, met) in enumerate(fold.tuning):
        for person in met:
            for seed in range(_TUNE_SEED, _TUNE_SEED + settings.tune_seeds):
                for rate in rule.rates:
                    for epochs in budgets:
                        yield net, Cell("tune", f"{name}.{net}", person, k, seed, rule.name, rate, epochs)


def choose(rule: Rule, cells: Sequence[Cell], done: dict[str, Result], settings: Settings) -> Choice:
    """The rate and number of epochs with the best mean accuracy; of equals the fewest epochs, the lowest rate."""
    found: dict[tuple[int, float], list[float]] = {}
    for cell in cells:
        scores = done[cell.key]["test"]
        looks = settings.epochs if cell.epochs == settings.epochs[-1] and not settings.decay else (cell.epochs,)
        for look, score in zip(looks, scores[-len(looks) :], strict=True):
            found.setdefault((look, cell.rate), []).append(score)
    means = {place: float(np.mean(v)) for place, v in found.items()}
    (epochs, rate), best = max(sorted(means.items()), key=lambda item: round(item[1], 9))
    return Choice(rate, epochs, best, _edge(rule, rate, epochs, settings))


def _edge(rule: Rule, rate: float, epochs: int, settings: Settings) -> str:
    found = []
    if len(rule.rates) > 1 and rate in (rule.rates[0], rule.rates[-1]):
        found.append("lowest rate" if rate == rule.rates[0] else "highest rate")
    if len(settings.epochs) > 1 and epochs == settings.epochs[-1]:
        found.append("most epochs")
    return ", ".join(found)
