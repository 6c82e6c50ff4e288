"""Runs the command line in this process and looks at everything that it left behind."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sdfa import cli
from sdfa.bundle import model_dir

MODEL = model_dir("digits") / "model.tflite"
_RNG = np.random.default_rng(1)
X = _RNG.random((20, 8, 8, 1), np.float32)
Y = _RNG.integers(0, 10, 20)

# in the folder of the fixture `work`
IMAGE = "digits/digits.sdfa"
LEARN = ("learn", IMAGE, "--data", "ok.npz", "-o", "new.sdfa")
EXPORT = ("export", "model.tflite", "-o", "new")
REST: dict[str, tuple[str, ...]] = {
    "run": ("--inputs", "x.npy", "-o", "y.npy"),
    "learn": ("--data", "ok.npz", "-o", "new.sdfa"),
    "check": (),
    "inspect": (),
    "merge": ("model.tflite", "-o", "new.tflite"),
}
"""What a command needs beside an image."""


@dataclass(frozen=True)
class Ran:
    """code: of the exit. out, err: what was printed."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ran]


def runner(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """A function that runs `pytools` with these arguments."""

    def run(*args: object) -> Ran:
        monkeypatch.setattr(sys, "argv", ["pytools", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        found = capsys.readouterr()
        return Ran(exit_info.value.code if isinstance(exit_info.value.code, int) else 1, found.out, found.err)

    return run


def done(ran: Ran) -> Ran:
    """The same, of a command that must have worked."""
    assert ran.code == 0, ran.err
    assert ran.err == ""
    return ran


def one_line(ran: Ran) -> str:
    """The error of a command that must have been refused: one line, nothing else."""
    assert ran.code != 0
    assert ran.out == ""
    assert ran.err.startswith("pytools: ")
    assert ran.err.endswith("\n")
    assert ran.err.count("\n") == 1
    return ran.err


def tree(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, and every folder as an empty one."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }
