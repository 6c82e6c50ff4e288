"""The committed figures, and what has changed since."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sdfa.targets.machines import MACHINES
from tests.bench.figures import compilers, measure_boards
from tests.bench.scratch import NAME as SCRATCH
from tests.bench.singles import ROWS, Figures, absent_models, present_models
from tests.bench.updates import NAME as UPDATES

FOLDER = Path(__file__).resolve().parent
TOLERANCE = 0.01


@dataclass(frozen=True)
class Result:
    """Of each board its compiler and its figures. absent: models that could not be measured on this machine."""

    compilers: dict[str, str]
    figures: dict[str, Figures]
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """A figure off by more than the tolerance. None: there is no such figure."""

    board: str
    figure: str
    before: int | None
    now: int | None

    @property
    def grew(self) -> bool:
        return self.before is not None and self.now is not None and self.now > self.before

    def __str__(self) -> str:
        if self.before is None or self.now is None:
            return f"{self.board}: {self.figure}: {'new' if self.before is None else 'gone'}"
        share = f" ({100 * (self.now - self.before) / self.before:+.1f} %)" if self.before else ""
        return f"{self.board}: {self.figure}: {self.before:,} -> {self.now:,}{share}"


def measure(boards: Sequence[str] = tuple(MACHINES), singles: Sequence[str] | None = None) -> Result:
    """singles: default: all kernels, all models that are there, learning from scratch and updates."""
    chosen = (*ROWS, *present_models(), SCRATCH, UPDATES) if singles is None else singles
    return Result(compilers(boards), measure_boards(boards, chosen), absent_models())


def part(whole: Result, of: Result) -> Result:
    """What `whole` says about the boards and the networks of `of`: to compare less than all with a baseline."""
    figures = {}
    for board, theirs in of.figures.items():
        networks = {_network(name) for name in theirs}
        mine = whole.figures.get(board, {})
        figures[board] = {name: value for name, value in mine.items() if _network(name) in networks}
    return replace(whole, figures=figures)


def _network(figure: str) -> str:
    """digits, inference: run, instructions -> digits, inference"""
    return figure.split(":")[0]


def incomparable(before: Result, now: Result) -> list[str]:
    """Boards in both whose compilers differ: that says nothing about the sources."""
    return [b for b, version in now.compilers.items() if before.compilers.get(b, version) != version]


def compare(before: Result | None, now: Result) -> list[Change]:
    """Every figure off by more than TOLERANCE, in the order of `now`, then those that are gone."""
    if before is None:
        return []
    other = incomparable(before, now)
    a, b = _flat(before, now.absent, other), _flat(now, now.absent, other)
    return [Change(*key, a.get(key), b.get(key)) for key in {**b, **a} if _differ(a.get(key), b.get(key))]


def _flat(result: Result, absent: tuple[str, ...], without: list[str]) -> dict[tuple[str, str], int]:
    return {
        (board, name): value
        for board, figures in result.figures.items()
        for name, value in figures.items()
        if board not in without and _network(name) not in absent
    }


def _differ(before: int | None, now: int | None) -> bool:
    if before is None or now is None:
        return True
    return abs(now - before) > TOLERANCE * before


def with_absent(before: Result | None, now: Result) -> Result:
    """`now`, and what the baseline says about models that are absent here."""
    if before is None:
        return now
    kept = {
        board: {name: value for name, value in before.figures.get(board, {}).items() if _network(name) in now.absent}
        for board in now.figures
    }
    return replace(now, figures={board: figures | kept[board] for board, figures in now.figures.items()})


def load(folder: Path = FOLDER) -> Result | None:
    """None if nothing was committed."""
    path = folder / "results.json"
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Result(content["compilers"], content["figures"])


def save(result: Result, markdown: str, folder: Path = FOLDER) -> None:
    content = {"compilers": result.compilers, "figures": result.figures}
    (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown, encoding="utf-8")
