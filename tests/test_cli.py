"""`pytools`: what is wrong is one line that says what to do, and nothing is written; what is right is written whole."""

from __future__ import annotations

import json
import os
import pickle
import pty
import re
import select
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

import sdfa.check
from sdfa import __version__, cli
from sdfa.bundle import model_dir
from sdfa.quantize import SUPPORTED_OPS
from sdfa.twin.learn import Twin
from tests.clikit import Cli, done, one_line, runner, tree
from tests.tflite_writer import Net, OpDef, TensorDef, dense_net, write_model
from tests.tiny_image import tiny_image

MODEL = model_dir("digits") / "model.tflite"
RNG = np.random.default_rng(1)
X = RNG.random((20, 8, 8, 1), np.float32)
Y = RNG.integers(0, 10, 20)
COMMANDS = ("export", "inspect", "run", "learn", "check", "merge", "bench", "demo")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image, samples and inputs, made once."""
    from sdfa.export import Options, export_file, write_files

    folder = tmp_path_factory.mktemp("made")
    write_files(export_file(MODEL, "digits", Options(train_last=3)), folder / "digits")
    write_files(export_file(MODEL, "frozen", Options(train_last=0)), folder / "frozen")
    np.savez(folder / "ok.npz", x=X, y=Y)
    np.save(folder / "x.npy", X)
    shutil.copyfile(MODEL, folder / "model.tflite")
    return folder


@pytest.fixture
def work(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it to work in."""
    folder = tmp_path / "work"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def pytools(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return runner(capsys, monkeypatch)


@pytest.fixture
def refused(pytools: Cli, work: Path) -> Callable[..., str]:
    """Runs commands that must be refused without a trace; returns the line."""

    def run(*args: object) -> str:
        before = tree(work)
        line = one_line(pytools(*args))
        assert tree(work) == before
        return line

    return run


IMAGE = "digits/digits.sdfa"
LEARN = ("learn", IMAGE, "--data", "ok.npz", "-o", "new.sdfa")
EXPORT = ("export", "model.tflite", "-o", "new")


# --- models ---


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"hello", "is not a .tflite file"), (b"", "is not a .tflite file"), (None, "Is a directory"),
     (b"none", "No such file"), (b"cut", "is damaged"), (b"image", "is not a .tflite file")],
)  # fmt: skip
def test_what_is_no_model(work: Path, refused: Any, content: bytes | None, message: str) -> None:
    path = work / "given.tflite"
    if content is None:
        path.mkdir()
    elif content == b"cut":
        path.write_bytes(MODEL.read_bytes()[:3000])
    elif content == b"image":
        path.write_bytes((work / IMAGE).read_bytes())
    elif content != b"none":
        path.write_bytes(content)
    assert message in refused("export", path, "-o", "new")
    if content != b"image":
        refused("inspect", path)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["hello_world_float", "ad01_fp32"])
def test_a_float_model_must_be_quantized_first(shared: Path, refused: Any, name: str) -> None:
    line = refused("export", shared / "models" / f"{name}.tflite", "-o", "new")
    assert "is float32, not int8: this is not a full-integer int8 model; quantize it with calibration data" in line


def _float_model() -> bytes:
    tensors = [
        TensorDef("in", (1, 4), "float32"), TensorDef("w", (2, 4), "float32", data=np.ones((2, 4), np.float32)),
        TensorDef("b", (2,), "float32", data=np.ones(2, np.float32)), TensorDef("out", (1, 2), "float32"),
    ]  # fmt: skip
    return write_model(tensors, [OpDef("FULLY_CONNECTED", (0, 1, 2), (3,))], [0], [3])


def _custom_model() -> bytes:
    net = Net(np.random.default_rng(0), (4,)).dense(3)
    out = net.tensor(TensorDef("odd", (1, 3), scale=(1.0,)))
    net.ops.append(OpDef("CUSTOM", (net.at,), (out,), custom="MyOp"))
    net.at = out
    return net.build()


def test_a_made_up_float_model(work: Path, refused: Any) -> None:
    (work / "float.tflite").write_bytes(_float_model())
    assert "'in' is float32, not int8" in refused("export", "float.tflite", "-o", "new")


def test_a_custom_operation_is_named_with_its_place(work: Path, refused: Any) -> None:
    (work / "custom.tflite").write_bytes(_custom_model())
    line = refused("export", "custom.tflite", "-o", "new")
    assert "operation 1 of 2, CUSTOM(MyOp) (makes 'odd'), is not supported" in line
    assert line.strip().endswith("supported: " + ", ".join(SUPPORTED_OPS))


@pytest.mark.shared
def test_an_unsupported_operation_is_named_with_its_place(shared: Path, refused: Any) -> None:
    line = refused("export", shared / "models" / "trained_lstm_int8.tflite", "-o", "new")
    assert "operation 0 of 4, UNIDIRECTIONAL_SEQUENCE_LSTM" in line
    assert all(kind in line for kind in SUPPORTED_OPS)


# --- images ---


def _spoil(data: bytes, how: str) -> bytes:
    if how == "flipped":
        middle = len(data) // 2
        return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    return {"cut": data[:5000], "header": data[:40], "empty": b"", "text": b"hello"}[how]


@pytest.mark.parametrize("how", ["cut", "header", "empty", "text", "flipped"])
@pytest.mark.parametrize("command", ["run", "learn", "check", "inspect", "merge"])
def test_a_damaged_image(work: Path, refused: Any, how: str, command: str) -> None:
    path = work / "bad.sdfa"
    path.write_bytes(_spoil((work / IMAGE).read_bytes(), how))
    line = refused(command, path, *_REST[command])
    assert re.search(r"bad\.sdfa is (damaged: .*; export it again|not an sdfa image; make one with)", line)


_REST: dict[str, tuple[str, ...]] = {
    "run": ("--inputs", "x.npy", "-o", "y.npy"),
    "learn": ("--data", "ok.npz", "-o", "new.sdfa"),
    "check": (),
    "inspect": (),
    "merge": ("model.tflite", "-o", "new.tflite"),
}


@pytest.mark.parametrize("command", ["run", "learn", "check", "merge"])
@pytest.mark.parametrize("path", ["none.sdfa", "digits", "model.tflite"])
def test_what_is_no_image(refused: Any, command: str, path: str) -> None:
    assert "pytools export" in refused(command, path, *_REST[command])


def test_an_image_without_meta_still_runs(work: Path, pytools: Cli) -> None:
    (work / "tiny.sdfa").write_bytes(tiny_image(learns=False))
    np.save("t.npy", np.zeros((3, 1, 1, 4), np.int8))
    done(pytools("run", "tiny.sdfa", "--inputs", "t.npy", "-o", "y.npy"))
    assert np.load("y.npy").shape == (3, 1, 1, 3)
    done(pytools("check", "tiny.sdfa"))
    done(pytools("inspect", "tiny.sdfa"))


def test_an_image_without_meta_cannot_be_merged_or_compared(work: Path, pytools: Cli) -> None:
    (work / "tiny.sdfa").write_bytes(tiny_image())
    np.savez("t.npz", x=np.zeros((3, 1, 1, 4), np.int8), y=np.arange(3))
    done(pytools("learn", "tiny.sdfa", "--data", "t.npz", "-o", "learned.sdfa"))
    one_line(pytools("merge", "learned.sdfa", "model.tflite", "-o", "m.tflite"))
    assert "export it again" in one_line(pytools("check", "tiny.sdfa"))


# --- samples ---

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


def test_npz_and_folders_are_no_inputs(refused: Any) -> None:
    assert "ok.npz is a .npz file: save the inputs alone with numpy.save" in refused(
        "run", IMAGE, "--inputs", "ok.npz", "-o", "y.npy"
    )
    for path in ("digits", "none.npy"):
        assert "give inputs saved with numpy.save" in refused("run", IMAGE, "--inputs", path, "-o", "y.npy")


# --- settings ---


@pytest.mark.parametrize("command", [LEARN, EXPORT], ids=["learn", "export"])
@pytest.mark.parametrize(
    ("rate", "message"),
    [("0", "does not fit"), ("-1", "does not fit"), ("nan", "does not fit"), ("inf", "does not fit"),
     ("1e9", "does not fit"), ("1e-12", "does not fit"), ("255", "is too large for trainable layer 0: give a smaller"),
     ("6e-8", "is too small for trainable layer 0: give a larger"), ("fast", "--lr")],
)  # fmt: skip
def test_learning_rates_that_no_device_takes(refused: Any, command: tuple[str, ...], rate: str, message: str) -> None:
    assert message in refused(*command, f"--lr={rate}")


@pytest.mark.parametrize("command", [LEARN, EXPORT], ids=["learn", "export"])
@pytest.mark.parametrize("threshold", ["-0.1", "1", "2", "nan", "inf"])
def test_thresholds_out_of_range(refused: Any, command: tuple[str, ...], threshold: str) -> None:
    assert "is out of range: from 0 to below 1" in refused(*command, f"--threshold={threshold}")


@pytest.mark.parametrize(
    ("command", "options", "message"),
    [
        (LEARN, ["--epochs", "0"], "--epochs"),
        (LEARN, ["--epochs", "1000000000000"], "--epochs"),
        (LEARN, ["--seed", "-1"], "--seed"),
        (LEARN, ["--seed", "4294967296"], "--seed"),
        (EXPORT, ["--seed", "-1"], "--seed"),
        (EXPORT, ["--seed", str(10**50)], "--seed"),
        (("check", IMAGE), ["--seed", "-1"], "--seed"),
        (("check", IMAGE), ["--steps", "0"], "--steps"),
        (("check", IMAGE), ["--steps", str(10**12)], "--steps"),
        (EXPORT, ["--train-last", "4"], "only 3 dense layers with bias"),
        (EXPORT, ["--train-last", "-1"], "--train-last"),
        (EXPORT, ["--connections", "0"], "--connections"),
        (EXPORT, ["--connections", "11"], "between 1 and the number of outputs, 10"),
        (EXPORT, ["--connections", "2", "--feedback", "bp"], "--connections has no use with --feedback bp"),
        (EXPORT, ["--calib", "ok.npz", "--feedback", "random"], "--calib has no use with --feedback random"),
        (EXPORT, ["--feedback", "magic"], "unknown feedback 'magic'; known: last, random, aligned, dense, bp"),
        (EXPORT, ["--feedback", "last", "--train-last", "2"], "trains the output layer alone"),
        (EXPORT, ["--loss", "hinge"], "unknown loss 'hinge'; known: softmax_ce, mse"),
        (EXPORT, ["--loss", "mse"], "ends in SOFTMAX"),
        (EXPORT, ["--name", "1a"], "does not make a C name"),
        (EXPORT, ["--name", ""], "does not make a C name"),
        (EXPORT, ["--labels", "a,b"], "2 labels for a model with 10 outputs"),
        (("check", IMAGE), ["--target", "qemu:foo"], "there is microbit, mps2-an385"),
        (LEARN, ["--target", "mars"], "unknown target 'mars'; there is host, qemu:microbit"),
        (("demo", "-o", "d"), ["--target", "qemu:foo"], "there is microbit"),
        (("demo", "-o", "d"), ["--sensor", "upside"], "known are shift, mirror, rot90"),
        (("fly",), [], "No such command"),
        (("check", IMAGE), ["--fast"], "No such option"),
        (("export",), [], "Missing"),
        (("learn", IMAGE), [], "Missing option"),
    ],
)
def test_settings_that_make_no_sense(refused: Any, command: tuple[str, ...], options: list[str], message: str) -> None:
    assert message in refused(*command, *options)


def test_a_frozen_image_neither_learns_nor_merges(refused: Any) -> None:
    frozen = "frozen/frozen.sdfa"
    assert "nothing learns in this image: export it without --train-last 0" in refused(
        "learn", frozen, "--data", "ok.npz", "-o", "new.sdfa"
    )
    assert "leave it away" in refused("check", frozen, "--data", "ok.npz")
    assert "run pytools learn first" in refused("merge", frozen, "model.tflite", "-o", "new.tflite")
    assert "run pytools learn first" in refused("merge", IMAGE, "model.tflite", "-o", "new.tflite")


# --- model.toml ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not sound TOML"),
        ("x = 1", "unknown entry 'x'"),
        ("[learning]\nrate = 'fast'", "rate must be a float"),
        ("[budget]\nram = 600", "the budget in model.toml is 600; largest: tail 4056, arena 640, state 1"),
    ],
)  # fmt: skip
def test_a_bad_model_toml(work: Path, refused: Any, text: str, message: str) -> None:
    (work / "model.toml").write_text(f"{text}\n")
    assert message in refused(*EXPORT, *(["--train-last", "3"] if "budget" in text else []))


def test_a_flash_budget_names_three_contributors(work: Path, refused: Any) -> None:
    (work / "model.toml").write_text("[budget]\nflash = 1000\n")
    line = refused(*EXPORT)
    assert re.search(
        r"flash: \d+ bytes, the budget in model.toml is 1000; largest: [^:]* \d+, [^:]* \d+, [^:]* \d+:", line
    )


def test_a_model_toml_of_another_file_is_mentioned(work: Path, pytools: Cli) -> None:
    (work / "model.toml").write_text('name = "other"\nsha256 = "00"\n')
    assert "note: model.toml beside model.tflite is about another file: not used" in done(pytools(*EXPORT)).out
    assert (work / "new" / "model.sdfa").exists()


def test_last_works_where_model_toml_trains_three_layers(pytools: Cli, tmp_path: Path) -> None:
    done(pytools("export", MODEL, "-o", tmp_path / "new", "--feedback", "last"))


# --- places to write to ---


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((*EXPORT[:3], "ok.npz"), "ok.npz is a file, not a folder: give another -o"),
        ((*EXPORT[:3], "ok.npz/sub"), "ok.npz is a file, not a folder"),
        ((*EXPORT[:3], "."), "holds something else"),
        ((*EXPORT, "--json", "none/r.json"), "there is no folder none: make it first"),
        ((*EXPORT, "--json", "digits"), "digits is a folder"),
        ((*EXPORT, "--json", "model.tflite"), "would be overwritten"),
        ((*LEARN[:5], "digits"), "digits is a folder"),
        ((*LEARN[:5], "none/l.sdfa"), "there is no folder none"),
        ((*LEARN[:5], "ok.npz"), "ok.npz would be overwritten"),
        ((*LEARN, "--json", "none/r.json"), "there is no folder none"),
        ((*LEARN, "--json", "new.sdfa"), "new.sdfa would be overwritten"),
        ((*LEARN, "--json", IMAGE), "would be overwritten"),
        (("run", IMAGE, "--inputs", "x.npy", "-o", "digits"), "digits is a folder"),
        (("run", IMAGE, "--inputs", "x.npy", "-o", "x.npy"), "x.npy would be overwritten"),
        (("run", IMAGE, "--inputs", "x.npy", "-o", "ok.npz/y"), "there is no folder ok.npz"),
        (("check", IMAGE, "--json", "none/r.json"), "there is no folder none"),
        (("inspect", IMAGE, "--json", IMAGE), "would be overwritten"),
        (("merge", IMAGE, "model.tflite", "-o", "model.tflite"), "model.tflite would be overwritten"),
        (("demo", "-o", "ok.npz"), "ok.npz is a file, not a folder"),
        (("demo", "-o", "d", "--json", "none/r.json"), "there is no folder none"),
    ],
)
def test_places_that_cannot_be_written(refused: Any, command: tuple[str, ...], message: str) -> None:
    assert message in refused(*command)


def test_a_place_without_the_right_to_write(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _, mode, **__: mode != os.W_OK)  # root may write everywhere
    assert "new.sdfa may not be written: give a place where you have the right to" in refused(*LEARN)


def test_a_full_disk_leaves_the_old_file(work: Path, pytools: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (work / "new.sdfa").write_bytes(b"precious")
    before = tree(work)

    def full(path: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    ran = pytools(*LEARN)
    monkeypatch.undo()
    assert "No space left on device" in one_line(ran)
    assert tree(work) == before


def test_merging_into_another_model_is_refused(work: Path, pytools: Cli) -> None:
    done(pytools(*LEARN))
    (work / "other.tflite").write_bytes(dense_net(np.random.default_rng(0), (4, 3), softmax=True, per_channel=False))
    assert "exported from another file" in one_line(pytools("merge", "new.sdfa", "other.tflite", "-o", "m.tflite"))
    assert not (work / "m.tflite").exists()


# --- tools and boards ---


def test_no_compiler(refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "/nonexistent")
    monkeypatch.setenv("PATH", "")
    assert "no C compiler found: install gcc (apt install gcc) or set CC" in refused("check", IMAGE)
    assert "no C compiler found" in refused(*LEARN)


@pytest.mark.parametrize(
    ("board", "tool", "package"),
    [
        ("microbit", "arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("microbit", "qemu-system-arm", "gcc-arm-none-eabi"),
        ("riscv32", "riscv64-unknown-elf-gcc", "gcc-riscv64-unknown-elf"),
        ("riscv32", "qemu-system-riscv32", "qemu-system-misc"),
    ],
)
def test_no_tools_for_a_board(
    refused: Any, monkeypatch: pytest.MonkeyPatch, board: str, tool: str, package: str
) -> None:
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == tool else which(name) or f"/usr/bin/{name}")
    line = refused("check", IMAGE, "--target", f"qemu:{board}")
    assert f"{tool} not found: apt install " in line
    assert package in line


@pytest.mark.qemu
def test_a_model_that_is_too_large_for_the_board(work: Path, pytools: Cli) -> None:
    for n, message in ((3000, "the board has room for 196608"), (150, "bytes of RAM (arena + tail)")):
        net = dense_net(np.random.default_rng(0), (100, n, 3), softmax=True, per_channel=False)
        (work / "big.tflite").write_bytes(net)
        done(pytools("export", "big.tflite", "-o", f"big{n}"))
        line = one_line(pytools("check", f"big{n}/big.sdfa", "--target", "qemu:microbit"))
        assert message in line


# --- results ---


@pytest.mark.parametrize(
    "command", [("inspect", IMAGE), ("inspect", "model.tflite"), ("check", IMAGE), LEARN, EXPORT,
                ("run", IMAGE, "--inputs", "x.npy", "-o", "y.npy")], ids=lambda c: " ".join(c[:2])
)  # fmt: skip
def test_json_on_stdout_is_nothing_but_json(work: Path, pytools: Cli, command: tuple[str, ...]) -> None:
    ran = done(pytools(*command, "--json", "-"))
    assert isinstance(json.loads(ran.out), dict)
    shutil.rmtree("new", ignore_errors=True)
    done(pytools(*command, "--json", "r.json"))
    assert json.loads((work / "r.json").read_text()) == json.loads(ran.out)


def test_learn_reports_what_other_programs_read(work: Path, pytools: Cli) -> None:
    ran = done(pytools(*LEARN, "--epochs", 3, "--json", "r.json", "--seed", 7, "--lr", 0.01, "--threshold", 0))
    found = json.loads((work / "r.json").read_text())
    assert 0 <= found["accuracy_before"] <= 1
    assert 0 <= found["accuracy_after"] <= 1
    assert found["steps"] == 60
    assert 0 < found["weights_updated"] <= found["weights_nonzero"] <= found["weights_total"] == 60 * 3760
    assert set(found["saturations"]) == {"weights", "activations", "logits"}
    assert "60 steps, scored on ok.npz" in ran.out


def test_learning_is_repeatable_and_can_go_on_in_place(work: Path, pytools: Cli) -> None:
    done(pytools(*LEARN))
    first = (work / "new.sdfa").read_bytes()
    done(pytools(*LEARN))
    assert (work / "new.sdfa").read_bytes() == first
    done(pytools(*LEARN, "--seed", 2))
    assert (work / "new.sdfa").read_bytes() != first
    done(pytools("learn", "new.sdfa", "--data", "ok.npz", "-o", "new.sdfa", "--lr", 0.01))
    assert "Learned: 40 steps" in done(pytools("inspect", "new.sdfa")).out
    for target in ("host", "qemu:microbit"):
        found = json.loads(done(pytools("check", "new.sdfa", "--target", target, "--steps", 50, "--json", "-")).out)
        assert found["mismatching_bytes"] == 0
        assert found["learning"]["weights_moved"] > 0


def test_run_saves_int8_outputs_of_the_models_shape(work: Path, pytools: Cli) -> None:
    done(pytools("run", IMAGE, "--inputs", "x.npy", "-o", "y.npy"))
    outputs = np.load(work / "y.npy")
    assert (outputs.dtype, outputs.shape) == (np.int8, (20, 10))
    from sdfa.adapt import quantize_input
    from sdfa.image_reader import read_image

    np.save("q.npy", quantize_input(read_image((work / IMAGE).read_bytes()), X))
    done(pytools("run", IMAGE, "--inputs", "q.npy", "-o", "z.npy"))
    np.testing.assert_array_equal(np.load(work / "z.npy"), outputs)


def _regression(work: Path) -> tuple[int, int]:
    net = dense_net(np.random.default_rng(3), (6, 12, 2), softmax=False, per_channel=True, headroom=1.25)
    (work / "reg.tflite").write_bytes(net)
    rng = np.random.default_rng(4)
    x = rng.uniform(-1, 1, (60, 6)).astype(np.float32)
    np.savez(work / "reg.npz", x=x, y=np.stack([x[:, 0] + x[:, 1], x[:, 2] - x[:, 3]], axis=1))
    np.savez(work / "wide.npz", x=x, y=np.zeros((60, 3)))
    return len(x), 6


@pytest.mark.parametrize("target", ["host", pytest.param("qemu:mps2-an386", marks=pytest.mark.qemu)])
def test_a_regression_learns(work: Path, pytools: Cli, target: str) -> None:
    _regression(work)
    done(pytools("export", "reg.tflite", "-o", "reg"))
    learn = ("learn", "reg/reg.sdfa", "--data", "reg.npz", "-o", "l.sdfa", "--epochs", 20, "--target", target)
    done(pytools(*learn, "--json", "r.json"))
    found = json.loads((work / "r.json").read_text())
    assert found["rmse_after"] < 0.7 * found["rmse_before"]
    assert "rmse" in done(pytools(*learn)).out
    assert "0 differ" in done(pytools("check", "reg/reg.sdfa", "--data", "reg.npz", "--target", target)).out
    wide = one_line(pytools("learn", "reg/reg.sdfa", "--data", "wide.npz", "-o", "l.sdfa", "--target", target))
    assert "the model has 2 outputs" in wide


@pytest.mark.parametrize("target", ["host", pytest.param("qemu:microbit", marks=pytest.mark.qemu)])
@pytest.mark.parametrize("image", [IMAGE, "frozen/frozen.sdfa"])
def test_check_without_data(pytools: Cli, work: Path, target: str, image: str) -> None:
    ran = done(pytools("check", image, "--target", target, "--steps", 100))
    assert "0 differ" in ran.out
    assert json.loads(done(pytools("check", image, "--target", target, "--steps", 100, "--json", "-")).out)


def test_check_fails_on_one_byte(work: Path, pytools: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    true_run = Twin.run

    def one_off(self: Any, x: Any) -> Any:
        found = true_run(self, x)
        found.output.flat[0] ^= 1
        return found

    monkeypatch.setattr(Twin, "run", one_off)
    ran = pytools("check", IMAGE, "--steps", 10, "--json", "-")
    assert ran.code == 1
    assert json.loads(ran.out)["mismatching_bytes"] == 2
    assert re.fullmatch(r"pytools: 2 bytes differ from the integer twin on host: .*\n", ran.err)


def test_merge_puts_the_learned_weights_into_the_model(work: Path, pytools: Cli) -> None:
    done(pytools(*LEARN))
    done(pytools("merge", "new.sdfa", "model.tflite", "-o", "m.tflite", "--json", "m.json"))
    done(pytools("export", "m.tflite", "-o", "again", "--train-last", 3))
    for image in ("new.sdfa", "again/m.sdfa"):
        done(pytools("run", image, "--inputs", "x.npy", "-o", f"{Path(image).stem}.npy"))
    np.testing.assert_array_equal(np.load("new.npy"), np.load("m.npy"))
    assert json.loads((work / "m.json").read_text())["changed_bytes"] > 100


def test_names_with_brackets_are_names(work: Path, pytools: Cli) -> None:
    folder = work / "[red]a[" / "b]"
    folder.parent.mkdir()
    (folder.parent / "[bold] :smile:.tflite").write_bytes(MODEL.read_bytes())
    ran = done(pytools("export", folder.parent / "[bold] :smile:.tflite", "-o", folder))
    assert str(folder / "bold_smile.sdfa") in ran.out
    assert "[bold] :smile:" in done(pytools("inspect", folder / "bold_smile.sdfa")).out


# --- help ---


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(pytools: Cli, command: str) -> None:
    out = done(pytools(command, "--help")).out
    assert f"Example: pytools {command} " in out
    assert max(map(len, out.splitlines())) <= 80


def test_help_of_the_whole_and_version(pytools: Cli) -> None:
    out = done(pytools("--help")).out
    assert all(f" {command} " in out for command in COMMANDS)
    ran = pytools()
    assert (ran.code, ran.out.strip(), ran.err) == (2, out.strip(), "")
    assert done(pytools("--version")).out == f"{__version__}\n"


def _examples() -> dict[str, list[str]]:
    """The command lines that the help shows."""
    found = {}
    for command in COMMANDS:
        function = getattr(cli, command)
        (line,) = re.findall(r"Example: \[cyan\](.*?)\[/cyan\]", function.__doc__)
        found[command] = shlex.split(line)
    return found


@pytest.mark.qemu
def test_every_example_runs(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(MODEL.parent, tmp_path / "models" / "digits")
    np.save("x.npy", X)
    np.savez("new.npz", x=X, y=Y)
    for command, (program, *args) in _examples().items():
        assert (program, args[0]) == ("pytools", command)
        out = done(pytools(*args)).out
        assert max(map(len, out.splitlines())) <= 80
    for path in ("build/digits/digits.sdfa", "y.npy", "learned.sdfa", "learned.tflite", "build/demo/curves.png"):
        assert (tmp_path / path).stat().st_size


# --- as a process ---


def _start(*args: object, **options: Any) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "sdfa.cli", *map(str, args)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def test_errors_of_a_process(work: Path) -> None:
    for args in (("check", "none.sdfa"), ("fly",), ("export", "ok.npz", "-o", "new")):
        process = _start(*args, stdout=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        assert process.returncode > 0
        assert out == b""
        assert re.fullmatch(rb"pytools: [^\n]+\n", err)


def test_a_terminal_sees_json_alone(work: Path) -> None:
    """Status and progress never mix with it, even where stdout is a terminal."""
    ours, theirs = pty.openpty()
    process = _start(*LEARN, "--json", "-", stdout=theirs, stdin=theirs)
    os.close(theirs)
    out = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            out += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["steps"] == 20


def test_nobody_reads_the_output(work: Path) -> None:
    for args in (("inspect", IMAGE), ("inspect", IMAGE, "--json", "-"), ("--help",)):
        ours, theirs = os.pipe()
        os.close(ours)
        process = _start(*args, stdout=theirs)
        os.close(theirs)
        _, err = process.communicate(timeout=60)
        assert err == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_the_output_does_not_fit(work: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = _start("inspect", IMAGE, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(rb"pytools: [^\n]*No space left on device\n", err)


def test_an_interrupt_is_no_traceback(work: Path) -> None:
    before = tree(work)
    process = _start("check", IMAGE, "--steps", 1000000, stdout=subprocess.DEVNULL)
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, b"pytools: stopped")
    assert tree(work) == before


def test_output_without_box_characters(work: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = _start("inspect", IMAGE, stdout=subprocess.PIPE, env=environment)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert out.isascii()


def test_running_out_of_memory_is_one_line(work: Path, pytools: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(sdfa.check, "check", greedy)
    assert "out of memory: give fewer samples" in one_line(pytools("check", IMAGE))


def test_typer_knows_our_usage_error() -> None:
    assert issubclass(typer.BadParameter, cli._UsageError)
