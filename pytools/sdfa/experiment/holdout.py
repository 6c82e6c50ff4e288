"""What a hold-out of m samples can promise: exact binomials.

`python -m sdfa.experiment.holdout` prints the table of firmware/SPEC.md 4.3.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

ACCURACY = 0.85
SIZES = (10, 20, 50, 100, 200)
DROPS = (0.05, 0.1, 0.2, 0.4)


def binomial(m: int, p: float) -> FloatArray:
    """Chance of 0 ... m right ones among m, each right with chance p."""
    return np.array([math.comb(m, k) * p**k * (1 - p) ** (m - k) for k in range(m + 1)])


def half_width(m: int, p: float) -> float:
    """Smallest w so that the share of right ones lies in p ± w in 95 of 100 draws."""
    away = np.abs(np.arange(m + 1) / m - p)
    order = np.argsort(away, kind="stable")
    inside = np.cumsum(binomial(m, p)[order]) >= 0.95
    return float(away[order][int(np.argmax(inside))])


def kept(m: int, before: float, after: float) -> float:
    """How often weights with accuracy `after` have more right than those with `before`, plus half of the ties."""
    a, b = binomial(m, after), binomial(m, before)
    both = np.outer(a, b)
    return float(np.tril(both, -1).sum() + np.trace(both) / 2)


def table(accuracy: float = ACCURACY) -> str:
    """Markdown: a row for each m."""
    head = ["m", "95 % of draws", *(f"kept at −{round(100 * d)} points" for d in DROPS)]
    rows = [
        [str(m), f"±{100 * half_width(m, accuracy):.0f} points"]
        + [f"{100 * kept(m, accuracy, accuracy - d):.0f} %" for d in DROPS]
        for m in SIZES
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


if __name__ == "__main__":
    print(table())
