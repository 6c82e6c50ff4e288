"""Models as Keras and TensorFlow's converter write them (tests/data/make_models.py): every byte is the oracle's."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.device.device import Device
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.targets import Host, find_target
from sdfa.targets.machines import MACHINES
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite
from sdfa.twin import infer

DATA = Path(__file__).with_name("data")
# name -> the operations that make it worth a test, among others
MODELS = {
    "mobilenet": {"PAD", "DEPTHWISE_CONV_2D", "MEAN", "SOFTMAX"},
    "residual": {"ADD", "MEAN", "MAX_POOL_2D"},
    "branches": {"CONCATENATION", "LOGISTIC", "MUL", "SUB", "PAD", "AVERAGE_POOL_2D"},
    "sigmoid": {"LOGISTIC"},
    "float_ends": {"QUANTIZE", "DEQUANTIZE"},
    "uint8_ends": {"QUANTIZE"},
    "signal": {"CONV_2D", "MAX_POOL_2D"},
    "curves": {"TANH", "LEAKY_RELU"},
}
FLOAT_ENDS, UINT8_ENDS = "float_ends", "uint8_ends"
SAMPLES, BOARD_SAMPLES = 300, 8


def model_bytes(name: str) -> bytes:
    return (DATA / f"{name}.tflite").read_bytes()


@functools.cache
def export_of(name: str) -> Export:
    return export_graph(load_tflite(model_bytes(name), name), name, Options(train_last=0))


@functools.cache
def inputs_of(name: str) -> Int8Array:
    """int8[SAMPLES, input_len]: a third each of dark and bright calibration data, any values, and both ends alone."""
    meta = export_of(name).image.meta["input"]
    rng = np.random.default_rng(len(name))
    n = SAMPLES // 3
    shape = (n, int(np.prod(meta["shape"])))
    real = (rng.normal(0, 1, shape) + rng.normal(0, 2, (n, 1))) / meta["scale"] + meta["zero_point"]
    ends = np.where(rng.random(shape) < rng.random((n, 1)), -128, 127)
    x = np.concatenate([np.rint(real), rng.integers(-128, 128, shape), ends])
    return np.asarray(np.clip(x, -128, 127), np.int8)


@functools.cache
def oracle_outputs(name: str) -> Int8Array:
    """What TensorFlow Lite Micro yields, as int8: behind the conversions at the model's ends, undone exactly."""
    from tflite_micro import runtime

    graph = load_tflite(model_bytes(name), name)
    interpreter = runtime.Interpreter.from_bytes(model_bytes(name))
    shape = graph.tensors[graph.inputs[0]].shape
    rows = []
    for x in outside(name, inputs_of(name)):
        interpreter.set_input(np.ascontiguousarray(x.reshape(shape)), 0)
        interpreter.invoke()
        rows.append(np.array(interpreter.get_output(0)).ravel())
    return inside(name, np.stack(rows))


def outside(name: str, x: Int8Array) -> npt.NDArray[Any]:
    """int8 inputs of the image as the model file takes them."""
    meta = export_of(name).image.meta["input"]
    if name == FLOAT_ENDS:
        return np.asarray((x.astype(np.int32) - meta["zero_point"]) * np.float32(meta["scale"]), np.float32)
    return (x.astype(np.int16) + 128).astype(np.uint8) if name == UINT8_ENDS else x


def inside(name: str, y: npt.NDArray[Any]) -> Int8Array:
    """Outputs of the model file as the image's int8."""
    meta = export_of(name).image.meta["output"]
    if name == FLOAT_ENDS:
        steps = y.astype(np.float64) / meta["scale"]
        assert np.abs(steps - np.rint(steps)).max() < 1e-3
        return np.asarray(np.rint(steps) + meta["zero_point"], np.int8)
    return (y.astype(np.int16) - 128).astype(np.int8) if name == UINT8_ENDS else y.astype(np.int8)


def check_same(found: Int8Array, wanted: Int8Array) -> None:
    assert found.shape == wanted.shape
    assert np.count_nonzero(found != wanted) == 0


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    return str(request.param)


def test_the_file_has_what_it_is_for(name: str) -> None:
    assert MODELS[name] <= {op.kind for op in load_tflite(model_bytes(name), name).ops}


def test_every_model_is_tested() -> None:
    assert {path.stem for path in DATA.glob("*.tflite")} == {*MODELS, "flatten_open_batch"}


def test_the_oracle_says_many_things(name: str) -> None:
    """Outputs that were all alike would hide errors."""
    wanted = oracle_outputs(name)
    assert len(wanted) == SAMPLES
    assert len(np.unique(wanted, axis=0)) > SAMPLES / 3
    assert len(np.unique(wanted)) > 20


@pytest.mark.parametrize("sanitize", [False, True])
def test_on_host(name: str, sanitize: bool) -> None:
    check_same(Device(Host(sanitize=sanitize), export_of(name).data).run(inputs_of(name)), oracle_outputs(name))


def test_the_integer_twin(name: str) -> None:
    check_same(infer.run(export_of(name).image, None, inputs_of(name)).output, oracle_outputs(name))


@pytest.mark.qemu
@pytest.mark.parametrize("board", sorted(MACHINES))
def test_on_boards(name: str, board: str) -> None:
    some = slice(0, SAMPLES, SAMPLES // BOARD_SAMPLES)
    found = Device(find_target(f"qemu:{board}"), export_of(name).data).run(inputs_of(name)[some])
    check_same(found, oracle_outputs(name)[some])
