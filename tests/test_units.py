"""Samples in another unit than the model's are told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

import sdfa
from sdfa.data import load_digits
from sdfa.units import FEW_STEPS, range_notes, unit_notes
from tests.clikit import IMAGE, Cli, X, Y, done

SCALE, ZERO = 1 / 255, -128  # 0 ... 1
RNG = np.random.default_rng(5)


def notes(x: npt.NDArray[Any]) -> list[str]:
    return unit_notes("x", x.astype(np.float32), SCALE, ZERO)


def test_samples_in_the_models_units_are_no_word_worth() -> None:
    assert notes(X) == []
    assert notes(np.zeros((3, 4))) == []
    assert notes(np.empty((0, 4))) == []
    outliers = np.where(RNG.random(10_000) < 0.04, 1.5, RNG.random(10_000))
    assert notes(outliers) == []
    assert unit_notes("x", np.full((2, 2), 127, np.int8), SCALE, ZERO) == []
    # a range that was taken at two standard deviations
    assert unit_notes("x", RNG.normal(0, 1, 100_000).astype(np.float32), 4 / 255, 0) == []


def test_samples_in_another_unit_are_told_with_both_ranges() -> None:
    (line,) = notes(X * 255)
    assert "% of the values are clamped: the model's input takes 0 to 1, x has 0" in line
    assert "in the units the model was trained on" in line
    assert notes(X * 2 - 1) != []
    sparse = np.where(RNG.random(10_000) < 0.02, 255.0, 0.0)
    assert "2 % of the values are clamped" in notes(sparse)[0]


def test_samples_that_are_too_small_are_told() -> None:
    (line,) = unit_notes("x", X, 1.0, -128)  # 0 ... 1 for pixels of 0 ... 255
    assert f"fall on {FEW_STEPS} or fewer of the 256" in line
    assert "takes 0 to 255" in line


def test_commands_tell(work: Path, pytools: Cli) -> None:
    np.savez("pixels.npz", x=X * 255, y=Y)
    np.save("pixels.npy", X * 255)
    for command in (
        ("run", IMAGE, "--inputs", "pixels.npy", "-o", "y.npy"),
        ("learn", IMAGE, "--data", "pixels.npz", "-o", "new.sdfa"),
        ("learn", IMAGE, "--data", "ok.npz", "--eval-data", "pixels.npz", "-o", "new.sdfa"),
        ("check", IMAGE, "--data", "pixels.npz", "--steps", 20),
        ("export", "model.tflite", "-o", "other", "--feedback", "aligned", "--calib", "pixels.npz"),
    ):
        text = " ".join(done(pytools(*command)).out.split())
        assert text.count("of the values are clamped") == 1, text
        assert "note: pixels.np" in text
    told = json.loads(done(pytools("learn", IMAGE, "--data", "pixels.npz", "-o", "new.sdfa", "--json", "-")).out)
    assert "clamped" in told["warnings"][0]
    told = json.loads(done(pytools("learn", IMAGE, "--data", "ok.npz", "-o", "new.sdfa", "--json", "-")).out)
    assert told["warnings"] == []


def test_the_python_interface_warns(work: Path) -> None:
    device = sdfa.Device("host", IMAGE)
    with pytest.warns(UserWarning, match="clamped: the model's input takes 0 to 1") as caught:
        device.run(X * 255)
    assert caught[0].filename == __file__
    with pytest.warns(UserWarning, match="clamped") as caught:
        device.learn(X * 255, Y)
    assert caught[0].filename == __file__


def test_features_of_unlike_ranges_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytools: Cli) -> None:
    alike = RNG.normal(0, 1, (200, 6)).astype(np.float32)
    assert range_notes("x", alike) == range_notes("x", alike * np.array([1, 2, 4, 1, 2, 4], np.float32)) == []
    unlike = alike * np.array([1000, 1000, 1, 1, 0.01, 0.01], np.float32)
    (line,) = range_notes("x", unlike)
    assert "4 of 6 features vary less than an 8th as much as the widest" in line
    assert "standardize them, (x - mean) / std of each" in line
    assert range_notes("x", (unlike - unlike.mean(axis=0)) / unlike.std(axis=0)) == []
    assert range_notes("x", load_digits()[0].x.reshape(-1, 64)) == []  # dark corners
    monkeypatch.chdir(tmp_path)
    np.savez("wide.npz", x=unlike)
    assert "standardize" in done(pytools("init", "6-8-2", "--calib", "wide.npz", "-o", "net")).out
    export = ("export", "net/net_6_8_2.tflite", "--feedback", "aligned", "--train-last", 2, "-o", "again")
    assert "standardize" in done(pytools(*export, "--calib", "wide.npz")).out
