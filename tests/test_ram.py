"""RAM of digits: what a user reads in the tables and the JSON, measured on the smallest board while it learns."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.bundle import model_dir
from sdfa.start.demo import changed_digits
from tests.clikit import Cli, done

LIMIT = 8 * 1024
BOARD = "qemu:microbit"


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytools: Cli) -> Path:
    """digits exported as model.toml says, samples of a mirrored sensor to learn from, others to score on."""
    monkeypatch.chdir(tmp_path)
    done(pytools("export", model_dir("digits") / "model.tflite", "-o", "digits"))
    for name, samples in zip(("learn", "unseen"), changed_digits("mirror"), strict=True):
        np.savez(f"{name}.npz", x=samples.x, y=samples.y)
    return tmp_path


def _learn(pytools: Cli, target: str) -> tuple[dict[str, Any], str, bytes]:
    """(JSON, what was printed, the learned image)."""
    image = ("learn", "digits/digits.sdfa", "--data", "learn.npz", "--eval-data", "unseen.npz", "--epochs", 2)
    ran = done(pytools(*image, "--target", target, "-o", "l.sdfa", "--json", "r.json"))
    return json.loads(Path("r.json").read_text()), ran.out, Path("l.sdfa").read_bytes()


def _ram_line(ram: dict[str, int]) -> str:
    parts = f"arena {ram['arena']:,} + weights {ram['tail']:,} + state {ram['state']:,}"
    return f"RAM: {parts} + measured stack {ram['stack']:,} = {ram['total']:,} bytes\n"


@pytest.mark.qemu
def test_digits_learn_in_8_kb_on_the_smallest_board(work: Path, pytools: Cli) -> None:
    found, out, image = _learn(pytools, BOARD)
    ram = found["ram"]
    report = json.loads((work / "digits" / "digits.json").read_text())["ram"]
    assert {key: ram[key] for key in ("arena", "tail", "state")} == {
        key: report[key] for key in ("arena", "tail", "state")
    }
    assert ram["stack"] > 200
    assert ram["total"] == ram["arena"] + ram["tail"] + ram["state"] + ram["stack"] < LIMIT
    assert _ram_line(ram) in out
    host, _, host_image = _learn(pytools, "host")
    assert found["accuracy_after"] == host["accuracy_after"] > host["accuracy_before"] + 0.3
    assert found["curve"] == host["curve"]
    assert image == host_image


@pytest.mark.qemu
def test_check_says_it_too(work: Path, pytools: Cli) -> None:
    ran = done(pytools("check", "digits/digits.sdfa", "--target", BOARD, "--data", "learn.npz", "--json", "r.json"))
    found = json.loads((work / "r.json").read_text())
    assert found["mismatching_bytes"] == 0
    assert found["ram"]["stack"] > 200
    assert found["ram"]["total"] < LIMIT
    assert _ram_line(found["ram"]) in ran.out


def test_the_host_cannot_measure_its_stack_and_says_so(work: Path, pytools: Cli) -> None:
    found, out, _ = _learn(pytools, "host")
    ram = found["ram"]
    assert ram["stack"] is None
    assert ram["total"] == ram["arena"] + ram["tail"] + ram["state"]
    assert f"= {ram['total']:,} bytes (stack not measured)\n" in out


def test_where_nothing_learns_no_weights_are_in_ram(work: Path, pytools: Cli) -> None:
    done(pytools("export", model_dir("digits") / "model.tflite", "-o", "frozen", "--train-last", 0))
    ran = done(pytools("check", "frozen/digits.sdfa", "--json", "r.json"))
    ram = json.loads((work / "r.json").read_text())["ram"]
    assert ram["tail"] == 0
    assert ran.out.startswith(f"RAM: arena {ram['arena']:,} + state {ram['state']:,} = ")
