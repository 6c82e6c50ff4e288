"""`pytools export`: which models and settings it refuses, and with which line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.lower import SUPPORTED_OPS
from tests.clikit import EXPORT, IMAGE, MODEL, Cli, done
from tests.tflite_writer import Net, OpDef, TensorDef, write_model


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


# --- model.toml ---


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "is not sound TOML"),
        ("x = 1", "unknown entry 'x'"),
        ("[learning]\nrate = 'fast'", "rate must be a float"),
        ("[budget]\nram = 600", "the budget is 600; largest: tail 4056, arena 640, state 1"),
    ],
)  # fmt: skip
def test_a_bad_model_toml(work: Path, refused: Any, text: str, message: str) -> None:
    (work / "model.toml").write_text(f"{text}\n")
    line = refused(*EXPORT, *(["--train-last", "3"] if "budget" in text else []))
    assert message in line
    assert ("let fewer layers learn (--train-last)" in line) == ("budget" in text)


def test_a_flash_budget_names_three_contributors(work: Path, refused: Any) -> None:
    (work / "model.toml").write_text("[budget]\nflash = 1000\n")
    line = refused(*EXPORT)
    assert re.search(r"flash: \d+ bytes, the budget is 1000; largest: [^:]* \d+, [^:]* \d+, [^:]* \d+:", line)


def test_a_model_toml_of_another_file_is_mentioned(work: Path, pytools: Cli) -> None:
    (work / "model.toml").write_text('name = "other"\nsha256 = "00"\n')
    assert "note: model.toml beside model.tflite is about another file: not used" in done(pytools(*EXPORT)).out
    assert (work / "new" / "model.sdfa").exists()


def test_last_works_where_model_toml_trains_three_layers(pytools: Cli, tmp_path: Path) -> None:
    done(pytools("export", MODEL, "-o", tmp_path / "new", "--feedback", "last"))


def test_names_with_brackets_are_names(work: Path, pytools: Cli) -> None:
    folder = work / "[red]a[" / "b]"
    folder.parent.mkdir()
    (folder.parent / "[bold] :smile:.tflite").write_bytes(MODEL.read_bytes())
    ran = done(pytools("export", folder.parent / "[bold] :smile:.tflite", "-o", folder))
    assert str(folder / "bold_smile.sdfa") in ran.out
    assert "[bold] :smile:" in done(pytools("inspect", folder / "bold_smile.sdfa")).out


def test_layers_that_learn_are_counted_as_freeze_and_inspect_do(work: Path, pytools: Cli) -> None:
    lines = done(pytools("export", "model.tflite", "-o", "two", "--train-last", 2)).out.splitlines()
    start = next(i for i, line in enumerate(lines) if "at ±127" in line)
    rows = [re.findall(r"[\d,]+", line) for line in lines[start + 2 : start + 4]]
    assert [row[0] for row in rows] == ["0", "1"]
    assert int(rows[0][1]) + 1 == int(rows[1][1]) > 1  # operations, as the first table counts them
