"""The rates of tests.bench.scratch: chosen on a part of the samples to learn, which is not learned here.

python -m tests.bench.scratch_rates shows the shares of that part that each rate gets right, means over the seeds.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.table import Table

from tests.bench.scratch import SEEDS, Digits, Rule, accuracy_of, digits, float_accuracy_of

HELD_OUT = 360
RATES = (0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16, 0.24, 0.32, 0.48, 0.64, 0.96)
HEADROOMS, TAUS = (2.0, 4.0, 8.0), (1 / 32, 1 / 16, 1 / 8)


def held_out(seed: int) -> Digits:
    """The samples to learn, the last of them to judge by."""
    of = digits(seed)
    return Digits(of.x[:-HELD_OUT], of.y[:-HELD_OUT], of.x[-HELD_OUT:], of.y[-HELD_OUT:])


def _mean(share: Callable[[Digits, int], float]) -> str:
    return f"{100 * np.mean([share(held_out(seed), seed) for seed in SEEDS]):.2f}"


def _float_share(rate: float, of: Digits, seed: int) -> float:
    return float_accuracy_of(rate, of, seed, 0.0)


def main() -> None:
    table = Table(title=f"% of {HELD_OUT} held out, {len(SEEDS)} seeds, by rate")
    for name in ("rule", "headroom", "threshold", *map(str, RATES)):
        table.add_column(name, justify="right")
    for feedback, headroom, tau in itertools.product(("live", "last"), HEADROOMS, TAUS):
        rules = [Rule(feedback, rate, headroom, tau) for rate in RATES]
        cells = [_mean(functools.partial(accuracy_of, rule)) for rule in rules]
        table.add_row(feedback, str(headroom), str(tau), *cells)
    cells = [_mean(functools.partial(_float_share, rate)) for rate in RATES]
    table.add_row("float back-propagation", "", "0", *cells)
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
