"""What `pytools run`, `learn` and `check` print and write."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.twin.learn import Twin
from tests.clikit import EXPORT, IMAGE, LEARN, Cli, X, Y, done, one_line
from tests.tflite_writer import dense_net


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


def test_a_fresh_image_is_not_overwritten_by_what_it_learns(work: Path, pytools: Cli) -> None:
    before = (work / IMAGE).read_bytes()
    for out in (IMAGE, f"./{IMAGE}"):
        message = one_line(pytools("learn", IMAGE, "--data", "ok.npz", "-o", out))
        assert "fresh from the exporter and would be overwritten: give another file" in message
    assert (work / IMAGE).read_bytes() == before


def test_check_counts_each_sample_once(pytools: Cli, work: Path) -> None:
    said = " ".join(done(pytools("check", IMAGE, "--data", "ok.npz", "--steps", 20)).out.split())
    assert "400 output bytes of 20 samples, before and after learning, compared, 0 differ" in said


def test_run_saves_int8_outputs_of_the_models_shape(work: Path, pytools: Cli) -> None:
    done(pytools("run", IMAGE, "--inputs", "x.npy", "-o", "y.npy"))
    outputs = np.load(work / "y.npy")
    assert (outputs.dtype, outputs.shape) == (np.int8, (20, 10))
    from sdfa.device.samples import quantize_input
    from sdfa.image.reader import read_image

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
    for command in (("learn", "reg/reg.sdfa", "-o", "l.sdfa"), ("check", "reg/reg.sdfa")):
        wide = one_line(pytools(*command, "--data", "wide.npz", "--target", target))
        assert "wide.npz: y has the shape (60, 3), but targets need (n, 2)" in wide


def test_values_beyond_every_range_are_clipped_in_silence(work: Path, pytools: Cli) -> None:
    _regression(work)
    done(pytools("export", "reg.tflite", "-o", "reg"))
    with np.load("reg.npz") as found:
        np.savez("far.npz", x=found["x"] * 1e38, y=found["y"] * 1e38)
    np.savez("bright.npz", x=X * 3e38, y=Y)
    for image, data in (("reg/reg.sdfa", "far.npz"), (IMAGE, "bright.npz")):
        done(pytools("learn", image, "--data", data, "-o", "l.sdfa"))
        done(pytools("check", image, "--data", data, "--steps", 20))


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
