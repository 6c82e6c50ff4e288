"""`pytools experiment convs`: what the paper says about convolutions, on digits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.clikit import Cli, done, one_line


def test_claims_on_digits(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done(pytools("experiment", "convs", "--quick", "-o", "out"))
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    rows = {(row["claim"], row["rule"]): row["mean"] for row in result["rules"]}
    deep = {rule: value for (claim, rule), value in rows.items() if claim == 1}
    assert deep["sparse feedback, k = 2, to all layers"] < deep["back-propagation"] - 0.1, deep
    page = (tmp_path / "out" / "results.md").read_text()
    assert all(f"| {row['rule']} | {100 * row['mean']:.1f} |" in page for row in result["rules"])
    before = (tmp_path / "out" / "cells.jsonl").read_bytes()
    done(pytools("experiment", "convs", "--quick", "-o", "out"))
    assert (tmp_path / "out" / "cells.jsonl").read_bytes() == before


def test_what_is_refused(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "unknown data set 'letters'" in one_line(pytools("experiment", "convs", "--data", "letters", "-o", "out"))
