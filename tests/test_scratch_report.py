"""`pytools experiment scratch`: the table, and who is ahead."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdfa.experiment.scratch_report import OTHERS, as_markdown
from tests.clikit import Cli, done


def test_the_command(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done(pytools("experiment", "scratch", "--quick", "--rules", "aligned k=2,bp", "--samples", "600", "-o", "out"))
    result = json.loads((tmp_path / "out" / "results.json").read_text())
    assert list(result["accuracy"]) == ["float32 every error", "float32", "int8", "int16"]
    ours = result["ours"]
    assert (ours["rule"], ours["arithmetic"]) == ("aligned k=2", "int16")
    assert ours["accuracy"] == result["accuracy"]["int16"]["aligned k=2"]["mean"] > 0.8
    page = (tmp_path / "out" / "results.md").read_text()
    assert f"aligned k=2, the default, in int16: {100 * ours['accuracy']:.2f} %" in page
    assert (tmp_path / "out" / "accuracy.csv").is_file()


@pytest.mark.parametrize(("ours", "verdict"), [(0.97, "0.50 points ahead"), (0.96, "0.50 points behind")])
def test_who_is_ahead(ours: float, verdict: str) -> None:
    row = {"mean": ours, "deviation": 0.0, "rate": 0.1, "seeds": [ours]}
    settings = {
        "data": "x",
        "sizes": [4, 3],
        "epochs": 1,
        "seeds": 1,
        "tau": 0.0,
        "batch": 1,
        "end": 0.1,
        "rates": [0.1],
    }
    said = {"accuracy": ours, "arithmetic": "int8", "rule": "k=1"}
    result = {"settings": settings, "accuracy": {"int8": {"k=1": row}}, "ours": said, "others": {"them": 0.965}}
    assert f"- them: 96.50 %; we are {verdict}." in as_markdown(result)


def test_others_are_shares() -> None:
    assert all(0.8 < value < 1 for rows in OTHERS.values() for value in rows.values())
