"""`pytools experiment costs`: what is counted, and what an emulated board measures."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clikit import Cli, done, one_line


def test_counts_without_a_board(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = done(pytools("experiment", "costs", "-o", "out")).out
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert "measured" not in result
    words = {rule: row["words"] for rule, row in result["counted"]["784-400-10"].items()}
    assert words == {"bp": 8400, "dense": 8400, "live k=2": 12430, "sparse k=2": 2400, "sparse k=1": 1400, "last": 0}
    said = " ".join(out.split())
    assert "383 times fewer words" in said
    assert "784-400-10: 12,430 words at most, back-propagation 8,400, frozen tables (k = 2) 2,400" in said
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"results.json", "results.md", "words.png"}


@pytest.mark.qemu
def test_a_board_measures_steps(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The threshold saves instructions. A rule may take 1 % more by chance, as it learns something else with it."""
    monkeypatch.chdir(tmp_path)
    done(pytools("experiment", "costs", "--quick", "--target", "qemu:mps2-an386", "-o", "out"))
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["measured"]["rules"]
    learn = {rule: row["0"]["learn"] for rule, row in rows.items()}
    assert learn["last"] < learn["random k=1"] < learn["dense"] < learn["bp"]
    with_threshold = {rule: row["0.03125"]["learn"] for rule, row in rows.items()}
    assert sum(with_threshold.values()) < sum(learn.values())
    assert all(with_threshold[rule] < 1.01 * learn[rule] for rule in learn)


def test_a_target_that_cannot_count(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "host" in one_line(pytools("experiment", "costs", "--target", "host", "-o", "out"))
