"""`import sdfa`: what the commands do, as functions."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import sdfa
from sdfa.bundle import model_dir
from sdfa.data import change_sensor, load_digits
from sdfa.device.samples import quantize_input
from sdfa.image.reader import Image
from sdfa.tflite.graph import Graph
from tests.oracles import micro_rows
from tests.tflite_writer import dense_net

DIGITS = model_dir("digits") / "model.tflite"


@pytest.fixture(scope="module")
def digits() -> sdfa.Export:
    return sdfa.export(DIGITS)


def test_importing_it_costs_nothing() -> None:
    """No numpy, and all names are there, without TensorFlow."""
    code = (
        "import sys, sdfa; assert 'numpy' not in sys.modules; "
        "print([n for n in sdfa.__all__ if not hasattr(sdfa, n)]); assert 'tensorflow' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_module_has_the_name_of_a_function() -> None:
    """An import of such a module would put it in the function's place."""
    modules = {module.name for module in pkgutil.iter_modules(sdfa.__path__)}
    assert not modules & set(sdfa.__all__)
    with pytest.raises(AttributeError, match="no attribute 'learn'"):
        _ = sdfa.learn


def test_load_says_what_a_file_is(digits: sdfa.Export, tmp_path: Path) -> None:
    files = digits.save(tmp_path / "out")
    assert [file.suffix for file in files] == [".sdfa", ".c", ".h", ".json"]
    (tmp_path / "renamed.bin").write_bytes(digits.data)
    assert isinstance(sdfa.load(DIGITS), Graph)
    for path in (files[0], str(files[0]), tmp_path / "renamed.bin"):
        image = sdfa.load(path)
        assert isinstance(image, Image)
        assert image.raw == digits.data
    for name, message in (("none.sdfa", "No such file"), ("none.tflite", "No such file"), ("a.keras", "no such file")):
        with pytest.raises(sdfa.SdfaError, match=message):
            sdfa.load(tmp_path / name)


def test_export_takes_paths_graphs_options_and_budgets(digits: sdfa.Export) -> None:
    assert digits.image.meta["labels"] == list("0123456789")  # as model.toml beside the file says
    graph = sdfa.load(DIGITS)
    other = sdfa.export(graph, sdfa.Options(train_last=1, feedback="last"), name="other")
    assert (other.name, other.report["learning"]["feedback"], other.tflite) == ("other", "last", None)
    x = load_digits()[0].x
    aligned = sdfa.Options(feedback="aligned")
    assert sdfa.export(DIGITS, aligned, calib=x[:50]).report["learning"]["jacobian"] == "mean"
    with pytest.raises(sdfa.SdfaError, match=r"^RAM: .* the budget is 1000; largest: tail"):
        sdfa.export(DIGITS, budget={"ram": 1000})
    with pytest.raises(sdfa.SdfaError, match=r"^headroom is for Keras models"):
        sdfa.export(DIGITS, headroom=1.5)
    with pytest.raises(sdfa.SdfaError, match="calibration: x has the shape"):
        sdfa.export(DIGITS, calib=x.reshape(-1, 64))


@pytest.mark.parametrize("kind", ["export", "bytes", "image", "path", "graph", "model"])
def test_a_device_is_made_from_anything_that_holds_an_image(digits: sdfa.Export, kind: str, tmp_path: Path) -> None:
    (tmp_path / "digits.sdfa").write_bytes(digits.data)
    given = {
        "export": digits, "bytes": digits.data, "image": digits.image, "path": tmp_path / "digits.sdfa",
        "graph": sdfa.load(DIGITS), "model": DIGITS,
    }[kind]  # fmt: skip
    device = sdfa.Device("host", given)
    assert (device.input_shape, device.output_shape) == ((8, 8, 1), (10,))
    if kind != "graph":
        assert device.data == digits.data
        assert device.labels == tuple("0123456789")


def test_run_predict_classify_and_evaluate_agree(digits: sdfa.Export) -> None:
    _, test = load_digits()
    device = sdfa.Device("host", digits)
    q = quantize_input(device.image, test.x)
    y = device.run(test.x)
    assert y.dtype == np.int8
    assert y.shape == (360, 10)
    assert np.array_equal(y, device.run(q))
    p = device.predict(test.x)
    assert p.dtype == np.float32
    assert np.allclose(p, (y.astype(float) + 128) / 256)
    assert np.mean(p.argmax(axis=1) == device.classify(test.x)) > 0.99  # but for ties of int8 outputs
    assert device.evaluate(test.x, test.y) == np.mean(device.classify(test.x) == test.y)


def test_what_was_learned_stays_in_the_device(digits: sdfa.Export, tmp_path: Path) -> None:
    train, _ = load_digits()
    x, y = change_sensor(train.x[:150], "mirror"), train.y[:150]
    device = sdfa.Device("host", digits)
    first = device.learn(x, y, epochs=2, lr=0.01, seed=3)
    assert isinstance(first, sdfa.Outcome)
    assert first.scores[-1] > first.scores[0]
    assert device.evaluate(x, y) == first.scores[-1]
    second = device.learn(x, y, care=sdfa.Care(replay=20))
    assert second.scores[0] == first.scores[-1]
    assert device.check(x[:40], y[:40], steps=100)["mismatching_bytes"] == 0
    assert device.check(steps=50)["mismatching_bytes"] == 0
    device.save(tmp_path / "learned.sdfa")
    assert sdfa.Device("host", tmp_path / "learned.sdfa").evaluate(x, y) == second.scores[-1]
    merged = device.merged(DIGITS)
    q = quantize_input(device.image, x)[:, None]
    assert np.array_equal(micro_rows(merged, q), device.run(x))


def test_targets_in_real_units() -> None:
    model = dense_net(np.random.default_rng(0), (6, 8, 2), softmax=False, per_channel=True)
    from sdfa.tflite.load import load_tflite

    device = sdfa.Device("host", sdfa.export(load_tflite(model, "net"), sdfa.Options(loss="mse", rate=0.05)))
    rng = np.random.default_rng(1)
    x = rng.uniform(-1, 1, (200, 6)).astype(np.float32)
    y = np.stack([x[:, 0], -x[:, 1]], axis=1)
    before = device.evaluate(x, y)
    outcome = device.learn(x, y, epochs=3)
    assert outcome.scores[0] == pytest.approx(before)
    assert device.evaluate(x, y) == pytest.approx(outcome.scores[-1])
    assert outcome.scores[-1] < before


def test_wrong_arrays_are_refused_in_one_line(digits: sdfa.Export) -> None:
    device = sdfa.Device("host", digits)
    frozen = sdfa.Device("host", sdfa.export(DIGITS, sdfa.Options(train_last=0)))
    x, y = np.zeros((3, 8, 8, 1), np.float32), np.zeros(3, np.int64)
    calls: dict[str, Callable[[], object]] = {
        "x: x has the shape": lambda: device.run(x[0]),
        "x is int32": lambda: device.run(x.astype(np.int32)),
        "labels are 0 ... 9": lambda: device.learn(x, y + 10),
        "must have the same length": lambda: device.learn(x, y[:2]),
        "nothing learns": lambda: frozen.learn(x, y),
        "one class number for each": lambda: frozen.evaluate(x, y[:2]),
        "fresh from the exporter": lambda: device.merged(DIGITS),
        "moon": lambda: sdfa.Device("moon", digits),
    }
    for message, call in calls.items():
        with pytest.raises(sdfa.SdfaError) as error:
            call()
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    assert frozen.evaluate(x, np.full(3, frozen.classify(x)[0])) == 1


X, Y = np.zeros((3, 8, 8, 1), np.float32), np.zeros(3, np.int64)
NAN = np.where(np.arange(3)[:, None, None, None] == 1, np.nan, X)
WRONG: dict[str, tuple[Callable[[sdfa.Device], object], str]] = {
    "load None": (lambda d: sdfa.load(None), "NoneType is no path"),  # type: ignore[arg-type]
    "load null byte": (lambda d: sdfa.load("a\0b"), "null"),
    "load folder": (lambda d: sdfa.load("."), "directory"),
    "quantize path": (lambda d: sdfa.quantize("none.keras", X), "no such file"),
    "quantize layers": (lambda d: sdfa.quantize("none.keras", X, train_last=1.5), "train_last is 1.5"),  # type: ignore[arg-type]
    "quantize negative": (lambda d: sdfa.quantize("none.keras", X, train_last=-1), "train_last is -1"),
    "quantize room": (lambda d: sdfa.quantize("none.keras", X, headroom=float("nan")), "headroom is nan"),
    "export None": (lambda d: sdfa.export(None), "NoneType is no path: give that of a .tflite"),
    "export image": (lambda d: sdfa.export(d.image), "an image already"),
    "export bytes": (lambda d: sdfa.export(b"nonsense"), "not a .tflite file"),
    "export Keras": (lambda d: sdfa.export("none.keras"), "give some with calib"),
    "options": (lambda d: sdfa.export(DIGITS, 2), "options is int"),  # type: ignore[arg-type]
    "train_last": (lambda d: sdfa.export(DIGITS, sdfa.Options(train_last="2")), "train_last is '2': give a whole"),  # type: ignore[arg-type]
    "rate": (lambda d: sdfa.export(DIGITS, sdfa.Options(rate=float("nan"))), "rate is nan"),
    "rate of nothing": (lambda d: sdfa.export(DIGITS, sdfa.Options(train_last=0, rate=0.1)), "rate has no use"),
    "labels": (lambda d: sdfa.export(DIGITS, sdfa.Options(labels="abc")), "labels is 'abc'"),  # type: ignore[arg-type]
    "label": (lambda d: sdfa.export(DIGITS, sdfa.Options(labels=(1, 2))), "an item of labels is 1"),  # type: ignore[arg-type]
    "spare": (lambda d: sdfa.export(DIGITS, sdfa.Options(spare=True)), "spare is True"),
    "name": (lambda d: sdfa.export(DIGITS, name=3), "name is int"),  # type: ignore[arg-type]
    "headroom": (lambda d: sdfa.export(DIGITS, headroom="2"), "headroom is '2'"),  # type: ignore[arg-type]
    "calib rows": (lambda d: sdfa.export(DIGITS, calib=[[1.0], [1.0, 2.0]]), "calib is no array"),  # type: ignore[arg-type]
    "calib NaN": (lambda d: sdfa.export(DIGITS, calib=NAN), "not finite"),
    "budget rom": (lambda d: sdfa.export(DIGITS, budget={"rom": 1}), "unknown entry 'rom'; known: ram, flash"),
    "budget Ram": (lambda d: sdfa.export(DIGITS, budget={"Ram": 1}), "unknown entry 'Ram'"),
    "budget half": (lambda d: sdfa.export(DIGITS, budget={"ram": 0.5}), "budget of ram is 0.5"),  # type: ignore[dict-item]
    "budget none": (lambda d: sdfa.export(DIGITS, budget={"ram": 0}), "budget of ram is 0"),
    "budget text": (lambda d: sdfa.export(DIGITS, budget="rom=5K"), "budget 'rom=5K': say ram=20K"),
    "budget number": (lambda d: sdfa.export(DIGITS, budget=3), "budget is int"),  # type: ignore[arg-type]
    "budget kept": (lambda d: sdfa.export(DIGITS, budget="ram=1K"), "the budget is 1024"),
    "save to a file": (lambda d: sdfa.export(DIGITS).save("file"), "give another folder"),
    "save to None": (lambda d: sdfa.export(DIGITS).save(None), "no path"),  # type: ignore[arg-type]
    "target": (lambda d: sdfa.Device(3, d.data), "target is int"),  # type: ignore[arg-type]
    "no model": (lambda d: sdfa.Device("host", None), "what load, export or quantize returned"),
    "short bytes": (lambda d: sdfa.Device("host", b""), "not an sdfa image"),
    "Keras path": (lambda d: sdfa.Device("host", "none.keras"), "exported first, with samples"),
    "run None": (lambda d: d.run(None), "x has the shape ()"),  # type: ignore[arg-type]
    "run NaN": (lambda d: d.run(NAN), "not finite"),
    "run rows": (lambda d: d.predict([[1.0], [1.0, 2.0]]), "x is no array"),  # type: ignore[arg-type]
    "classify text": (lambda d: d.classify(X.astype(str)), "x is <U32"),
    "classify empty": (lambda d: d.classify(X[:0]), "x is empty"),
    "half an epoch": (lambda d: d.learn(X, Y, epochs=1.5), "epochs is 1.5: give a whole number"),  # type: ignore[arg-type]
    "no epoch": (lambda d: d.learn(X, Y, epochs=0), "epochs is 0: it must be from 1"),
    "endless": (lambda d: d.learn(X, Y, epochs=10**12), "to 10000"),
    "lr text": (lambda d: d.learn(X, Y, lr="1"), "lr is '1'"),  # type: ignore[arg-type]
    "lr NaN": (lambda d: d.learn(X, Y, lr=float("nan")), "lr is nan"),
    "lr zero": (lambda d: d.learn(X, Y, lr=0), "learning rate 0"),
    "threshold": (lambda d: d.learn(X, Y, threshold=2), "threshold 2 is out of range"),
    "seed": (lambda d: d.learn(X, Y, seed=-1), "seed is -1"),
    "y NaN": (lambda d: d.learn(X, Y + np.nan), "labels are integers"),
    "y None": (lambda d: d.learn(X, None), "must have the same length"),  # type: ignore[arg-type]
    "eval_data": (lambda d: d.learn(X, Y, eval_data=X), "eval_data is no pair"),  # type: ignore[arg-type]
    "care": (lambda d: d.learn(X, Y, care=3), "care is int"),  # type: ignore[arg-type]
    "care text": (lambda d: d.learn(X, Y, care=sdfa.Care(replay="9")), "replay is '9'"),  # type: ignore[arg-type]
    "care frozen": (lambda d: d.learn(X, Y, care=sdfa.Care(frozen=0)), "frozen is 0: give a tuple"),  # type: ignore[arg-type]
    "care layer": (lambda d: d.learn(X, Y, care=sdfa.Care(frozen=(9,))), "frozen 9: the trainable layers"),
    "care policy": (lambda d: d.learn(X, Y, care=sdfa.Care(replay=2, policy="x")), "policy x: known are"),
    "care replays": (lambda d: d.learn(X, Y, care=sdfa.Care(replay=2, replays=-1)), "replays -1: from 1"),
    "care decay": (lambda d: d.learn(X, Y, care=sdfa.Care(decay=0.1, decay_every=0)), "decay_every 0: from 1"),
    "care added": (lambda d: d.learn(X, Y, care=sdfa.Care(added=-1)), "added -1: from 0"),
    "care class": (lambda d: d.learn(X, Y, care=sdfa.Care(added=1)), "added 1: the image has 0"),
    "evaluate text": (lambda d: d.evaluate(X, Y.astype(str)), "y "),
    "half a check": (lambda d: d.check(X), "x or y is missing"),
    "no steps": (lambda d: d.check(steps=0), "steps is 0"),
    "check text": (lambda d: d.check(steps="9"), "steps is '9'"),  # type: ignore[arg-type]
    "bench": (lambda d: d.bench(), "cannot count instructions"),
    "merge nothing": (lambda d: d.merged(DIGITS), "let it learn first"),
    "merge None": (lambda d: d.merged(None), "NoneType is no path"),  # type: ignore[arg-type]
    "merge absent": (lambda d: d.merged("none.tflite"), "give the .tflite file"),
    "no such folder": (lambda d: d.save("/nonexistent/q.sdfa"), "there is no folder"),
    "a folder": (lambda d: d.save("."), "is a folder"),
    "nowhere": (lambda d: d.save(None), "no path"),  # type: ignore[arg-type]
    "null byte": (lambda d: d.save("a\0b"), "null"),
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_every_mistake_is_one_line(
    name: str, digits: sdfa.Export, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_bytes(b"")
    call, message = WRONG[name]
    with pytest.raises(sdfa.SdfaError) as error:
        call(sdfa.Device("host", digits))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "--" not in str(error.value)
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
