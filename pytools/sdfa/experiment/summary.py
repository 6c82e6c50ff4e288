"""The cells of an experiment as one JSON-able result: means, worst people, paired differences, forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sdfa.experiment.people import People
from sdfa.experiment.personalize import Findings, Question
from sdfa.experiment.protocol import Cell
from sdfa.experiment.stats import Interval, Values, by_person, paired

REFERENCES = ("float bp", "bp", "last")
MARGIN = 0.01
"""A rule counts as equal to float back-propagation within this difference of mean accuracy."""


def summarize(question: Question, people: People, found: Findings, about: str) -> dict[str, Any]:
    """Accuracies in 0 ... 1."""
    return {
        "data": question.data, "change": question.change, "about": about, "target": question.settings.target,
        "people": list(people.new), "classes": list(people.classes), "seeds": question.seeds,
        "settings": asdict(question.settings),
        "gated": [rule.name for rule in question.rules if rule.held],
        "k": {str(k): _of_k(question, found, k) for k in question.ks},
    }  # fmt: skip


def _of_k(question: Question, found: Findings, k: int) -> dict[str, Any]:
    cells = [cell for cell in found.finals if cell.k == k]
    after = {rule.name: _values(found, cells, rule.name, "test", -1) for rule in question.rules}
    return {"rules": {rule.name: _row(found, cells, rule.name, k, after) for rule in question.rules}}


def _values(found: Findings, cells: Sequence[Cell], rule: str, part: str, at: int) -> Values:
    return {(c.person, c.seed): found.done[c.key][part][at] for c in cells if c.rule == rule}


def _mean(values: Values) -> float:
    return float(np.mean(list(by_person(values).values())))


def _row(found: Findings, cells: Sequence[Cell], name: str, k: int, after: dict[str, Values]) -> dict[str, Any]:
    mine = [cell for cell in cells if cell.rule == name]
    before, end = _values(found, cells, name, "test", 0), after[name]
    people = by_person(end)
    worst = min(people, key=lambda person: people[person])
    old = _mean(_values(found, cells, name, "old", 0)), _mean(_values(found, cells, name, "old", -1))
    chosen = {fold: c for (fold, at, rule), c in found.choices.items() if at == k and rule == name}
    return {
        "before": _mean(before), "after": _mean(end), "worst": people[worst], "worst_person": worst,
        "by_person": people, "old_before": old[0], "old_after": old[1], "forgetting": old[0] - old[1],
        "below_start": below_start(before, end),
        "updated": float(np.mean([found.done[c.key]["updated"] for c in mine])),
        "saturated": float(np.mean([found.done[c.key]["saturated"] for c in mine])),
        "refused": float(np.mean([found.done[c.key].get("refused", False) for c in mine])),
        "chosen": {fold: asdict(c) for fold, c in chosen.items()},
        "minus": {
            other: _interval(paired(end, after[other])) for other in REFERENCES if other in after and other != name
        },
        "verdict": _verdict(name, after),
    }  # fmt: skip


def _interval(found: Interval) -> dict[str, Any]:
    return {name: None if value != value else value for name, value in asdict(found).items()} | {"below": found.below}


def below_start(before: Values, after: Values) -> float:
    """People who end below their own starting accuracy: the mean number over seeds."""
    seeds = {seed for _, seed in after}
    return sum(after[key] < before[key] for key in after) / max(len(seeds), 1)


def _verdict(name: str, after: dict[str, Values]) -> dict[str, bool | None]:
    """near_float: within MARGIN of float back-propagation in the mean. not_below: not significantly below the better
    of last and bp. None where the reference is missing."""
    near = None
    if "float bp" in after:
        near = bool(paired(after[name], after["float bp"]).mean >= -MARGIN)
    rivals = {other: _mean(after[other]) for other in ("last", "bp") if other in after}
    better = max(rivals, key=lambda other: rivals[other], default=None)
    not_below = None if better is None or better == name else not paired(after[name], after[better]).below
    return {"near_float": near, "not_below": not_below}
