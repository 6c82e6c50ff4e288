"""The committed figures, and what has changed since."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import Figures, compiler, measure_all

FOLDER = Path(__file__).resolve().parent
TOLERANCE = 0.01


@dataclass(frozen=True)
class Result:
    """figures: of each board."""

    compiler: str
    figures: dict[str, Figures]


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


def measure() -> Result:
    return Result(compiler(), measure_all())


def comparable(before: Result | None, now: Result) -> bool:
    """Figures of different compilers say nothing about the sources."""
    return before is not None and before.compiler == now.compiler


def compare(before: Result | None, now: Result) -> list[Change]:
    """Every figure off by more than TOLERANCE, in the order of `now`, then those that are gone."""
    if before is None or not comparable(before, now):
        return []
    a, b = _flat(before), _flat(now)
    return [Change(*key, a.get(key), b.get(key)) for key in {**b, **a} if _differ(a.get(key), b.get(key))]


def _flat(result: Result) -> dict[tuple[str, str], int]:
    return {(board, name): value for board, figures in result.figures.items() for name, value in figures.items()}


def _differ(before: int | None, now: int | None) -> bool:
    if before is None or now is None:
        return True
    return abs(now - before) > TOLERANCE * before


def load(folder: Path = FOLDER) -> Result | None:
    """None if nothing was committed."""
    path = folder / "results.json"
    if not path.is_file():
        return None
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return Result(content["compiler"], content["figures"])


def save(result: Result, markdown: str, folder: Path = FOLDER) -> None:
    content = {"compiler": result.compiler, "figures": result.figures}
    (folder / "results.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    (folder / "results.md").write_text(markdown, encoding="utf-8")
