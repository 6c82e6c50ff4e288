"""What `--help` promises: every command of the program, found by walking it, has examples that run, and --json."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from rich.live import Live
from rich.text import Text

from sdfa import __version__
from sdfa.cli.base import app
from sdfa.data import change_sensor, load_digits
from tests.boardkit import ALL_PARTS, Running
from tests.clikit import MODEL, Cli, done

PORT = "/dev/ttyACM0"
"""What examples call the port of a board."""

PARSED_ONLY = {
    "quantize": "needs TensorFlow; tests/keras_models.py runs its example",
    "experiment fetch": "downloads from the owners of the data",
    "experiment results": "runs all other experiments",
    "experiment personalize": "takes a quarter of a minute; tests/test_experiment_personalize.py runs a smaller one",
    "experiment paper": "takes half a minute; tests/test_paper.py runs a smaller one",
    "experiment scratch": "takes half a minute; tests/test_scratch_report.py runs a smaller one",
    "experiment convs": "takes a quarter of a minute; tests/test_convs.py runs a smaller one",
    "device monitor": "watches until somebody stops it; tests/test_cli_device.py does",
    "experiment costs": "takes half a minute; tests/test_cost_report.py runs a smaller one",
}
"""Commands whose examples are parsed, not run, and why."""

QUICK = {"export", "init", "inspect", "merge", "new"}
"""Less than 2 seconds even for the largest public model; every other one that runs shows progress."""

QUICK_ON_DEVICE = {"ports", "info", "stats", "save", "load", "rollback", "reset", "selftest", "trace", "replay"}
"""One request to the device, or a few; what brings samples or images shows progress."""

ORDER = ("export", "init", "run", "learn", "inspect", "merge", "check", "bench", "demo", "doctor")
"""Examples read what others wrote: these first, the others behind them. Those of devices have a test of their own."""

ON_DEVICE = (
    "ports", "info", "selftest", "run", "evaluate", "learn", "stats", "trace", "replay", "save", "load", "rollback",
    "pull", "push", "reset",
)  # fmt: skip
"""In the order of a day with a device."""


def _walk(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, part in getattr(command, "commands", {}).items():
        here = (*path, name)
        yield from _walk(part, here) if hasattr(part, "commands") else [(" ".join(here), part)]


COMMANDS = dict(_walk(typer.main.get_command(app)))


def _examples(name: str) -> list[list[str]]:
    """The command lines in its help, without `pytools`."""
    found = re.findall(r"\[cyan\](.*?)\[/cyan\]", COMMANDS[name].callback.__doc__ or "", re.DOTALL)
    words = name.split()
    lines = [shlex.split(line)[1:] for line in found if line.startswith("pytools ")]
    return [line for line in lines if line[: len(words)] == words]


def test_the_walk_finds_what_is_there() -> None:
    assert {"export", "doctor", "experiment paper"} <= COMMANDS.keys()
    assert PARSED_ONLY.keys() <= COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example_and_json(pytools: Cli, name: str) -> None:
    out = done(pytools(*name.split(), "--help")).out
    assert f"Example: pytools {name}" in out
    assert max(map(len, out.splitlines())) <= 80
    assert any("--json" in option.opts for option in COMMANDS[name].params)
    assert all(option.help for option in COMMANDS[name].params if option.name != "help")


@pytest.mark.parametrize("name", COMMANDS)
def test_brackets_of_a_help_text_are_shown(name: str) -> None:
    """Where they are no style, they need a backslash."""
    for option in COMMANDS[name].params:
        text = Text.from_markup(option.help or "")
        assert {str(span.style) for span in text.spans} <= {"cyan", "bold", "dim"}, text


@pytest.mark.parametrize("name", COMMANDS)
def test_every_example_parses(name: str) -> None:
    assert _examples(name)
    for line in _examples(name):
        args = line[len(name.split()) :]
        assert COMMANDS[name].make_context(name, list(args)).params


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with all that the examples begin with."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(MODEL.parent, tmp_path / "models" / "digits")
    digits, old = load_digits()
    x, y = change_sensor(digits.x[:60], "mirror"), digits.y[:60]
    np.save("x.npy", x)
    np.savez("new.npz", x=x, y=y)
    np.savez("old.npz", x=old.x[:60], y=old.y[:60])
    np.savez("test.npz", x=x, y=y)
    np.savez("old_test.npz", x=old.x[60:120], y=old.y[60:120])
    return tmp_path


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets an entry when progress begins, which is for people who watch a terminal."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    found: list[str] = []
    start = Live.start

    def begin(live: Live, refresh: bool = False) -> None:
        found.append("bar")
        start(live, refresh)

    monkeypatch.setattr(Live, "start", begin)
    return found


def _run(pytools: Cli, line: list[str]) -> None:
    ran = pytools(*line)
    assert ran.code == 0, (line, ran.err)
    plain = re.sub(r"\x1b\[[\d;?]*\w", "", ran.out)
    assert max(map(len, plain.splitlines())) <= 80


@pytest.mark.qemu
def test_every_example_runs_and_shows_progress(pytools: Cli, place: Path, shown: list[str]) -> None:
    others = (n for n in COMMANDS if n not in ORDER and n not in PARSED_ONLY and not n.startswith("device "))
    for name in (*ORDER, *others):
        for line in _examples(name):
            elsewhere = f"serial:{PORT}" in line or any(word.endswith(".keras") for word in line)
            if not elsewhere:  # below, and in tests/keras_models.py
                shown.clear()
                _run(pytools, line)
                assert shown or name in QUICK, f"{name} shows no progress"
    for path in ("build/digits/digits.sdfa", "y.npy", "learned.sdfa", "learned.tflite", "report.html"):
        assert (place / path).stat().st_size


def test_every_example_runs_with_a_device(pytools: Cli, place: Path, shown: list[str]) -> None:
    """The device program on this computer stands for the board at PORT."""
    named = {name.removeprefix("device ") for name in COMMANDS if name.startswith("device ")}
    assert named == {*ON_DEVICE, "monitor"}
    _run(pytools, ["export", "models/digits/model.tflite", "-o", "build/digits"])
    shutil.copyfile("build/digits/digits.sdfa", "digits.sdfa")
    with Running("host", place / "build/digits/digits.c", place, ALL_PARTS) as board:

        def run(line: list[str]) -> None:
            here = [word.replace(PORT, board.url).replace("nucleo_f446re", "host") for word in line]
            _run(pytools, here)

        run(["device", "trace", "--port", PORT, "--start"])
        for name in ON_DEVICE:
            for line in _examples(f"device {name}"):
                shown.clear()
                run(line)
                assert shown or name in QUICK_ON_DEVICE, f"device {name} shows no progress"
        for line in (line for name in ORDER for line in _examples(name) if f"serial:{PORT}" in line):
            run(line)


def test_help_of_the_whole_and_version(pytools: Cli) -> None:
    out = done(pytools("--help")).out
    assert all(f" {name.split()[0]} " in out for name in COMMANDS)
    ran = pytools()
    assert (ran.code, ran.out.strip(), ran.err) == (2, out.strip(), "")
    assert done(pytools("--version")).out == f"{__version__}\n"
