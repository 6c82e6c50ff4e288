"""Inference: TensorFlow Lite Micro, the C runtime and the integer twin yield the same bytes.

The oracle is the interpreter of the `tflite-micro` wheel, or what it once said about the shared models.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.bundle import model_dir
from sdfa.data import load_digits
from sdfa.device.device import Device
from sdfa.device.samples import quantize_input
from sdfa.exporter.export import Export, Options, export_file, export_graph
from sdfa.exporter.settings import load_settings
from sdfa.targets import Host, find_target
from sdfa.targets.machines import MACHINES
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite, read_model
from sdfa.twin import infer
from tests.oneop import random_input, random_oneop
from tests.oracles import oracle_rows
from tests.tflite_writer import cnn

ONEOP_CHUNKS, ONEOP_CHUNK = 30, 100
CNN_CHUNKS, CNN_CHUNK = 10, 10
INPUTS = 3
BOARD_SAMPLES = 60
SHARED = (
    "ad01_int8",
    "kws_ref_model",
    "pretrainedResnet_quant",
    "vww_96_int8",
    "hello_world_int8",
    "micro_speech_quantized",
)
FLATTEN = Path(__file__).with_name("data") / "flatten_open_batch.tflite"


@pytest.fixture
def oracle() -> Any:
    """TensorFlow Lite Micro's interpreter, where there is one."""
    return pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64").runtime.Interpreter


def frozen(model: bytes) -> Export:
    """The model exported for inference only."""
    return export_graph(load_tflite(model, "net"), "net", Options(train_last=0))


def twin_rows(export: Export, x: Int8Array) -> Int8Array:
    return infer.run(export.image, None, x.reshape(len(x), -1)).output


def samples(rng: np.random.Generator, model: bytes, n: int) -> Int8Array:
    """Random inputs (n, *shape), shape as in the file, batch dimension included."""
    graph = load_tflite(model, "net")
    return np.stack([random_input(rng, graph.tensors[graph.inputs[0]].shape) for _ in range(n)])


def different(a: npt.NDArray[np.int8], b: npt.NDArray[np.int8]) -> int:
    """Number of bytes that differ; the shapes must not."""
    assert a.shape == b.shape
    return int(np.count_nonzero(a != b))


@functools.cache
def digits_inputs() -> Int8Array:
    """The whole test set as the model takes it: int8 (360, 8, 8, 1)."""
    return quantize_input(export_digits(False).image, load_digits()[1].x)


@functools.cache
def export_digits(learns: bool) -> Export:
    """digits as its model.toml says, or for inference only: other addresses, the same bytes."""
    folder = model_dir("digits")
    options = Options() if learns else Options(train_last=0)
    return export_file(folder / "model.tflite", "digits", options, load_settings(folder / "model.toml"))


@pytest.mark.parametrize("learns", [False, True], ids=["frozen", "learning"])
def test_digits_on_the_whole_test_set(oracle: Any, learns: bool) -> None:
    export, x = export_digits(learns), digits_inputs()
    wanted = oracle_rows(oracle, (model_dir("digits") / "model.tflite").read_bytes(), x[:, None])
    assert len(wanted) == 360
    assert len(np.unique(wanted.argmax(axis=1))) == 10
    for target in (Host(sanitize=False), Host(sanitize=True)):
        assert different(Device(target, export.data).run(x), wanted) == 0
    assert different(twin_rows(export, x), wanted) == 0


@pytest.mark.qemu
@pytest.mark.parametrize("learns", [False, True], ids=["frozen", "learning"])
@pytest.mark.parametrize("board", MACHINES)
def test_digits_on_boards(oracle: Any, board: str, learns: bool) -> None:
    x = digits_inputs()[:BOARD_SAMPLES]
    wanted = oracle_rows(oracle, (model_dir("digits") / "model.tflite").read_bytes(), x[:, None])
    assert different(Device(find_target(f"qemu:{board}"), export_digits(learns).data).run(x), wanted) == 0


def test_an_open_batch_as_keras_writes_it(oracle: Any) -> None:
    """SHAPE, STRIDED_SLICE and PACK are gone from the image; the oracle executes them."""
    model = FLATTEN.read_bytes()
    assert {"SHAPE", "STRIDED_SLICE", "PACK"} < {op.kind for op in load_tflite(model, "flatten").ops}
    x = samples(np.random.default_rng(1), model, 200)
    wanted, export = oracle_rows(oracle, model, x), frozen(model)
    assert len(np.unique(wanted, axis=0)) > 100
    assert different(Device(Host(), export.data).run(x), wanted) == 0
    assert different(twin_rows(export, x), wanted) == 0


@pytest.mark.parametrize("chunk", range(ONEOP_CHUNKS))
def test_random_operations(oracle: Any, chunk: int) -> None:
    """Shapes small and odd, quantization ordinary and extreme; seeds that no other test uses."""
    varied = 0
    for seed in range(10_000 + ONEOP_CHUNK * chunk, 10_000 + ONEOP_CHUNK * (chunk + 1)):
        rng = np.random.default_rng(seed)
        model, description = random_oneop(rng)
        x = samples(rng, model, INPUTS)
        wanted, export = oracle_rows(oracle, model, x), frozen(model)
        assert different(Device(Host(), export.data).run(x), wanted) == 0, f"C, seed {seed}: {description}"
        assert different(twin_rows(export, x), wanted) == 0, f"twin, seed {seed}: {description}"
        varied += len(np.unique(wanted)) > 2
    # models that saturate everywhere would hide errors
    assert varied > ONEOP_CHUNK / 2


def random_cnn(rng: np.random.Generator) -> tuple[bytes, str]:
    """(a network of up to 16 operations, what it is)."""
    shape = (int(rng.integers(4, 16)), int(rng.integers(4, 16)), int(rng.integers(1, 5)))
    how: dict[str, Any] = {
        "channels": int(rng.integers(1, 13)), "hidden": rng.integers(1, 30, rng.integers(0, 3)).tolist(),
        "classes": int(rng.integers(2, 20)), "activation": str(rng.choice(["NONE", "RELU", "RELU6"])),
    }  # fmt: skip
    for name in ("softmax", "per_channel", "residual", "open_batch"):
        how[name] = bool(rng.integers(2))
    return cnn(rng, shape, **how), f"{shape} {how}"


@pytest.mark.parametrize("chunk", range(CNN_CHUNKS))
def test_random_networks(oracle: Any, chunk: int) -> None:
    """Several operations share one arena: a wrong plan or a wrong alias shows here."""
    varied = 0
    for seed in range(20_000 + CNN_CHUNK * chunk, 20_000 + CNN_CHUNK * (chunk + 1)):
        rng = np.random.default_rng(seed)
        model, description = random_cnn(rng)
        x = samples(rng, model, INPUTS)
        wanted, export = oracle_rows(oracle, model, x), frozen(model)
        assert different(Device(Host(), export.data).run(x), wanted) == 0, f"C, seed {seed}: {description}"
        assert different(twin_rows(export, x), wanted) == 0, f"twin, seed {seed}: {description}"
        varied += len(np.unique(wanted, axis=0)) == INPUTS
    assert varied > CNN_CHUNK / 2


@pytest.mark.shared
@pytest.mark.parametrize("name", SHARED)
def test_shared_models(shared: Path, name: str) -> None:
    """Public models, with what the oracle said about stored inputs: random ones, and real ones where there are."""
    graph, _ = read_model(shared / "models" / f"{name}.tflite")
    export = export_graph(graph, name, Options(train_last=0))
    with np.load(shared / "models" / f"{name}.golden.npz") as golden:
        kinds = [kind for kind in ("rand", "real") if f"tflm_{kind}" in golden.files]
        x = np.concatenate([golden[f"X_{kind}"] for kind in kinds])
        wanted = np.concatenate([golden[f"tflm_{kind}"].reshape(-1, golden["tflm_rand"][0].size) for kind in kinds])
    assert len(x) >= 32
    assert len(np.unique(wanted, axis=0)) > 2
    assert different(Device(Host(), export.data).run(x), wanted) == 0
    few = [0, 1, len(x) - 1]
    assert different(twin_rows(export, x[few]), wanted[few]) == 0


# all boards where each fits; a micro:bit has 16 KB of RAM and an image of 192 KB in its flash
SMALL = {"hello_world_int8", "micro_speech_quantized"}


@pytest.mark.shared
@pytest.mark.qemu
@pytest.mark.parametrize(
    ("board", "name"), [(b, n) for b in sorted(MACHINES) for n in SHARED if b != "microbit" or n in SMALL]
)
def test_shared_models_on_boards(shared: Path, board: str, name: str) -> None:
    graph, _ = read_model(shared / "models" / f"{name}.tflite")
    export = export_graph(graph, name, Options(train_last=0))
    with np.load(shared / "models" / f"{name}.golden.npz") as golden:
        x, wanted = golden["X_rand"][:3], golden["tflm_rand"][:3]
    found = Device(find_target(f"qemu:{board}"), export.data).run(x.reshape(len(x), -1))
    assert different(found, wanted.reshape(len(x), -1)) == 0


def test_a_wrong_byte_is_seen(oracle: Any) -> None:
    """The comparison itself: one weight moved by one unit does not pass."""
    model = bytearray(cnn(np.random.default_rng(1)))
    x = samples(np.random.default_rng(2), bytes(model), 20)
    wanted = oracle_rows(oracle, bytes(model), x)
    weights = next(t for t in load_tflite(bytes(model), "net").tensors if t.data_off is not None)
    assert weights.data_off is not None
    model[weights.data_off] = (model[weights.data_off] + 40) % 256
    assert different(Device(Host(), frozen(bytes(model)).data).run(x), wanted) > 0
