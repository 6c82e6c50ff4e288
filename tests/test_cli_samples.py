"""Samples and inputs that `pytools learn`, `check`, `run` and `export` refuse."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clikit import EXPORT, IMAGE, LEARN, Cli, X, Y, done

BAD_SAMPLES: dict[str, tuple[Any, Any, str]] = {
    "shape": (X[:, :, :7], Y, "has the shape (20, 8, 7, 1), but the model takes (n, 8, 8, 1)"),
    "nan": (np.where(X > 0.9, np.nan, X), Y, "not finite"),
    "inf": (np.where(X > 0.9, np.inf, X), Y, "not finite"),
    "labels": (X, Y + 5, "labels are 0 ... 9"),
    "negative": (X, Y - 5, "labels are 0 ... 9"),
    "float labels": (X, Y.astype(float), "labels are integers"),
    "empty": (X[:0], Y[:0], "x is empty"),
    "lengths": (X, Y[:5], "must have the same length"),
    "objects": (X, Y.astype(object), "it holds Python objects"),
    "raw": ((16 * X).astype(np.uint8), Y, "may be raw or scaled"),
}


@pytest.mark.parametrize("kind", BAD_SAMPLES)
@pytest.mark.parametrize("option", ["--data", "--eval-data", "check"])
def test_bad_samples(refused: Any, tmp_path: Path, kind: str, option: str) -> None:
    x, y, message = BAD_SAMPLES[kind]
    path = tmp_path / "bad.npz"
    np.savez(path, x=x, y=y)
    command = {
        "check": ("check", IMAGE, "--data", path),
        "--data": ("learn", IMAGE, "-o", "new.sdfa", "--data", path),
        "--eval-data": (*LEARN, "--eval-data", path),
    }[option]
    assert message in refused(*command)


@pytest.mark.parametrize("path", ["x.npy", "model.tflite", "none.npz", "digits", "pickled.npz"])
def test_what_is_no_npz(tmp_path: Path, refused: Any, path: str) -> None:
    if path == "pickled.npz":
        (tmp_path / path).write_bytes(pickle.dumps({"x": X, "y": Y}))
        path = str(tmp_path / path)
    assert "np.savez" in refused("learn", IMAGE, "--data", path, "-o", "new.sdfa")
    assert "np.savez" in refused(*EXPORT, "--calib", path)


BAD_INPUTS: dict[str, tuple[Any, str]] = {
    "shape": (X[:, :4], "has the shape (20, 4, 8, 1), but the model takes (n, 8, 8, 1)"),
    "nan": (np.where(X > 0.9, np.nan, X), "not finite"),
    "empty": (X[:0], "x is empty"),
    "integers": ((X * 16).astype(np.int64), "may be raw or scaled"),
    "scalar": (np.float32(3), "has the shape ()"),
    "objects": (X.astype(object), "no .npy array of numbers"),
    "cut": (b"", "no .npy array of numbers, or damaged"),
    "cut zip": (b"PK\x03\x04cut", "no .npy array of numbers, or damaged"),
    "head": (b"\x93NUMPY\x01\x00v\x00" + b"\xff" * 118, "no .npy array of numbers, or damaged"),
    "pickled": (pickle.dumps([1]), "no .npy array of numbers"),
    "endless": (
        b"\x93NUMPY\x01\x00v\x00"
        + f"{{'descr':'<f4','fortran_order':False,'shape':({10**14},8,8,1)}}".ljust(118).encode(),
        "no .npy array of numbers, or damaged",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", BAD_INPUTS)
def test_bad_inputs(refused: Any, tmp_path: Path, kind: str) -> None:
    content, message = BAD_INPUTS[kind]
    path = tmp_path / "bad.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content)
    assert message in refused("run", IMAGE, "--inputs", path, "-o", "y.npy")


def test_inputs_may_be_the_x_of_a_npz_file(work: Path, pytools: Cli) -> None:
    done(pytools("run", IMAGE, "--inputs", "ok.npz", "-o", "y.npy"))
    done(pytools("run", IMAGE, "--inputs", "x.npy", "-o", "z.npy"))
    np.testing.assert_array_equal(np.load("y.npy"), np.load("z.npy"))


def test_other_npz_files_and_folders_are_no_inputs(refused: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", z=X)
    assert "has no array x (it has z)" in refused("run", IMAGE, "--inputs", tmp_path / "z.npz", "-o", "y.npy")
    for path in ("digits", "none.npy"):
        assert "give inputs saved with numpy.save" in refused("run", IMAGE, "--inputs", path, "-o", "y.npy")
