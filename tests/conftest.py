"""Fixtures that every test file may use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sdfa.exporter.export import Options, export_file, write_files
from tests.clikit import MODEL, Cli, X, Y, one_line, runner, tree

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party models and data sets: SDFA_SHARED, else beside the checkout."""
    folder = Path(os.environ.get("SDFA_SHARED") or REPO.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: set SDFA_SHARED to the folder of third-party models")
    return folder


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image, samples and inputs, made once."""
    folder = tmp_path_factory.mktemp("made")
    write_files(export_file(MODEL, "digits", Options(train_last=3)), folder / "digits")
    write_files(export_file(MODEL, "frozen", Options(train_last=0)), folder / "frozen")
    np.savez(folder / "ok.npz", x=X, y=Y)
    np.save(folder / "x.npy", X)
    shutil.copyfile(MODEL, folder / "model.tflite")
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    folder = tmp_path / "work"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def pytools(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return runner(capsys, monkeypatch)


@pytest.fixture
def refused(pytools: Cli, work: Path) -> Callable[..., str]:
    """Runs commands that must be refused without a trace; returns the line."""

    def run(*args: object) -> str:
        before = tree(work)
        line = one_line(pytools(*args))
        assert tree(work) == before
        return line

    return run
