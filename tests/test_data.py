"""sdfa.data: the digits, the changed sensors, and a user's samples."""

from __future__ import annotations

import contextlib
import hashlib
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdfa import data
from sdfa.errors import SdfaError

REPO = Path(__file__).resolve().parent.parent
SHAPE = (2, 3)
X = np.linspace(0, 1, 24, dtype=np.float32).reshape(4, *SHAPE)
Y = np.array([0, 1, 2, 1])


def save(folder: Path, **arrays: Any) -> Path:
    path = folder / "samples.npz"
    np.savez(path, **arrays)
    return path


def refusal(path: Path, classes: int | None = 3) -> str:
    """The one line that load_samples refuses the file with."""
    with pytest.raises(SdfaError) as caught:
        data.load_samples(path, input_shape=SHAPE, classes=classes)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_digits_split() -> None:
    train, test = data.load_digits()
    assert train.x.shape == (1437, 8, 8, 1)
    assert test.x.shape == (360, 8, 8, 1)
    assert train.x.dtype == test.x.dtype == np.float32
    assert train.y.dtype == test.y.dtype == np.int64
    assert (train.x.min(), train.x.max()) == (0, 1)
    counts = np.bincount(test.y) / (np.bincount(test.y) + np.bincount(train.y))
    assert np.all(np.abs(counts - 0.2) < 0.01)
    both = np.concatenate([train.x, test.x]).reshape(1797, -1)
    assert len(np.unique(both, axis=0)) == 1797


def test_digits_split_never_changes() -> None:
    train, test = data.load_digits()
    digest = hashlib.sha256(train.y.astype(np.uint8).tobytes() + test.y.astype(np.uint8).tobytes())
    assert digest.hexdigest()[:16] == "a6410d1ff263caae"


def test_digits_without_sklearn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(SdfaError, match=re.escape("pip install 'sdfa[demo]'")):
        data.load_digits()


@pytest.mark.parametrize("name", data.DOMAINS)
@given(seed=st.integers(0, 99), n=st.integers(1, 3), size=st.integers(3, 9), channels=st.integers(1, 3))
def test_change_sensor_keeps_the_form(name: str, seed: int, n: int, size: int, channels: int) -> None:
    x = np.random.default_rng(seed).random((n, size, size, channels), dtype=np.float32)
    before = x.copy()
    out = data.change_sensor(x, name)
    assert out.shape == x.shape
    assert out.dtype == np.float32
    assert not np.shares_memory(out, x)
    np.testing.assert_array_equal(x, before)
    # each picture and channel is changed by itself
    np.testing.assert_array_equal(out[:1, ..., :1], data.change_sensor(x[:1, ..., :1], name))


def test_change_sensor_directions() -> None:
    x = np.arange(16, dtype=np.float32).reshape(1, 4, 4, 1)
    assert data.change_sensor(x, "shift")[0, 0, :, 0].tolist() == [0, 0, 0, 1]
    assert data.change_sensor(x, "mirror")[0, 0, :, 0].tolist() == [3, 2, 1, 0]
    assert data.change_sensor(x, "rot90")[0, 0, :, 0].tolist() == [3, 7, 11, 15]


def test_change_sensor_refuses() -> None:
    x = np.zeros((1, 2, 3, 1), np.float32)
    with pytest.raises(SdfaError, match="no changed sensor 'fog'; known are shift, mirror, rot90"):
        data.change_sensor(x, "fog")
    with pytest.raises(SdfaError, match=re.escape("(n, H, H, C), not (1, 2, 3, 1)")):
        data.change_sensor(x, "rot90")
    with pytest.raises(SdfaError, match=re.escape("(n, H, W, C), not (2, 3)")):
        data.change_sensor(x[0, ..., 0], "mirror")


@given(
    kind=st.sampled_from(["f2", "f4", "f8", ">f4", "i1"]),
    label=st.sampled_from(["i1", "u1", "i4", ">i8", "u8"]),
    shape=st.lists(st.integers(1, 3), max_size=3),
    n=st.integers(1, 5),
)
def test_load_samples(
    tmp_path_factory: pytest.TempPathFactory, kind: str, label: str, shape: list[int], n: int
) -> None:
    x = np.arange(n * int(np.prod(shape))).reshape(n, *shape).astype(kind)
    y = (np.arange(n) % 3).astype(label)
    path = save(tmp_path_factory.mktemp("npz"), x=x, y=y)
    found = data.load_samples(path, input_shape=tuple(shape), classes=3)
    assert found.x.dtype == (np.int8 if kind == "i1" else np.float32)
    assert found.y.dtype == np.int64
    np.testing.assert_array_equal(found.x, x)
    np.testing.assert_array_equal(found.y, y)


def test_load_inputs_needs_no_labels(tmp_path: Path) -> None:
    np.testing.assert_array_equal(data.load_inputs(save(tmp_path, x=X), input_shape=SHAPE), X)
    with pytest.raises(
        SdfaError, match=re.escape("has no array x (it has y); save the samples with np.savez(path, x=x)")
    ):
        data.load_inputs(save(tmp_path, y=Y), input_shape=SHAPE)


def test_check_inputs(tmp_path: Path) -> None:
    np.testing.assert_array_equal(data.check_inputs(tmp_path, X, SHAPE), X)
    with pytest.raises(SdfaError, match=re.escape(f"{tmp_path}: x is uint8")):
        data.check_inputs(tmp_path, X.astype(np.uint8), SHAPE)


@pytest.mark.parametrize("kind", ["f2", "f8", "i4", "u1"])
def test_load_targets(tmp_path: Path, kind: str) -> None:
    y = np.arange(8).reshape(4, 2).astype(kind)
    found = data.load_samples(save(tmp_path, x=X, y=y), input_shape=SHAPE, classes=None)
    assert found.y.dtype == np.float32
    np.testing.assert_array_equal(found.y, y)


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X.astype(np.uint8), Y, "x is uint8, which may be raw or scaled; give float32"),
        (X.astype(np.int64), Y, "x is int64, which may be raw or scaled"),
        (X > 0, Y, "x is bool"),
        (X.astype(str), Y, "x is <U"),
        (X.reshape(4, 6), Y, "x has the shape (4, 6), but the model takes (n, 2, 3); reshape x"),
        (X[0], Y[:2], "x has the shape (2, 3), but the model takes (n, 2, 3)"),
        (X[:0], Y[:0], "x is empty"),
        (X, Y[:3], "x (4, 2, 3) and y (3,) must have the same length"),
        (X, np.int64(1), "x (4, 2, 3) and y () must have the same length"),
        (np.float32(1), np.int64(1), "x has the shape (), but the model takes (n, 2, 3)"),
        (np.where(X[1, 0, 2] == X, np.nan, X), Y, "x has 1 value that is not finite, first x[1, 0, 2]"),
        (np.full(X.shape, 1e39), Y, "x has 24 values that are not finite, first x[0, 0, 0]"),
        (X, Y[:, None], "y has the shape (4, 1), but labels need (n,)"),
        (X, Y.astype(float), "y is float64, but labels are integers; save y.astype('int64')"),
        (X, Y > 0, "y is bool, but labels are integers"),
        (X, np.array(["wave"] * len(Y)), "y holds texts like 'wave', but labels are the numbers of the classes"),
        (X, Y + 1, "y[2] is 3, but the model's labels are 0 ... 2; renumber them"),
        (X, Y - 1, "y[0] is -1, but the model's labels are 0 ... 2"),
        (X, Y.astype(np.uint64) + np.uint64(2**64 - 2), "y[0] is 18446744073709551614, but"),
    ],
)
def test_refuses_bad_arrays(tmp_path: Path, x: Any, y: Any, message: str) -> None:
    assert message in refusal(save(tmp_path, x=x, y=y))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (Y, "y has the shape (4,), but targets need (n, outputs)"),
        (np.zeros((4, 0)), "y has the shape (4, 0), but targets need (n, outputs)"),
        (np.array([["a"]] * 4), "y is <U1, but targets are numbers"),
        (np.array([[1.0], [2], [np.inf], [3]]), "y has 1 value that is not finite, first y[2, 0]"),
    ],
)
def test_refuses_bad_targets(tmp_path: Path, y: Any, message: str) -> None:
    assert message in refusal(save(tmp_path, x=X, y=y), classes=None)


def test_refuses_files_that_are_no_samples(tmp_path: Path) -> None:
    assert "there is no such file; save the samples with np.savez" in refusal(tmp_path / "none.npz")
    assert "there is no such file" in refusal(tmp_path)
    array = tmp_path / "x.npy"
    np.save(array, X)
    assert "is not a .npz file" in refusal(array)
    assert "has no array y (it has x);" in refusal(save(tmp_path, x=X))
    assert "has no array x and no array y (it has nothing);" in refusal(save(tmp_path))
    assert "it holds Python objects" in refusal(save(tmp_path, x=X, y=np.array([{}, 1, 2, 3], object)))


@given(at=st.integers(0, 10**6), value=st.integers(0, 255), keep=st.integers(0, 10**6))
def test_damaged_files_are_refused_or_read(
    tmp_path_factory: pytest.TempPathFactory, at: int, value: int, keep: int
) -> None:
    path = save(tmp_path_factory.mktemp("npz"), x=X, y=Y)
    damaged = bytearray(path.read_bytes())
    damaged[at % len(damaged)] = value
    path.write_bytes(damaged[: len(damaged) - keep % 64])
    with contextlib.suppress(SdfaError):
        data.load_samples(path, input_shape=SHAPE, classes=3)


def test_digits_model_is_the_one_its_settings_name() -> None:
    folder = REPO / "models" / "digits"
    named = re.search(r'^sha256 = "(\w+)"', (folder / "model.toml").read_text(), re.MULTILINE)
    assert named is not None
    assert hashlib.sha256((folder / "model.tflite").read_bytes()).hexdigest() == named[1]
