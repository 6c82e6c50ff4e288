"""One operation, or one whole model, at a time: python -m tests.bench.kernels [--board B ...] [--row NAME ...]

Instructions of sdfa_run per MAC beside CMSIS-NN's figures and the targets of anchors.py. "!" marks a miss.
"""

from __future__ import annotations

import argparse
import sys

from rich.console import Console

from sdfa.errors import SdfaError
from tests.bench.report import singles_table
from tests.bench.singles import (
    BOARDS,
    ROWS,
    SINGLES,
    Figures,
    absent_models,
    export_row,
    present_models,
    single_figures,
)


def _asked(patterns: list[str]) -> list[str]:
    """Rows whose name holds one of the patterns. SdfaError if there is none."""
    every = [*ROWS, *present_models()]
    names = [name for name in every if not patterns or any(pattern in name for pattern in patterns)]
    if not names:
        raise SdfaError(f"no such row; there is {', '.join(every)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.kernels", description=__doc__)
    parser.add_argument("--board", nargs="+", choices=BOARDS, default=SINGLES)
    parser.add_argument("--row", nargs="+", default=[], help="part of a row's name: dense, 'conv 1x1', kws ...")
    arguments = parser.parse_args()
    figures: dict[str, Figures] = {board: {} for board in arguments.board}
    for name in _asked(arguments.row):
        export = export_row(name)
        for board in arguments.board:
            figures[board] |= single_figures(board, name, export)
    Console(width=max(120, 30 + 28 * len(arguments.board))).print(singles_table(figures))
    if absent_models():
        print(f"not measured, their folder is absent (SDFA_SHARED): {', '.join(absent_models())}")


if __name__ == "__main__":
    try:
        main()
    except SdfaError as error:
        sys.exit(f"kernels: {error}")
