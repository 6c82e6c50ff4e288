"""Figures as a table: for the terminal and as Markdown."""

from __future__ import annotations

from rich.table import Table

from sdfa.targets.machines import MACHINES
from tests.bench.baseline import Change, Result, comparable
from tests.bench.figures import RULE, SENSOR, STEPS, Figures

UPDATE = "make bench ARGS=--update"
TITLE = f"digits, sensor changed by {SENSOR}, {RULE}: means over {STEPS} samples"
CAVEAT = (
    "QEMU counts executed instructions, not cycles: real silicon takes longer. A step is sdfa_run and sdfa_learn; "
    "stack is that of the runtime's functions alone; code is .text, .rodata and .data of a program without start-up "
    "code, the model's image not counted."
)


def _names(figures: dict[str, Figures]) -> list[str]:
    return list(dict.fromkeys(name for column in figures.values() for name in column))


def _rows(result: Result) -> list[list[str]]:
    columns = result.figures.values()
    return [[name, *(f"{c[name]:,}" if name in c else "" for c in columns)] for name in _names(result.figures)]


def table(result: Result) -> Table:
    shown = Table(title=TITLE, caption=f"{CAVEAT} {result.compiler}")
    shown.add_column("")
    for board in result.figures:
        shown.add_column(f"{MACHINES[board].core}\n{board}", justify="right")
    for row in _rows(result):
        shown.add_row(*row)
    return shown


def markdown(result: Result) -> str:
    heads = ["", *(f"{MACHINES[board].core} ({board})" for board in result.figures)]
    lines = [heads, ["---", *["---:"] * len(result.figures)], *_rows(result)]
    rows = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"""Made by `{UPDATE}`. Do not edit.

{TITLE}, by {result.compiler}.

{rows}

{CAVEAT}
"""


def verdict(before: Result | None, now: Result, changes: list[Change]) -> list[str]:
    """What to do about the baseline; empty if nothing."""
    if before is None:
        return [f"there is no baseline: {UPDATE}"]
    if not comparable(before, now):
        return [f"nothing compared: the baseline was measured with {before.compiler}, this is {now.compiler}"]
    if not changes:
        return []
    return [*map(str, changes), f"off by more than 1 %: update the baseline in the same change: {UPDATE}"]
