"""`pytools experiment paper`: resumable, reproducible, and what the paper says about digits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sdfa.errors import SdfaError
from sdfa.experiment.engine import Journal
from sdfa.experiment.paper import QUESTIONS, Findings, explore
from sdfa.experiment.paper_report import rate_said
from tests.clikit import Cli, done, one_line


def _track(what: str, steps: int) -> Any:
    return lambda: None


QUESTION = QUESTIONS["digits"].quick()


@pytest.fixture(scope="module")
def findings(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Findings]:
    folder = tmp_path_factory.mktemp("paper") / "out"
    return folder, explore(QUESTION, Journal(folder, QUESTION.described()), 1, _track)


def test_claims_on_digits(findings: tuple[Path, Findings]) -> None:
    """One error per neuron teaches hidden layers, rank 1 is bad, and steps turn towards the gradient."""
    _, found = findings
    for name in ("float32", "int8"):
        score = {rule.name: found.last_epochs(name, rule.name)[0] for rule in QUESTION.chosen_rules()}
        assert score["k=1"] > score["last"] + 0.05, score
        assert score["k=2"] > score["rank=1"] + 0.03, score
        assert score["k=2"] > score["bp"] - 0.04, score
    angles = {rule: rows[0] for rule, rows in found.angles().items()}
    ours = angles.pop("aligned k=1")
    assert ours[0] < 1  # it is the gradient, at the start
    for rule, degrees in angles.items():
        assert degrees[0] > 80 > degrees[-1], rule
        assert ours[-1] < degrees[-1], rule


def test_a_run_goes_on_where_it_was_stopped(findings: tuple[Path, Findings], tmp_path: Path) -> None:
    """Half of the cells are taken away; what comes out is the same."""
    folder, found = findings
    lines = (folder / "cells.jsonl").read_text().splitlines()
    for name in ("experiment.json", "cells.jsonl"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "cells.jsonl").write_text("".join(f"{line}\n" for line in lines[: len(lines) - 3]))
    again = explore(QUESTION, Journal(tmp_path, QUESTION.described()), 1, _track)
    assert {c.key: again.done[c.key] for c in again.cells} == {c.key: found.done[c.key] for c in found.cells}


def test_the_command_writes_all_its_files(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    command = ("experiment", "paper", "--quick", "--rules", "last,k=1,dense,bp", "-o", "out")
    out = done(pytools(*command, "--json", "r.json")).out
    names = {path.name for path in (tmp_path / "out").iterdir()}
    pictures = {"digits-sparsity.png", "digits-angle.png"}
    assert names == pictures | {"accuracy.csv", "cells.jsonl", "experiment.json", "results.json", "results.md"}
    result = json.loads((tmp_path / "r.json").read_text())
    assert result == json.loads((tmp_path / "out" / "results.json").read_text())
    page = (tmp_path / "out" / "results.md").read_text()
    for rule, row in result["accuracy"]["int8"].items():
        assert f"{100 * row['mean']:.1f} | {row['rate']:g}" in page, rule
    assert all(f"![{name}]({name})" in page for name in pictures)
    assert len((tmp_path / "out" / "accuracy.csv").read_text().splitlines()) == 1 + 2 * 4
    assert done(pytools(*command)).out == out.replace("r.json", "")  # all cells are there already


def test_a_rate_at_the_edge_is_told() -> None:
    rates = (0.1, 0.2, 0.4)
    assert [rate_said(rate, rates) for rate in rates] == ["0.1 (lowest)", "0.2", "0.4 (highest)"]
    assert rate_said(0.1, (0.1,)) == "0.1"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("--data", "letters"), "unknown data set 'letters'; there is digits"),
        (("--rules", "k=3,magic"), "unknown rule 'magic'; there is last, k=1"),
        (("--arithmetic", "int8,int4"), "unknown arithmetic 'int4'; there is float32; float32 every error; int8"),
        (("--seeds", "0"), "--seeds"),
        (("--target", "mars"), "unknown target 'mars'"),
        (("-o", "file"), "file is a file, not a folder"),
    ],
)
def test_what_is_refused(
    pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    assert message in one_line(pytools("experiment", "paper", "-o", "out", *args))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_question_is_left_alone(tmp_path: Path) -> None:
    Journal(tmp_path, QUESTION.described())
    with pytest.raises(SdfaError, match="holds another experiment"):
        Journal(tmp_path, QUESTIONS["digits"].described())
