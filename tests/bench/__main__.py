"""python -m tests.bench [--update]: exit code 1 when a figure grew by more than 1 %."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from rich.console import Console

from sdfa.errors import SdfaError
from tests.bench.baseline import FOLDER, compare, load, measure, save, with_absent
from tests.bench.report import markdown, notes, tables, verdict

WIDTH = 200


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """folder: of the baseline."""
    parser = argparse.ArgumentParser("python -m tests.bench", description="Measure and compare with the baseline.")
    parser.add_argument("--update", action="store_true", help="make these figures the baseline")
    update = parser.parse_args(arguments).update
    now, before = measure(), load(folder)
    console = Console(width=max(Console().width, WIDTH))
    for table in tables(now):
        console.print(table)
    changes = compare(before, now)
    for line in (*notes(before, now), *(map(str, changes) if update else verdict(before, changes))):
        console.print(line, highlight=False, soft_wrap=True)
    if update:
        whole = with_absent(before, now)
        save(whole, markdown(whole), folder)
        console.print("baseline updated")
        return 0
    return int(any(change.grew for change in changes))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SdfaError as error:
        sys.exit(f"bench: {error}")
