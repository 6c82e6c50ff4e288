"""The results page: made of its parts, in order, with links that hold; what cannot run keeps its part."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sdfa.errors import SdfaError
from sdfa.experiment.collect import RUNS, chosen_runs, keep_parts, page_of
from sdfa.experiment.paper import Question
from tests.clikit import Cli, done, one_line

ROOT = Path(__file__).parent.parent
SMALL = Question("digits", (64, 32, 10), 1, (0.02,), seeds=1, rules=("aligned k=2", "bp"), angles=False)


def _part(folder: Path, name: str, text: str) -> None:
    (folder / "results" / name).mkdir(parents=True)
    (folder / "results" / name / "results.md").write_text(text)


def test_parts_stand_in_their_chapters(tmp_path: Path) -> None:
    for name in ("paper-mnist", "people", "paper-digits", "scratch-digits"):
        _part(tmp_path, name, f"### {name}\n\n![p](p.png) [a](https://a.b/c) [d](#d)\n")
    page = page_of(tmp_path)
    heads = re.findall(r"^#+ .*", page, re.MULTILINE)
    assert heads == [
        "# Results", "## Learning from scratch, in integers", "### scratch-digits", "## The sparse-DFA paper's claims",
        "### paper-digits", "### paper-mnist", "## People", "### people",
    ]  # fmt: skip
    assert "![p](results/paper-mnist/p.png) [a](https://a.b/c) [d](#d)" in page


def test_only_results_are_kept(tmp_path: Path) -> None:
    work, folder = tmp_path / "work", tmp_path / "kept"
    work.mkdir()
    folder.mkdir()
    (folder / "old.png").write_text("")
    names = ("results.md", "results.json", "a.png", "a.csv", "cells.jsonl", "experiment.json")
    for name in names:
        (work / name).write_text(name)
    keep_parts(work, folder)
    assert {p.name for p in folder.iterdir()} == set(names[:4])


def test_which_experiments_run() -> None:
    assert chosen_runs([], quick=False) == list(RUNS)
    assert {run.data for run in chosen_runs([], quick=True)} == {""}
    assert [run.name for run in chosen_runs(["paper-mnist", "costs"], quick=False)] == ["paper-mnist", "costs"]
    with pytest.raises(SdfaError, match="unknown experiment 'magic'; there is people-myo"):
        chosen_runs(["magic"], quick=False)


def test_the_command_puts_it_together(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SDFA_DATA", raising=False)
    _part(tmp_path / "out", "scratch-mnist", "### what was measured elsewhere\n")
    command = ("experiment", "results", "-o", "out", "--only", "scratch-digits,scratch-mnist")
    monkeypatch.setattr("sdfa.experiment.scratch_report.QUESTIONS", {"digits": SMALL})
    ran = pytools(*command)
    assert ran.code == 0, ran.err
    assert "scratch-mnist: skipped, there is no mnist.npz in SDFA_DATA" in ran.out
    page = (tmp_path / "out" / "results.md").read_text()
    assert "### From scratch: digits, 64-32-10, 1 epochs" in page
    assert page.endswith("### what was measured elsewhere\n")


def test_what_is_refused(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "unknown experiment 'magic'" in one_line(pytools("experiment", "results", "-o", "out", "--only", "magic"))


def test_help_has_an_example(pytools: Cli) -> None:
    for command in ("paper", "scratch", "convs", "costs", "results"):
        assert f"Example: pytools experiment {command} " in done(pytools("experiment", command, "--help")).out


def test_the_page_in_the_repository_is_made_of_its_parts() -> None:
    """Nobody wrote on it by hand, and every link holds."""
    page = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    assert page == page_of(ROOT / "docs")
    links = re.findall(r"\]\((results/[^)]+)\)", page)
    assert links
    assert all((ROOT / "docs" / link).is_file() for link in links)
