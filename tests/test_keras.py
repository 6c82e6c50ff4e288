"""Keras models through the converter, the exporter and the runtime; TensorFlow runs in tests/keras_models.py."""

from __future__ import annotations

import fcntl
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sdfa
from sdfa.data import change_sensor, load_digits
from sdfa.device.device import Device
from sdfa.device.samples import quantize_input
from sdfa.exporter.export import Options, export_graph
from sdfa.keras import Quantized
from sdfa.keras import model as keras_model
from sdfa.keras.error_report import layer_names, short_name
from sdfa.keras.tensorflow import tensorflow
from sdfa.lower import lower
from sdfa.targets import Host
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite, read_model
from sdfa.twin import infer
from tests.keras_models import ARCHITECTURES
from tests.oracles import lite_rows, micro_rows

ROOT = Path(__file__).parent.parent
SAMPLES = 60


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What tests/keras_models.py wrote: once, for all processes of a test run."""
    if importlib.util.find_spec("tensorflow") is None:
        pytest.fail("TensorFlow is absent: pip install sdfa[test]")
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "keras_models"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "said.json").exists():
            run = [sys.executable, "-m", "tests.keras_models", str(folder)]
            done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr[-3000:]
            assert (done.stdout, done.stderr) == ("", ""), "TensorFlow is not quiet"
    return folder


def _read(made: Path, name: str) -> Any:
    return json.loads((made / f"{name}.json").read_text())


def _inputs(model: bytes, rng: np.random.Generator) -> Int8Array:
    graph = load_tflite(model, "net")
    shape = (SAMPLES // 2, *graph.tensors[graph.inputs[0]].shape)
    ends = np.where(rng.random(shape) < rng.random((shape[0], *[1] * (len(shape) - 1))), -128, 127)
    return np.asarray(np.concatenate([rng.integers(-128, 128, shape), ends]), np.int8)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_byte_of_an_architecture_is_that_of_tensorflow_lite_micro(made: Path, name: str) -> None:
    """On the C runtime and on the twin, with and without what learns."""
    model = (made / f"{name}.tflite").read_bytes()
    x = _inputs(model, np.random.default_rng(3))
    wanted = micro_rows(model, x)
    graph = load_tflite(model, name)
    for layers in {0, len(_read(made, name)["learns"])}:
        export = export_graph(graph, name, Options(train_last=layers))
        assert np.array_equal(Device(Host(sanitize=False), export.data).run(x.reshape(len(x), -1)), wanted)
    assert np.array_equal(infer.run(export.image, None, x.reshape(len(x), -1)).output, wanted)
    assert len(np.unique(wanted)) > 10


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_the_error_report_covers_every_operation(made: Path, name: str) -> None:
    report = _read(made, name)
    qgraph = lower(load_tflite((made / f"{name}.tflite").read_bytes(), name))
    rows = report["errors"]["layers"]
    assert [row["place"] for row in rows] == sorted({op.place for op in qgraph.ops})
    weighted = {op.place for op in qgraph.ops if op.channels is not None}
    assert {row["place"] for row in rows if row["weights_sqnr_db"] is not None} == weighted
    assert all(row["sqnr_db"] > 20 and row["saturated"] < 0.01 for row in rows), rows
    assert all(row["weights_sqnr_db"] > 35 for row in rows if row["place"] in weighted), rows
    assert report["errors"]["same_class"] is None or report["errors"]["same_class"] > 0.8
    assert len(report["learns"]) == (ARCHITECTURES[name][1] or (1 if name == "depthwise" else 0))


def test_normalization_is_folded_or_becomes_one_operation(made: Path) -> None:
    kinds = {name: [op.kind for op in read_model(made / f"{name}.tflite")[0].ops] for name in ARCHITECTURES}
    assert "DEPTHWISE_CONV_2D" not in kinds["cnn"]  # folded into the convolution
    assert kinds["residual"].count("DEPTHWISE_CONV_2D") == 1  # behind an activation
    assert kinds["depthwise"].count("DEPTHWISE_CONV_2D") == 2  # its own two, none for normalization
    assert "DEPTHWISE_CONV_2D" not in kinds["signal"]  # into Conv1D, here: the converter does not
    assert kinds["sensors"][1] == "DEPTHWISE_CONV_2D"
    assert kinds["regression"].count("DEPTHWISE_CONV_2D") == 1


def test_layers_that_learn_have_room(made: Path) -> None:
    """Weights within 127 / 1.25, biases and constants of their own, scales that TensorFlow Lite accepts."""
    graph, _ = read_model(made / "strided.tflite")
    report = _read(made, "strided")
    assert report["headroom"] == 1.25
    dense = [op for op in graph.ops if op.place in report["learns"]]
    assert len(dense) == 3
    for op in dense:
        a, w, b = (graph.tensors[i] for i in op.inputs)
        assert w.data is not None
        assert b.data is not None
        assert np.abs(w.data.astype(int)).max() in (101, 102)
        assert np.allclose(b.scale, a.scale * w.scale, rtol=1e-6)
    offsets = [graph.tensors[i].data_off for op in dense for i in op.inputs[1:]]
    assert len(set(offsets)) == len(offsets)
    rows = {row["place"]: row for row in report["errors"]["layers"]}
    last = rows[report["learns"][-1]]
    ends = [abs(end) / last["scale"] for end in last["range"]]
    assert max(ends) < 256 / 1.25


REFUSED = {
    "subclassed": "Own is a subclassed model", "subclassed file": "own.keras: Own is a subclassed model",
    "own layer": "layer 'doubled' is of the class Doubled", "lambda": "layer 'lambda' is a Lambda",
    "two inputs": "has 2 inputs", "open size": "open shape (None, None, 1)", "unbuilt": "begin it with keras.Input",
    "no model": "folder without saved_model.pb", "a number": "int is no Keras model",
    "elu": "ELU (makes 'sequential", "recurrent": "is a loop or a branch", "strings": "the input is string",
    "determinant": "TensorFlow Lite has no MatrixDeterminant", "cut": "no .keras file, or damaged",
    "other zip": "no .keras file, or damaged", "junk": "cannot read it", "absent": "there is no such file",
    "no signature": "no signature to call", "flat": "x has the shape (20, 64), but the model takes (n, 8, 8, 1)",
    "no x": "has no array x", "no npz": "is not a .npz file", "nan": "not finite, first x[7, 0, 0, 0]",
    "few": "3 samples are too few", "same": "all samples are the same", "bytes": "x is uint8",
    "int8": "x is int8", "no dense end": "2 asked for", "headroom": "headroom 0.5: from 1 to 64",
    "no calib": "give some with calib (x, float32",
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_refused_in_one_line(made: Path, name: str) -> None:
    found = _read(made, "refused")[name]
    assert REFUSED[name] in found
    assert "\n" not in found
    assert len(found) < 500


def test_every_refusal_is_looked_at(made: Path) -> None:
    assert set(_read(made, "refused")) == set(REFUSED)


def test_what_the_commands_say(made: Path) -> None:
    said = _read(made, "said")
    refused = {name: ran for name, ran in said.items() if ran["code"]}
    subclassed, budget = refused.values()
    assert "Own is a subclassed model" in subclassed["err"]
    assert "largest: tail" in budget["err"]
    assert all(ran["err"].startswith("pytools: ") and ran["err"].count("\n") == 1 for ran in refused.values())
    assert all(ran["out"] == "" for ran in refused.values())
    assert all(ran["err"] == "" for name, ran in said.items() if name not in refused)
    lines = [line for ran in said.values() for line in ran["out"].splitlines() if not line.startswith("Wrote")]
    assert max(map(len, lines)) <= 80
    (as_json,) = (json.loads(ran["out"]) for name, ran in said.items() if "--json" in name)
    assert (as_json["headroom"], as_json["learns"]) == (2, [4])
    assert not (made / "never.tflite").exists()
    assert not (made / "never").exists()


def test_one_step_is_two_steps(made: Path) -> None:
    """export of a .keras file writes what quantize and export of its .tflite file write."""
    one, two = (made / "build" / name for name in ("mine", "lite"))
    assert (one / "model.tflite").read_bytes() == (made / "model.tflite").read_bytes()
    assert (one / "model.sdfa").read_bytes() == (two / "model.sdfa").read_bytes()
    assert json.loads((one / "model.json").read_text())["quantization"]["learns"] == [3, 4]


@pytest.mark.parametrize("name", ["signal", "sensors"])
def test_the_same_model_is_the_same_file_each_time_in_one_process(made: Path, name: str) -> None:
    """Also where layers are replaced by others, which Keras would number on."""
    assert (made / f"{name}.again").read_bytes() == (made / f"{name}.tflite").read_bytes()


def test_what_quantize_returns_goes_into_export_and_device(made: Path) -> None:
    """With the samples that it was made from: as an export of the Keras model."""
    wanted = (made / "build" / "mine" / "model.sdfa").read_bytes()
    report = json.loads((made / "build" / "mine" / "model.json").read_text())["quantization"]
    model, x = (made / "model.tflite").read_bytes(), np.load(made / "samples.npz")["x"]
    q = Quantized(model, report, x)
    again = sdfa.export(q)
    assert (again.data, again.tflite, again.report["quantization"]) == (wanted, model, report)
    device = sdfa.Device("host", q)
    assert device.data == wanted
    device.learn(x[:20], np.arange(20) % 10)
    assert device.merged(q.model) != model
    aligned = sdfa.Options(feedback="aligned")
    assert sdfa.export(q, aligned).report["learning"]["jacobian"] == "mean"
    assert sdfa.export(q, aligned, calib=x[:50]).data == sdfa.export(q.model, aligned, name="model", calib=x[:50]).data
    one = Quantized(model, report | {"learns": report["learns"][1:]}, x)
    assert len(sdfa.export(one).image.layers) == 1  # as many as have room
    assert any("2 layers learn, 1" in note for note in sdfa.export(one, sdfa.Options(train_last=2)).report["warnings"])
    assert sdfa.export(Quantized(model, report | {"learns": []}, x)).image.learning is None
    with pytest.raises(sdfa.SdfaError, match=r"^headroom is for Keras models"):
        sdfa.export(q, headroom=2.0)


def test_other_formats_are_the_same_network(made: Path) -> None:
    x = np.random.default_rng(0).integers(-128, 128, (20, 1, 8, 8, 1)).astype(np.int8)
    outputs = [micro_rows((made / f"{name}.tflite").read_bytes(), x) for name in ("model", "saved", "h5")]
    assert np.array_equal(outputs[0], outputs[2])
    assert np.array_equal(outputs[0], outputs[1])


def test_a_keras_model_goes_all_the_way(made: Path, tmp_path: Path) -> None:
    """Trained in Keras, quantized, exported, taught a changed sensor on the C runtime, checked, merged, interpreted."""
    _, test = load_digits()
    device = sdfa.Device("host", made / "build" / "mine" / "model.sdfa")
    float_accuracy = json.loads((made / "accuracy.json").read_text())
    assert float_accuracy > 0.9
    assert abs(device.evaluate(test.x, test.y) - float_accuracy) < 0.02
    x, y = change_sensor(test.x, "mirror"), test.y
    outcome = device.learn(x[:200], y[:200], epochs=4, eval_data=(x[200:], y[200:]))
    assert outcome.scores[-1] > outcome.scores[0] + 0.2
    assert outcome.stats.saturated_weights < 0.005 * outcome.stats.moved
    assert device.check(x[:100], y[:100], steps=200)["mismatching_bytes"] == 0
    device.save(tmp_path / "learned.sdfa")
    assert sdfa.Device("host", tmp_path / "learned.sdfa").evaluate(x[200:], y[200:]) == outcome.scores[-1]
    merged = device.merged(made / "model.tflite")
    q = quantize_input(device.image, x)[:, None]
    on_device = device.run(x).reshape(len(x), -1)
    assert np.array_equal(micro_rows(merged, q), on_device)
    assert np.array_equal(lite_rows(merged, q), on_device)


# --- without TensorFlow ---


def test_a_missing_tensorflow_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(sdfa.SdfaError, match=r"^TensorFlow is needed to read Keras models: pip install sdfa\[train\]$"):
        tensorflow()


def test_what_needs_no_tensorflow_is_refused_before_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(path: Path) -> None:
        raise AssertionError("40 s")

    monkeypatch.setattr(keras_model, "load_float", slow)
    model, good = tmp_path / "model.keras", np.random.default_rng(1).random((20, 4), np.float32)
    model.touch()
    (tmp_path / "model.tflite").touch()
    np.save(tmp_path / "x.npy", good)
    bad: list[tuple[Any, str]] = [
        (np.where(good == good[3, 1], np.nan, good), "1 value that is not finite"), (good[:5], "5 samples are too few"),
        (np.ones((20, 4), np.float32), "all samples are the same"), (tmp_path / "x.npy", "not a .npz file"),
    ]  # fmt: skip
    for calib, message in bad:
        for call in (sdfa.quantize, lambda path, x: sdfa.export(path, calib=x)):
            with pytest.raises(sdfa.SdfaError, match=message):
                call(model, calib)
    with pytest.raises(sdfa.SdfaError, match=r"model.tflite is a .tflite file already: give it to `pytools export`"):
        sdfa.quantize(tmp_path / "model.tflite", good)
    with pytest.raises(sdfa.SdfaError, match=r"x\.npy is no Keras model"):
        sdfa.quantize(tmp_path / "x.npy", good)


def test_what_is_a_keras_model(tmp_path: Path) -> None:
    for name in ("a.keras", "B.KERAS", "c.h5", "d.hdf5"):
        assert keras_model.is_keras(tmp_path / name)
    assert not keras_model.is_keras(tmp_path / "a.tflite")
    assert not keras_model.is_keras(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"")
    assert keras_model.is_keras(tmp_path)


def test_names_of_layers() -> None:
    assert short_name("functional_1/conv2d_1/Relu;functional_1/bias") == "conv2d_1/Relu"
    assert short_name("PartitionedCall:0") == "PartitionedCall:0"


@pytest.mark.parametrize(
    ("names", "layers", "shown"),
    [
        (["conv2d_1/Relu", "dense_1/MatMul", "PartitionedCall:0"], {"conv2d", "dense"},
         ["conv2d/Relu", "dense/MatMul", "PartitionedCall:0"]),
        (["conv2d_1/Relu", "conv2d_1_1/Relu"], {"conv2d", "conv2d_1"}, ["conv2d/Relu", "conv2d_1/Relu"]),
        (["conv2d/Relu", "conv2d_1/Relu"], {"conv2d", "conv2d_1"}, ["conv2d/Relu", "conv2d_1/Relu"]),
        (["dense_1/MatMul"], set(), ["dense_1/MatMul"]),
    ],
)  # fmt: skip
def test_names_are_those_of_keras(names: list[str], layers: set[str], shown: list[str]) -> None:
    assert layer_names(names, layers) == shown
