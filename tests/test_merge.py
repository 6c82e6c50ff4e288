"""`pytools merge`: the learned .tflite file yields, in interpreters that others wrote, the device's output bytes."""

from __future__ import annotations

import functools
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.bundle import model_dir
from sdfa.data import Samples
from sdfa.device.adapt import Settings, adapt
from sdfa.device.check import made_up_samples
from sdfa.device.device import Device
from sdfa.device.samples import quantize_input
from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.exporter.merge import merge
from sdfa.exporter.settings import load_settings
from sdfa.image.reader import read_image
from sdfa.start.demo import RULES, changed_digits, export_digits
from sdfa.targets import Host
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite
from tests.clikit import Cli, done, one_line, tree
from tests.oracles import lite_rows, micro_rows
from tests.samples import with_meta
from tests.tflite_writer import Net, OpDef, cnn, dense_net

ORACLES: dict[str, Callable[[bytes, Int8Array], Int8Array]] = {"tflite-micro": micro_rows, "tflite-runtime": lite_rows}
DIGITS = model_dir("digits") / "model.tflite"
RULE = {rule.name: rule for rule in RULES}


@dataclass(frozen=True, eq=False)
class Case:
    """What a device learned and then said of x (n, *input), and the file to say it again."""

    factory: bytes
    learned: bytes
    merged: bytes
    x: Int8Array
    said: Int8Array


def _case(factory: bytes, data: bytes, samples: Samples, unseen: Samples, settings: Settings) -> Case:
    learned = adapt(Host(), data, samples, unseen, settings).image
    image = read_image(learned)
    x = quantize_input(image, unseen.x)
    return Case(factory, learned, merge(image, factory), x, Device(Host(), learned).run(x))


@functools.cache
def digits_case(rule: str) -> Case:
    """digits after two epochs with a mirrored sensor; x is the whole test set."""
    folder = model_dir("digits")
    data = export_digits(RULE[rule], load_settings(folder / "model.toml")).data
    return _case(DIGITS.read_bytes(), data, *changed_digits("mirror"), Settings(epochs=2))


@functools.cache
def net_case(kind: str, loss: str, per_channel: bool, feedback: str) -> Case:
    """A generated net after 200 steps on random samples, at a rate that moves many weights."""
    rng = np.random.default_rng(5)
    how: dict[str, Any] = {"softmax": loss == "softmax_ce", "per_channel": per_channel}
    dense = functools.partial(dense_net, rng, (10, 12, 9, 4), input_zero_point=-17)
    factory = dense(**how) if kind == "dense" else cnn(rng, (6, 6, 2), channels=4, hidden=(9, 7), classes=4, **how)
    options = Options(train_last=1 if feedback == "last" else 3, feedback=feedback, loss=loss, rate=0.02)
    export = export_graph(load_tflite(factory, "net"), "net", options)
    samples, unseen = made_up_samples(export.image, 200, rng), made_up_samples(export.image, 100, rng)
    return _case(factory, export.data, samples, unseen, Settings())


def _check(case: Case, oracle: str) -> None:
    rows = ORACLES[oracle]
    batches = case.x.reshape(len(case.x), *load_tflite(case.merged, "m").tensors[0].shape)
    assert rows(case.merged, batches).tobytes() == case.said.tobytes()
    before = rows(case.factory, batches)
    assert np.mean(np.any(before != case.said, axis=1)) > 0.5, "hardly anything was learned: the test says nothing"


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("rule", ["last", "aligned k=2", "bp"])
def test_digits_after_learning(rule: str, oracle: str) -> None:
    case = digits_case(rule)
    assert len(case.x) == 360
    _check(case, oracle)


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("feedback", ["last", "aligned", "bp"])
@pytest.mark.parametrize("per_channel", [False, True], ids=["per-tensor", "per-channel"])
@pytest.mark.parametrize("loss", ["softmax_ce", "mse"])
@pytest.mark.parametrize("kind", ["dense", "cnn"])
def test_generated_nets_after_learning(kind: str, loss: str, per_channel: bool, feedback: str, oracle: str) -> None:
    _check(net_case(kind, loss, per_channel, feedback), oracle)


def _sharing(*inputs: int) -> bytes:
    """Three dense layers; the second reads these inputs (1: weights, 2: bias) of the first."""
    net = Net(np.random.default_rng(3), (8,)).dense(8).dense(8).dense(8, "NONE")
    first, second = net.ops[:2]
    taken = tuple(first.inputs[i] if i in inputs else own for i, own in enumerate(second.inputs))
    net.ops[1] = OpDef(second.kind, taken, second.outputs, second.options)
    return net.build()


@pytest.mark.parametrize("train_last", [2, 3])
@pytest.mark.parametrize("inputs", [(1,), (2,), (1, 2)])
def test_constants_that_two_layers_share_are_not_overwritten(inputs: tuple[int, ...], train_last: int) -> None:
    """On the device each layer has its own copy; in the file there is one place for both."""
    factory = _sharing(*inputs)
    export = export_graph(load_tflite(factory, "net"), "net", Options(train_last=train_last, rate=0.02))
    samples = made_up_samples(export.image, 50, np.random.default_rng(1))
    with pytest.raises(SdfaError, match="shares a constant with another layer in the file: convert the model again"):
        merge(read_image(adapt(Host(), export.data, samples).image), factory)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda tail: tail[0].update(weight_off=0), "have no such place in the file"),
        (lambda tail: tail[0].update(weight_off=tail[1]["weight_off"]), "have no such place in the file"),
        (lambda tail: tail[0].update(bias_off=-4), "have no such place in the file"),
        (lambda tail: tail[0].update(bias_off=2**70), "have no such place in the file"),
        (lambda tail: tail[0].update(bias_off="0"), "does not say where"),
        (lambda tail: tail[0].pop("place"), "does not say where"),
        (lambda tail: tail.pop(), "does not say where"),
        (lambda tail: tail.append({"place": 0}), "does not say where"),
    ],
)
def test_an_image_cannot_write_where_it_likes(change: Any, message: str) -> None:
    case = digits_case("bp")
    with pytest.raises(SdfaError, match=message):
        merge(read_image(with_meta(case.learned, lambda meta: change(meta["tail"]))), case.factory)


# --- the command ---


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with model.tflite, learned.sdfa and fresh.sdfa of digits."""
    (tmp_path / "learned.sdfa").write_bytes(digits_case("bp").learned)
    settings = load_settings(DIGITS.with_name("model.toml"))
    (tmp_path / "fresh.sdfa").write_bytes(export_digits(RULE["bp"], settings).data)
    shutil.copyfile(DIGITS, tmp_path / "model.tflite")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(pytools: Cli, work: Path, image: str, model: str) -> str:
    before = tree(work)
    line = one_line(pytools("merge", image, model, "-o", "new.tflite"))
    assert tree(work) == before
    return line


def test_the_command_writes_the_learned_model(work: Path, pytools: Cli) -> None:
    ran = done(pytools("merge", "learned.sdfa", "model.tflite", "-o", "m.tflite", "--json", "m.json"))
    merged = (work / "m.tflite").read_bytes()
    assert merged == digits_case("bp").merged
    changed = sum(a != b for a, b in zip(merged, DIGITS.read_bytes(), strict=True))
    model_id = read_image(digits_case("bp").learned).model_id.hex()
    found = json.loads((work / "m.json").read_text())
    assert found == {"model_id": model_id, "bytes": len(merged), "changed_bytes": changed}
    assert ran.out == f"Wrote m.tflite: {changed} bytes changed\n"


def test_the_merged_model_can_be_exported_again(work: Path, pytools: Cli) -> None:
    np.save("x.npy", digits_case("bp").x)
    done(pytools("merge", "learned.sdfa", "model.tflite", "-o", "m.tflite"))
    done(pytools("export", "m.tflite", "-o", "again", "--train-last", 3))
    done(pytools("run", "again/m.sdfa", "--inputs", "x.npy", "-o", "y.npy"))
    assert np.load("y.npy").tobytes() == digits_case("bp").said.tobytes()


def test_the_model_of_keras_is_not_the_file(work: Path, pytools: Cli) -> None:
    (work / "model.keras").write_bytes(b"PK\3\4 and so on")
    assert "this is a Keras model: give the .tflite file" in _refused(pytools, work, "learned.sdfa", "model.keras")


def test_an_image_without_learned_values(work: Path, pytools: Cli) -> None:
    assert "holds no learned values" in _refused(pytools, work, "fresh.sdfa", "model.tflite")


@pytest.mark.parametrize("how", ["another model", "one bit", "cut", "longer", "empty", "text"])
def test_another_file_than_the_image_came_from(work: Path, pytools: Cli, how: str) -> None:
    model = DIGITS.read_bytes()
    other = {
        "another model": dense_net(np.random.default_rng(0), (4, 3), softmax=True, per_channel=False),
        "one bit": model[:-1] + bytes([model[-1] ^ 1]),
        "cut": model[:-1], "longer": model + b"\0", "empty": b"", "text": b"hello",
    }  # fmt: skip
    (work / "other.tflite").write_bytes(other[how])
    assert "exported from another file (named 'model')" in _refused(pytools, work, "learned.sdfa", "other.tflite")


@pytest.mark.parametrize("length", [0, 3, 63, 64, 1000, -16, -1])
def test_a_truncated_image(work: Path, pytools: Cli, length: int) -> None:
    (work / "cut.sdfa").write_bytes(digits_case("bp").learned[:length])
    line = _refused(pytools, work, "cut.sdfa", "model.tflite")
    assert "cut.sdfa is damaged: " in line or "cut.sdfa is not an sdfa image" in line


def test_files_that_are_not_there(work: Path, pytools: Cli) -> None:
    assert "give an image made by pytools export" in _refused(pytools, work, "none.sdfa", "model.tflite")
    assert "give the .tflite file that the image was" in _refused(pytools, work, "learned.sdfa", "none.tflite")
    assert "give the .tflite file that the image was" in _refused(pytools, work, "learned.sdfa", ".")
