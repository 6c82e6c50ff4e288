"""`pytools experiment personalize`: choose rates on base people, learn on new ones, summarize."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from sdfa import __version__
from sdfa.errors import SdfaError
from sdfa.experiment.engine import Journal, Task, run_cells
from sdfa.experiment.people import Fold, People, folds_of
from sdfa.experiment.protocol import Cell, Choice, Settings, Trained, choose, trained, tuning_cells, work_of
from sdfa.experiment.rules import NONE, Rule

Track = Callable[[str, int], Callable[[], None]]
"""(what is done, how many steps) -> to be called after each step."""

QUICK_EPOCHS, QUICK_RATES = (5, 20), (0.004, 0.016)


@dataclass(frozen=True)
class Question:
    """What to find out. data, change: names, for reports. ks: samples per class. seeds: draws per person."""

    data: str
    change: str
    ks: tuple[int, ...]
    seeds: int
    rules: tuple[Rule, ...]
    settings: Settings

    def quick(self) -> Question:
        """The same with a coarse grid and one draw for each choice: for a first look, and for tests."""
        rules = tuple(replace(r, rates=r.rates and QUICK_RATES) for r in self.rules)
        settings = replace(self.settings, epochs=QUICK_EPOCHS, tune_seeds=1)
        return replace(self, rules=rules, settings=settings)

    def described(self, people: People) -> dict[str, Any]:
        """All that a cell's values depend on beside its key."""
        shared = {name: value for name, value in asdict(self.settings).items() if name != "tune_seeds"}
        return {
            "sdfa": __version__, "data": self.data, "change": self.change, "settings": shared,
            "samples": len(people.y),
            "features": people.x.shape[1], "classes": list(people.classes), "base": list(people.base),
            "tune": list(people.tune),
        }  # fmt: skip


@dataclass(frozen=True)
class Findings:
    """choices: by (fold, k, rule). finals: the cells that were scored. done: the values of all cells by key."""

    choices: dict[tuple[str, int, str], Choice]
    finals: tuple[Cell, ...]
    done: dict[str, dict[str, Any]]


def explore(
    question: Question, people: People, journal: Journal, jobs: int, dask: str | None, track: Track
) -> Findings:
    """Runs what the journal lacks."""
    folds = folds_of(people)
    nets = _nets(people, folds, question.settings)
    tuning = _tuning(question, folds)
    flat = [cell for cells in tuning.values() for cell in cells]
    _run(flat, nets, question, journal, jobs, dask, track("choosing rates on base people", len(flat)))
    choices = {
        key: choose(_rule(question, key[2]), cells, journal.done, question.settings) for key, cells in tuning.items()
    }
    finals = tuple(_finals(question, folds, choices))
    _run(finals, nets, question, journal, jobs, dask, track("learning from new people", len(finals)))
    return Findings(choices, finals, journal.done)


def _rule(question: Question, name: str) -> Rule:
    return next(rule for rule in question.rules if rule.name == name)


def _nets(people: People, folds: dict[str, Fold], settings: Settings) -> dict[str, Trained]:
    """By fold with ".final" the final net, with ".0", ".1" those of its tunings. Equal bases share one net."""
    made: dict[tuple[str, ...], Trained] = {}
    nets = {}
    for name, fold in folds.items():
        for part, base in ((f"{name}.final", fold.base), *((f"{name}.{i}", t[0]) for i, t in enumerate(fold.tuning))):
            nets[part] = made.setdefault(base, trained(people, base, settings))
    return nets


def _tuning(question: Question, folds: dict[str, Fold]) -> dict[tuple[str, int, str], list[Cell]]:
    return {
        (name, k, rule.name): [cell for _, cell in tuning_cells(name, fold, k, rule, question.settings)]
        for name, fold in folds.items()
        for k in question.ks
        for rule in question.rules
        if rule.runs != NONE
    }


def _finals(question: Question, folds: dict[str, Fold], choices: dict[tuple[str, int, str], Choice]) -> Iterator[Cell]:
    for name, fold in folds.items():
        for k in question.ks:
            for person in fold.new:
                for seed in range(1, question.seeds + 1):
                    for rule in question.rules:
                        chosen = choices.get((name, k, rule.name), Choice(0.0, 0, 0.0))
                        yield Cell("test", name, person, k, seed, rule.name, chosen.rate, chosen.epochs)


def _run(
    cells: Sequence[Cell], nets: dict[str, Trained], question: Question, journal: Journal, jobs: int,
    dask: str | None, tick: Callable[[], None],
) -> None:  # fmt: skip
    for cell in cells:
        if cell.key in journal.done:
            tick()
    run_cells(_tasks(cells, nets, question, journal), journal, jobs, dask, tick)


def _tasks(cells: Sequence[Cell], nets: dict[str, Trained], question: Question, journal: Journal) -> Iterator[Task]:
    """Made one by one, as they are taken: a base net is trained when its first cell comes."""
    for cell in cells:
        if cell.key in journal.done:
            continue
        looks = question.settings.epochs if cell.stage == "tune" else (cell.epochs,)
        looks = tuple(e for e in looks if e <= cell.epochs)
        net = nets[cell.fold if cell.stage == "tune" else f"{cell.fold}.final"]
        yield work_of(cell, _rule(question, cell.rule), net, looks)


def check_question(question: Question, people: People) -> None:
    """SdfaError for a question that this data cannot answer."""
    if not people.new:
        raise SdfaError(f"{question.data}: no new person has two classes to learn and to be scored on")
    if any(k < 1 for k in question.ks) or not question.ks:
        raise SdfaError("samples per class: at least 1")
    if len(question.settings.training.hidden) + 1 < question.settings.learn:
        raise SdfaError(f"--train-last {question.settings.learn}: the net has 3 dense layers")
