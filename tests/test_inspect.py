"""`pytools inspect` as data: what is in a model file, and in an image."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sdfa.bundle import model_dir
from sdfa.data import Samples
from sdfa.device.adapt import Settings, adapt
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.image.reader import read_image
from sdfa.show.diff import compare_images, layer_values, show_difference
from sdfa.show.inspect import describe, describe_image, picture, show
from sdfa.targets import Host
from sdfa.tflite.load import load_tflite, read_model
from tests.tflite_writer import Net, OpDef, cnn, dense_net

DIGITS = model_dir("digits") / "model.tflite"


@pytest.fixture(scope="module")
def digits() -> Export:
    return export_graph(read_model(DIGITS)[0], "digits", Options(train_last=3, feedback="aligned", rate=0.01))


def _shown(what: dict[str, object]) -> str:
    text = io.StringIO()
    show(what, Console(file=text, width=80, markup=False))
    assert max(map(len, text.getvalue().splitlines())) <= 80
    return text.getvalue()


def test_a_model_file(tmp_path: Path) -> None:
    what = describe(DIGITS)
    assert json.loads(json.dumps(what)) == what
    assert (what["type"], what["bytes"]) == ("tflite", DIGITS.stat().st_size)
    assert [op["kind"] for op in what["ops"]][:2] == ["CONV_2D", "MAX_POOL_2D"]
    assert all(op["supported"] for op in what["ops"])
    assert "FULLY_CONNECTED" in _shown(what)


def test_an_unsupported_operation_is_marked(tmp_path: Path) -> None:
    net = Net(np.random.default_rng(0), (4,)).dense(3)
    net.ops.append(OpDef("CUSTOM", (net.at,), (net.tensor(net.tensors[net.at]),), custom="Odd"))
    net.at = len(net.tensors) - 1
    path = tmp_path / "odd.tflite"
    path.write_bytes(net.build())
    what = describe(path)
    assert [op["supported"] for op in what["ops"]] == [True, False]
    assert "CUSTOM(Odd)  (not supported)" in _shown(what)


def test_an_image(digits: Export) -> None:
    what = describe_image(digits.image)
    assert json.loads(json.dumps(what)) == what
    assert what["bytes"] == len(digits.data)
    assert what["model_id"] == digits.report["model_id"]
    assert what["ram"] == {"arena": digits.report["ram"]["arena"], "tail": digits.report["ram"]["tail"]}
    g = what["learning"]
    assert (g["loss"], g["feedback"], g["outputs"]) == ("softmax_ce", "aligned", 10)
    assert g["rate"] == pytest.approx(0.01, rel=1e-5)
    assert [layer["connections"] for layer in g["layers"]] == [2, 2, 0]
    assert sum(layer.get("table_bytes", 0) for layer in g["layers"]) == digits.report["learning"]["table_bytes"]
    assert all(layer["listeners_per_output"][0] > 0 for layer in g["layers"][:-1])
    assert what["learned"] is None
    assert all(t["off"] + int(np.prod(t["shape"])) <= what["ram"]["arena"] for t in what["tensors"])
    assert "Learns with softmax_ce" in _shown(what)


def test_a_learned_image(digits: Export, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    samples = Samples(rng.integers(-128, 128, (30, 8, 8, 1)).astype(np.int8), rng.integers(0, 10, 30))
    path = tmp_path / "learned.sdfa"
    path.write_bytes(adapt(Host(), digits.data, samples, None, Settings(2, rate=0.5, tau=0.25)).image)
    learned = describe(path)["learned"]
    assert (learned["steps"], learned["rate"], learned["tau"]) == (60, 0.5, 0.25)
    assert 0 < learned["changed_bytes"] <= learned["tail_bytes"] == digits.report["ram"]["tail"]
    assert "Learned: 60 steps" in _shown(describe(path))


def test_two_images(digits: Export) -> None:
    rng = np.random.default_rng(0)
    samples = Samples(rng.integers(-128, 128, (30, 8, 8, 1)).astype(np.int8), rng.integers(0, 10, 30))
    learned = read_image(adapt(Host(), digits.data, samples, None, Settings(2, rate=0.5)).image)
    what = compare_images(digits.image, learned)
    assert json.loads(json.dumps(what)) == what
    assert what["same_model"]
    assert set(what["changed"]) == {"bytes", "steps learned", "rate"}
    assert what["changed"]["steps learned"] == [0, 60]
    for n, row in enumerate(what["layers"]):
        (w, _), (v, _) = (layer_values(image, n, image.present_tail) for image in (digits.image, learned))
        assert row["weights"] == np.sum(w != v) > 0
        assert row["largest"] == np.abs(v.astype(int) - w).max()
    assert what["layers"] == describe_image(learned)["learned"]["layers"]
    same = compare_images(learned, learned)
    assert same["changed"] == {}
    assert all(row["weights"] == row["biases"] == 0 for row in same["layers"])
    other = compare_images(digits.image, export_graph(read_model(DIGITS)[0], "digits", Options(train_last=1)).image)
    assert (other["same_model"], other["layers"]) == (False, [])
    assert other["changed"]["layers that learn"] == [3, 1]
    for found in (what, same, other):
        text = io.StringIO()
        show_difference(found, Console(file=text, width=80, markup=False))
        assert max(map(len, text.getvalue().splitlines())) <= 80


def _keras_file(path: Path, config: object) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def test_a_keras_model_without_tensorflow(tmp_path: Path) -> None:
    layers = [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"name": "in", "batch_shape": [None, 8]}},
        {"module": "keras.layers", "class_name": "Dense", "config": {"name": "end", "units": 3, "activation": "relu"},
         "build_config": {"input_shape": [None, 8]}},
    ]  # fmt: skip
    config: dict[str, Any] = {"class_name": "Sequential", "config": {"name": "net", "layers": layers}}
    what = describe(_keras_file(tmp_path / "net.keras", config))
    assert json.loads(json.dumps(what)) == what
    assert [(layer["name"], layer["kind"], layer["in"]) for layer in what["layers"]] == [
        ("in", "InputLayer", [None, 8]), ("end", "Dense", [None, 8])
    ]  # fmt: skip
    assert what["layers"][1]["settings"] == {"units": 3, "activation": "relu"}
    assert "pytools quantize" in _shown(what)
    with pytest.raises(SdfaError, match="quantize it first"):
        picture(what)
    layers[1]["module"] = "mine"
    assert "which is not one of Keras'" in describe(_keras_file(tmp_path / "own.keras", config))["refused"]
    odd: list[object] = [{}, {"config": 3}, {"class_name": "Sequential", "config": {"layers": [1, {"config": 2}]}}]
    for wrong in odd:
        assert _shown(describe(_keras_file(tmp_path / "odd.keras", wrong)))
    with pytest.raises(SdfaError, match="damaged"):
        describe(_keras_file(tmp_path / "list.keras", []))


def test_an_image_that_does_not_learn() -> None:
    model = load_tflite(cnn(np.random.default_rng(1)), "net")
    assert "Nothing learns" in _shown(describe_image(export_graph(model, "net", Options(train_last=0)).image))


@pytest.mark.parametrize(("classes", "wide"), [(256, 1), (257, 2)])
def test_wide_tables(classes: int, wide: int) -> None:
    model = load_tflite(dense_net(np.random.default_rng(1), (6, 300, classes), softmax=True, per_channel=False), "net")
    what = describe_image(export_graph(model, "net", Options(train_last=2, feedback="aligned", connections=3)).image)
    assert what["learning"]["layers"][0]["table_bytes"] == 300 * 3 * (wide + 1)


def test_what_is_neither(tmp_path: Path) -> None:
    (tmp_path / "a.sdfa").write_bytes(b"nothing")
    (tmp_path / "a.bin").write_bytes(b"nothing")
    for name, message in (("a.sdfa", "not an sdfa image"), ("a.bin", "not a .tflite file"), ("none", "is not a file")):
        with pytest.raises(SdfaError, match=message):
            describe(tmp_path / name)
