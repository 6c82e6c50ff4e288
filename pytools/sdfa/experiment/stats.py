"""Paired comparisons of rules, clustered by person: few lines instead of a statistics package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sdfa.experiment.holdout import binomial

# two-sided 95 % quantiles of Student's t for 1 ... 30 degrees of freedom
_T95 = (
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
)  # fmt: skip
_NORMAL95 = 1.960

Values = Mapping[tuple[str, int], float]
"""One value for each (person, seed)."""


@dataclass(frozen=True)
class Interval:
    """mean: of the differences. low, high: its 95 % interval; both nan for one single difference.

    over: what varies, "people" or, with one person, "seeds". n: how many of them.
    """

    mean: float
    low: float
    high: float
    over: str
    n: int

    @property
    def below(self) -> bool:
        """Whether the whole interval lies below 0."""
        return self.high < 0


def t95(freedom: int) -> float:
    """Half width of a 95 % interval in standard errors (beyond the table within 0.002 of the true quantile)."""
    if freedom < 1:
        return float("nan")
    return _T95[freedom - 1] if freedom <= len(_T95) else _NORMAL95 + 2.5 / freedom


def paired(a: Values, b: Values) -> Interval:
    """The difference a - b over the (person, seed) pairs that both have.

    Samples of one person are alike: seeds are averaged within each person, and people are what varies.
    """
    common = sorted(set(a) & set(b))
    by_person: dict[str, list[float]] = {}
    for person, seed in common:
        by_person.setdefault(person, []).append(a[person, seed] - b[person, seed])
    if len(by_person) == 1:
        return interval(next(iter(by_person.values())), "seeds")
    return interval([float(np.mean(v)) for v in by_person.values()], "people")


def interval(values: list[float], over: str) -> Interval:
    """Mean of independent values with Student's 95 % interval."""
    n, mean = len(values), float(np.mean(values)) if values else float("nan")
    if n < 2:
        return Interval(mean, float("nan"), float("nan"), over, n)
    half = t95(n - 1) * float(np.std(values, ddof=1)) / n**0.5
    return Interval(mean, mean - half, mean + half, over, n)


def by_person(values: Values) -> dict[str, float]:
    """Mean over seeds of each person."""
    found: dict[str, list[float]] = {}
    for (person, _), value in values.items():
        found.setdefault(person, []).append(value)
    return {person: float(np.mean(v)) for person, v in sorted(found.items())}


def sign_test(first: int, second: int) -> float:
    """Two-sided exact p that only one of two, equally likely, is meant: `first` times the one, `second` the other."""
    n = first + second
    return min(1.0, 2 * float(binomial(n, 0.5)[: min(first, second) + 1].sum()))
