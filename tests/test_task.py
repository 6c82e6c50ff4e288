"""Data sets to learn from scratch: what is there, what is said of what is not, and that tuning never sees the judge."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.experiment.task import Task, load_task


def _pictures(folder: Path, name: str, **arrays: Any) -> None:
    np.savez(folder / f"{name}.npz", **arrays)


def test_digits() -> None:
    task = load_task("digits")
    assert task.x.shape == (1437, 64)
    assert (task.x.dtype.name, task.y.dtype.name, float(task.x.max())) == ("float32", "int64", 1.0)
    assert task.x_judge.shape == (360, 64)


def test_tuning_scores_on_training_samples() -> None:
    task = load_task("digits")
    part = task.tuning()
    assert len(part.y) + len(part.y_judge) == len(task.y)
    assert np.array_equal(np.concatenate([part.x, part.x_judge]), task.x)
    few = task.limited(100)
    assert len(few.y) == 100
    assert few.x_judge is task.x_judge
    assert len(task.limited(0).y) == len(task.y)


def test_pictures_become_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDFA_DATA", str(tmp_path))
    x, y = np.full((3, 2, 2), 255, np.uint8), np.arange(3, dtype=np.uint8)
    _pictures(tmp_path, "mnist", X_train=x, y_train=y, X_test=x[:1], y_test=y[:1])
    task = load_task("mnist")
    assert isinstance(task, Task)
    assert np.array_equal(task.x, np.ones((3, 4), np.float32))
    assert task.y_judge.tolist() == [0]


def test_cifar_gets_a_larger_test_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDFA_DATA", str(tmp_path))
    x, y = np.zeros((4000, 2, 2, 3), np.uint8), np.arange(4000) % 10
    _pictures(tmp_path, "cifar10_small", X_train=x, y_train=y, X_ic01=x[:200], y_ic01=y[:200])
    task = load_task("cifar10_small")
    assert (task.x.shape, task.x_judge.shape) == ((3200, 12), (1000, 12))


def test_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SdfaError, match="unknown data set 'letters'; there is digits, mnist"):
        load_task("letters")
    monkeypatch.delenv("SDFA_DATA", raising=False)
    with pytest.raises(SdfaError, match="set SDFA_DATA"):
        load_task("mnist")
    monkeypatch.setenv("SDFA_DATA", str(tmp_path))
    with pytest.raises(SdfaError, match="set SDFA_DATA"):
        load_task("mnist")
    (tmp_path / "mnist.npz").write_bytes(b"PK")
    with pytest.raises(SdfaError, match="cannot be read"):
        load_task("mnist")
    _pictures(tmp_path, "mnist", X_train=np.zeros((1, 2, 2)))
    with pytest.raises(SdfaError, match=r"has no array .y_train"):
        load_task("mnist")
