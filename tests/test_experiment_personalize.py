"""`pytools experiment personalize`, from the command line to the page."""

from __future__ import annotations

import csv
import html
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.experiment.people import POOL, TEST, folds_of
from sdfa.experiment.protocol import Cell, Choice, Settings, choose
from sdfa.experiment.rules import RULES, find_rules
from sdfa.experiment.sets import SETS, load_set
from sdfa.experiment.summary import below_start
from tests.clikit import Cli, done, one_line, tree

RULES_OF_THE_TEST = "none,last,aligned k=1,float bp"
CUT_INSIDE_RECORDINGS = ("sisfall_har", "wisdm_v11_features")  # by time, as their protocol says
QUICK = ("--quick", "--seeds", "1", "--rules", RULES_OF_THE_TEST)
DIGITS = ("experiment", "personalize", "digits", "--people", "shift,mirror", *QUICK)


def own_csv(path: Path, people: int = 4) -> Path:
    """Three classes around centres that each person moves a little."""
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((3, 6)) * 2
    lines = [",".join([*(f"f{i}" for i in range(6)), "label", "person"])]
    for p in range(people):
        moved = centres + rng.standard_normal(6)
        for i in range(60):
            values = moved[i % 3] + 0.7 * rng.standard_normal(6)
            lines.append(",".join([*(f"{v:.4f}" for v in values), "abc"[i % 3], f"person{p}"]))
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("experiment") / "digits"
    command = [sys.executable, "-m", "sdfa.cli", *DIGITS, "-o", str(out), "--json", "-"]
    ran = subprocess.run(command, check=True, capture_output=True, text=True)
    assert ran.stderr == ""
    return out, json.loads(ran.stdout)


def test_a_quick_run_learns(digits: tuple[Path, dict[str, Any]]) -> None:
    _, result = digits
    rows = result["k"]["5"]["rules"]
    assert list(rows) == RULES_OF_THE_TEST.split(",")
    assert rows["none"]["before"] == rows["none"]["after"]
    assert rows["none"]["forgetting"] == rows["none"]["updated"] == 0
    for name in ("last", "aligned k=1", "float bp"):
        assert rows[name]["after"] > rows["none"]["after"] + 0.2
        assert rows[name]["worst"] == min(rows[name]["by_person"].values())
        assert set(rows[name]["by_person"]) == {"shift", "mirror"}
    difference = rows["last"]["minus"]["float bp"]
    assert difference["mean"] == pytest.approx(rows["last"]["after"] - rows["float bp"]["after"])
    assert (difference["over"], difference["n"]) == ("people", 2)


def test_the_files_say_the_same(digits: tuple[Path, dict[str, Any]]) -> None:
    out, result = digits
    assert json.loads((out / "results.json").read_text()) == result
    with (out / "cells.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 4
    mine = [float(r["after"]) for r in rows if r["rule"] == "last"]
    assert np.mean(mine) == pytest.approx(result["k"]["5"]["rules"]["last"]["after"])
    fragment = (out / "results.md").read_text()
    assert all(f"| {name} | " in fragment for name in RULES_OF_THE_TEST.split(","))
    assert (out / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_holds_the_numbers_and_nothing_from_outside(digits: tuple[Path, dict[str, Any]]) -> None:
    out, result = digits
    page = (out / "report.html").read_text()
    for row in result["k"]["5"]["rules"].values():
        assert f"<td>{100 * row['after']:.1f}</td>" in page
    (raw,) = re.findall(r"<pre>(.*?)</pre>", page, re.DOTALL)
    assert json.loads(html.unescape(raw)) == result
    assert re.findall(r'(?:src|href)="(?!data:)', page) == []


def test_a_gate_is_a_rule_of_its_own(digits: tuple[Path, dict[str, Any]], tmp_path: Path, pytools: Cli) -> None:
    command = ("experiment", "personalize", "digits", "--people", "mirror", "--quick", "--seeds", "1", "--gate")
    done(pytools(*command, "--rules", "none,last", "-o", tmp_path / "out"))
    result, page = (json.loads((tmp_path / "out/results.json").read_text()), (tmp_path / "out/results.md").read_text())
    rows = result["k"]["5"]["rules"]
    assert list(rows) == ["none", "last", "last, gate", "last, gate, then all"]
    assert rows["last"]["by_person"]["mirror"] == digits[1]["k"]["5"]["rules"]["last"]["by_person"]["mirror"]
    assert rows["last, gate"]["refused"] == rows["last, gate, then all"]["refused"] == 0
    assert rows["last, gate"]["after"] > rows["none"]["after"]
    assert "10 samples can promise" in page
    gate = result["k"]["5"]["gates"]["last, gate"]
    assert gate["losses"] == []
    assert rows["last, gate"]["after"] >= gate["stricter"]["1"]["after"] >= gate["stricter"]["2"]["after"]
    assert (
        "*last, gate*: of 1 runs none end below their start. A gate that wants 1 / 2 more right than before would"
        in page
    )
    assert "| last, gate | " in page


def test_a_second_run_has_nothing_to_do(digits: tuple[Path, dict[str, Any]], pytools: Cli) -> None:
    out, result = digits
    before = tree(out)
    again = json.loads(done(pytools(*DIGITS, "-o", out, "--json", "-")).out)
    assert again == result
    assert tree(out) == before
    assert "another experiment" in one_line(pytools(*DIGITS, "--decay", "-o", out))


def test_it_goes_on_after_a_kill(digits: tuple[Path, dict[str, Any]], tmp_path: Path, pytools: Cli) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-m", "sdfa.cli", *DIGITS, "-o", str(out)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    journal = out / "cells.jsonl"
    for _ in range(3000):
        if journal.is_file() and journal.read_bytes().count(b"\n") >= 3:
            break
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=30)
    kept = journal.read_bytes().count(b"\n")
    assert 3 <= kept < len((digits[0] / "cells.jsonl").read_text().splitlines())
    result = json.loads(done(pytools(*DIGITS, "-o", out, "--json", "-")).out)
    assert result == digits[1]
    assert len(journal.read_text().splitlines()) == len((digits[0] / "cells.jsonl").read_text().splitlines())


def test_processes_give_the_same(digits: tuple[Path, dict[str, Any]], tmp_path: Path, pytools: Cli) -> None:
    result = json.loads(done(pytools(*DIGITS, "--jobs", "2", "-o", tmp_path / "two", "--json", "-")).out)
    assert result == digits[1]


def test_ones_own_csv_in_one_command(tmp_path: Path, pytools: Cli) -> None:
    path = own_csv(tmp_path / "mine.csv")
    ran = done(pytools("experiment", "personalize", path, *QUICK, "-o", tmp_path / "out"))
    assert "4 new people (person0, person1, person2, person3)" in " ".join(ran.out.split())
    assert max(map(len, ran.out.splitlines()[:-1])) <= 80
    rows = json.loads((tmp_path / "out" / "results.json").read_text())["k"]["5"]["rules"]
    assert rows["aligned k=1"]["after"] > rows["none"]["after"]
    assert set(rows["last"]["chosen"]) == {"person0", "person1", "person2", "person3"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("nothing",), "no data set 'nothing'"),
        (("mine.csv", "--change", "x"), "--change is for the named sets"),
        (("digits", "--change", "x"), "digits has no change 'x'"),
        (("digits", "--rules", "magic"), "unknown rule 'magic'"),
        (("digits", "--people", "ann"), "no new person 'ann'"),
        (("digits", "--samples", "0"), "--samples '0'"),
        (("digits", "--samples", "1,5", "--gate"), "--samples needs at least 2"),
        (("digits", "--rules", "none,float bp", "--gate"), "add live k=2 to --rules"),
        (("digits", "--target", "moon"), "unknown target 'moon'"),
        (("fsdd",), "set SDFA_DATA"),
        (("none.csv",), "No such file"),
        (("bad.npz",), "bad.npz"),
    ],
)
def test_refusals_are_one_line(
    args: tuple[str, ...], message: str, pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SDFA_DATA", raising=False)
    own_csv(tmp_path / "mine.csv")
    (tmp_path / "bad.npz").write_bytes(b"PK")
    before = tree(tmp_path)
    assert message in one_line(pytools("experiment", "personalize", *args, "-o", "out"))
    assert tree(tmp_path) == before


def test_a_damaged_set_is_one_line(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDFA_DATA", str(tmp_path))
    command = ("experiment", "personalize", "fsdd", "-o", tmp_path / "out")
    assert "fetch" in one_line(pytools(*command))
    np.savez(tmp_path / "fsdd.npz", y=np.zeros(3))
    assert "has no array 'logmel'" in one_line(pytools(*command))
    (tmp_path / "fsdd.npz").write_bytes(b"PK")
    assert "cannot be read" in one_line(pytools(*command))


def test_the_best_look_is_chosen_and_edges_are_told() -> None:
    """Two cells of two rates each, looked at after 1 and 3 epochs; the mean decides."""
    settings = Settings(epochs=(1, 3))
    rule = RULES["last"]
    cells = [Cell("tune", "all.0", "a", 5, s, "last", rate, 3) for s in (1, 2) for rate in (0.016, 0.128)]
    scores = {
        (1, 0.016): [0.2, 0.5, 0.6],
        (2, 0.016): [0.2, 0.5, 0.8],
        (1, 0.128): [0.2, 0.9, 0.1],
        (2, 0.128): [0.2, 0.3, 0.1],
    }
    table = {cell.key: {"test": scores[cell.seed, cell.rate]} for cell in cells}
    assert choose(rule, cells, table, settings) == Choice(0.016, 3, (0.6 + 0.8) / 2, "most epochs")
    for cell in cells:
        if cell.rate == 0.128:
            table[cell.key]["test"] = [0.2, 0.9, 0.1]
    assert choose(rule, cells, table, settings) == Choice(0.128, 1, 0.9, "highest rate")


def test_people_below_their_start() -> None:
    before = {("a", 1): 0.5, ("a", 2): 0.5, ("b", 1): 0.5, ("b", 2): 0.5}
    after = {("a", 1): 0.4, ("a", 2): 0.6, ("b", 1): 0.5, ("b", 2): 0.3}
    assert below_start(before, after) == 1.0


def test_rules_keep_their_order() -> None:
    assert [r.name for r in find_rules("bp, none")] == ["none", "bp"]


def test_help_has_an_example(pytools: Cli) -> None:
    out = done(pytools("experiment", "personalize", "--help")).out
    assert "Example: pytools experiment personalize digits --quick" in " ".join(out.split())
    assert max(map(len, out.splitlines())) <= 80
    assert "personalize" in done(pytools("experiment", "--help")).out


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "change", "features", "new"),
    [
        ("myo_emg", "turned", 40, 12), ("sisfall_har", "turned", 77, 9), ("fsdd", "none", 240, 6),
        ("gas_drift", "none", 128, 4), ("wisdm_v11_features", "none", 43, 5), ("cifar10_small", "mirror", 3072, 1),
    ],
)  # fmt: skip
def test_public_sets(
    name: str, change: str, features: int, new: int, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDFA_DATA", str(shared / "data"))
    people = load_set(name, change)
    assert people.x.shape == people.changed.shape == (len(people.y), features)
    assert np.isfinite(people.x).all()
    assert len(people.new) >= new
    for fold in folds_of(people).values():
        for person in fold.new:
            pool, test = people.rows((person,), POOL), people.rows((person,), TEST)
            assert len(pool)
            assert len(test)
            mixed = set(people.recording[pool]) & set(people.recording[test])
            assert not mixed or name in CUT_INSIDE_RECORDINGS


def test_help_names_every_set(pytools: Cli) -> None:
    out = done(pytools("experiment", "personalize", "--help")).out
    assert all(name in out for name in SETS)
