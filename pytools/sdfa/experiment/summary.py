"""The cells of an experiment as one JSON-able result: means, worst people, paired differences, forgetting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sdfa.experiment.people import People
from sdfa.experiment.personalize import Findings, Question
from sdfa.experiment.protocol import Cell
from sdfa.experiment.rules import Rule
from sdfa.experiment.stats import Interval, Values, by_person, paired, sign_test

REFERENCES = ("float bp", "bp", "last")
MARGIN = 0.01
"""A rule counts as equal to float back-propagation within this difference of mean accuracy."""
STRICTER = (1, 2)
"""Gates that want so many more held-out samples right than before: what they would have done."""


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
    before = {rule.name: _values(found, cells, rule.name, "test", 0) for rule in question.rules}
    part: dict[str, Any] = {"rules": {rule.name: _row(found, cells, rule.name, k, after) for rule in question.rules}}
    gates = {rule.name: _gate(found, cells, rule, before, after) for rule in question.rules if rule.held}
    return part | ({"gates": gates} if gates else {})


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


def _gate(
    found: Findings, cells: Sequence[Cell], rule: Rule, before: dict[str, Values], after: dict[str, Values]
) -> dict[str, Any]:
    """Runs that end below their start, with this gate and in float, and what stricter gates would have done."""
    start, end = before[rule.name], after[rule.name]
    gain = {(c.person, c.seed): found.done[c.key]["gain"] for c in cells if c.rule == rule.name}
    stricter = {}
    for more in STRICTER:
        kept = {key: end[key] if gain[key] >= more else start[key] for key in end}
        stricter[str(more)] = {"after": _mean(kept), "below_start": below_start(start, kept)}
    return {"losses": _losses(start, end), "stricter": stricter} | _against_float(before, after, rule.name)


def _losses(before: Values, after: Values) -> list[float]:
    """Of the runs that end below their start."""
    return [before[key] - after[key] for key in after if after[key] < before[key]]


def _against_float(before: dict[str, Values], after: dict[str, Values], name: str) -> dict[str, Any]:
    """Of float back-propagation in the same runs; p: of a difference in how often a run ends below its start."""
    other = "float bp"
    if other not in after:
        return {}
    ours, theirs = ({key for key in after[r] if after[r][key] < before[r][key]} for r in (name, other))
    return {"float": _losses(before[other], after[other]), "p": sign_test(len(ours - theirs), len(theirs - ours))}


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
