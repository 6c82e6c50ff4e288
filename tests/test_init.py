"""`pytools init`: untrained nets that learn from scratch, and whose learned weights come back as a .tflite file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from sdfa.data import load_digits
from sdfa.errors import SdfaError
from sdfa.export import Options
from sdfa.image_reader import read_image
from sdfa.init import Calibration, init_net
from sdfa.load import load_tflite
from tests.clikit import Cli, done, one_line


def test_all_layers_learn_by_default() -> None:
    export, model = init_net((8, 6, 5, 3), None, None, 4.0, Options())
    learning = export.report["learning"]
    assert [(layer["in"], layer["out"]) for layer in learning["layers"]] == [(8, 6), (6, 5), (5, 3)]
    assert (learning["feedback"], learning["connections"], learning["loss"]) == ("random", 2, "softmax_ce")
    assert export.name == "net_8_6_5_3"
    assert export.image.meta["source_sha256"] == hashlib.sha256(model).hexdigest()


@pytest.mark.parametrize("feedback", ["random", "dense", "bp", "last", "live"])
def test_feedback_kinds(feedback: str) -> None:
    export, _ = init_net((8, 6, 3), None, None, 4.0, Options(feedback=feedback))
    assert export.report["learning"]["feedback"] == feedback
    assert len(export.report["learning"]["layers"]) == (1 if feedback == "last" else 2)


def test_aligned_feedback_needs_a_trained_net() -> None:
    with pytest.raises(SdfaError, match="needs a trained network, this one is random: use random"):
        init_net((8, 6, 3), None, None, 4.0, Options(feedback="aligned"))


def test_the_seed_chooses_weights_and_feedback() -> None:
    first, again, other = (init_net((8, 6, 3), "n", None, 4.0, Options(seed=s))[0] for s in (1, 1, 2))
    assert first.data == again.data
    assert first.image.tail != other.image.tail


def test_a_regression_needs_targets() -> None:
    x = np.random.default_rng(0).random((20, 4)).astype(np.float32)
    with pytest.raises(SdfaError, match="give --calib with x and y"):
        init_net((4, 6, 1), None, Calibration(x), 4.0, Options(loss="mse"))
    export, _ = init_net((4, 6, 1), None, Calibration(x, 5 * x[:, :1]), 1.0, Options(loss="mse"))
    assert 127 * export.image.meta["output"]["scale"] == pytest.approx(5 * x[:, 0].max())


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    train, test = load_digits()
    np.savez("train.npz", x=train.x[:400], y=train.y[:400])
    np.savez("test.npz", x=test.x, y=test.y)
    return tmp_path


def test_from_nothing_to_a_learned_tflite(pytools: Cli, digits: Path) -> None:
    out = done(pytools("init", "64-32-10", "--calib", "train.npz", "--labels", "0,1,2,3,4,5,6,7,8,9", "-o", "n")).out
    assert "no --calib" not in out
    names = {f"net_64_32_10{ext}" for ext in (".sdfa", ".c", ".h", ".json", ".tflite")}
    assert {path.name for path in (digits / "n").iterdir()} == names
    learn = ("--data", "train.npz", "--eval-data", "test.npz", "--epochs", 3, "--json", "r.json", "-o", "l.sdfa")
    done(pytools("learn", "n/net_64_32_10.sdfa", *learn))
    done(pytools("merge", "l.sdfa", "n/net_64_32_10.tflite", "-o", "l.tflite"))
    merged = load_tflite((digits / "l.tflite").read_bytes(), "l")
    learned = read_image((digits / "l.sdfa").read_bytes())
    assert learned.learned_tail is not None
    weights = next(t.data for t in merged.tensors if t.name == "dense0/weights")
    assert weights is not None
    assert weights.tobytes() in learned.learned_tail
    assert json.loads((digits / "r.json").read_text())["accuracy_after"] > 0.8
    done(pytools("init", "64-32-10", "-o", "n"))  # again, over itself


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("64",), "give the width of the input and of each layer"),
        (("64-10", "--feedback", "aligned"), "needs a trained network"),
        (("64-10", "--feedback", "magic"), "unknown feedback 'magic'"),
        (("64-32-10", "--connections", "11"), "between 1 and the number of outputs, 10"),
        (("64-32-10", "--connections", "2", "--feedback", "bp"), "--connections has no use with --feedback bp"),
        (("64-10", "--train-last", "2"), "only 1 dense layers"),
        (("64-1",), "cross-entropy needs at least 2 outputs"),
        (("64-10", "--loss", "mse"), "give --calib with x and y (targets)"),
        (("64-10", "--loss", "hinge"), "unknown loss 'hinge'"),
        (("64-10", "--headroom", "0.5"), "headroom 0.5: from 1 to 64"),
        (("64-10", "--headroom", "nan"), "headroom nan: from 1 to 64"),
        (("63-10", "--calib", "train.npz"), "the model takes (n, 63); reshape x"),
        (("64-10", "--calib", "none.npz"), "there is no such file"),
        (("64-10", "--calib", "train.npz", "--loss", "mse"), "targets need (n, 10)"),
        (("64-10", "--name", "a-b"), "--name 'a-b' is no C name: give a_b"),
        (("64-10", "--labels", "a,b"), "2 labels for a model with 10 outputs"),
        (("64-10", "--lr", "0"), "does not fit"),
    ],
)
def test_what_is_refused(pytools: Cli, digits: Path, args: tuple[str, ...], message: str) -> None:
    assert message in one_line(pytools("init", *args, "-o", "n"))
    assert not (digits / "n").exists()


def test_without_calibration_the_range_is_said() -> None:
    export, _ = init_net((8, 6, 3), None, None, 4.0, Options())
    assert "no --calib: inputs are expected between 0 and 1" in export.report["warnings"]
    assert export.image.meta["input"]["scale"] == pytest.approx(1 / 255, rel=0.01)
