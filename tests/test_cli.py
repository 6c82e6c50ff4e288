"""`pytools`: what is wrong is one line that says what to do, and nothing is written."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.clikit import EXPORT, IMAGE, LEARN, REST, Cli, done, one_line, tree
from tests.samples import with_meta
from tests.tflite_writer import dense_net
from tests.tiny_image import tiny_image

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
    line = refused(command, path, *REST[command])
    assert re.search(r"bad\.sdfa is (damaged: .*; export it again|not an sdfa image; make one with)", line)


@pytest.mark.parametrize("command", ["run", "learn", "check", "merge"])
@pytest.mark.parametrize("path", ["none.sdfa", "digits", "model.tflite"])
def test_what_is_no_image(refused: Any, command: str, path: str) -> None:
    assert "pytools export" in refused(command, path, *REST[command])


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


@pytest.mark.parametrize("scale", [float("inf"), float("nan"), 1e300, "x", None])
@pytest.mark.parametrize("name", ["input_scale", "weight_scale"])
def test_a_meta_without_sense_cannot_be_compared(work: Path, refused: Any, name: str, scale: Any) -> None:
    image = (work / IMAGE).read_bytes()
    (work / "odd.sdfa").write_bytes(with_meta(image, lambda meta: meta["tail"][0].update({name: scale})))
    assert "export it again" in refused("check", "odd.sdfa", "--steps", 2)


def test_names_from_files_cannot_command_the_terminal(work: Path, pytools: Cli) -> None:
    odd = with_meta((work / IMAGE).read_bytes(), lambda meta: meta.update(name="\x1b[31m", source="\x1b]0;x\x07\n"))
    (work / "odd.sdfa").write_bytes(odd)
    assert "\x1b" not in done(pytools("inspect", "odd.sdfa")).out
    (work / "\x1b[31m.sdfa").write_bytes(b"")
    assert "?[31m.sdfa is not an sdfa image" in one_line(pytools("check", "\x1b[31m.sdfa"))


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
        (EXPORT, ["--feedback", "magic"], "unknown feedback 'magic'; known: last, random, aligned, dense, bp, live"),
        (EXPORT, ["--rank", "2"], "--rank has no use with --feedback live"),
        (EXPORT, ["--centred", "--feedback", "aligned"], "--centred has no use with --feedback aligned"),
        (EXPORT, ["--jacobian", "mean", "--feedback", "bp"], "--jacobian has no use with --feedback bp"),
        (EXPORT, ["--calib", "ok.npz", "--jacobian", "product"], "--calib has no use with --jacobian product"),
        (("inspect", IMAGE), ["--calib", "ok.npz"], "--calib has no use without --feedback"),
        (("inspect", "model.tflite"), [IMAGE], "model.tflite is a model, and images are compared: export both"),
        (("inspect", "model.tflite"), ["--feedback"], "has no feedback yet: export it"),
        (EXPORT, ["--feedback", "last", "--train-last", "2"], "trains the output layer alone"),
        (EXPORT, ["--loss", "hinge"], "unknown loss 'hinge'; known: softmax_ce, mse"),
        (EXPORT, ["--loss", "mse"], "ends in SOFTMAX"),
        (EXPORT, ["--name", "1a"], "does not make a C name"),
        (EXPORT, ["--name", ""], "does not make a C name"),
        (EXPORT, ["--name", "sdfa_link"], "sdfa_link.h is a header of the runtime, or one that it includes"),
        (EXPORT, ["--name", "stdint"], "stdint.h is a header of the runtime, or one that it includes"),
        (EXPORT, ["--budget", ""], "--budget '': say ram=20K,flash=64K"),
        (EXPORT, ["--name", "my-model"], "--name 'my-model' is no C name: give my_model"),
        (EXPORT, ["--name", "a" * 41], "at most 40 letters, digits, underscores"),
        *(
            (EXPORT, ["--train-last", "0", option, value], f"{option} has no use where nothing learns")
            for option, value in (
                ("--lr", "nan"),
                ("--threshold", "9"),
                ("--loss", "none"),
                ("--feedback", "bp"),
                ("--connections", "1"),
                ("--calib", "ok.npz"),
            )
        ),
        (EXPORT, ["--labels", ","], "0 labels for a model with 10 outputs"),
        (EXPORT, ["--labels", "a,,c,d,e,f,g,h,i,j"], "9 labels for a model with 10 outputs"),
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
    assert "let it learn first" in refused("merge", frozen, "model.tflite", "-o", "new.tflite")
    assert "let it learn first" in refused("merge", IMAGE, "model.tflite", "-o", "new.tflite")


# --- places to write to ---


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((*EXPORT[:3], "ok.npz"), "ok.npz is a file, not a folder: give another folder"),
        ((*EXPORT[:3], "ok.npz/sub"), "ok.npz is a file, not a folder"),
        ((*EXPORT[:3], "."), "holds something else"),
        ((*EXPORT, "--json", "none/r.json"), "there is no folder none: make it first"),
        ((*EXPORT, "--json", "digits"), "digits is a folder"),
        ((*EXPORT, "--json", "model.tflite"), "would be overwritten"),
        ((*LEARN[:5], "digits"), "digits is a folder"),
        ((*LEARN[:5], "none/l.sdfa"), "there is no folder none"),
        ((*LEARN[:5], "ok.npz"), "ok.npz would be overwritten"),
        ((*LEARN[:5], "-"), "only --json goes to stdout as '-'"),
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
