"""`pytools bench`: figures that are exact, add up, and come out again in every run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.bundle import model_dir
from sdfa.exporter.export import Options, export_graph
from sdfa.targets.machines import MACHINES
from sdfa.tflite.load import load_tflite, read_model
from tests.clikit import Cli, done, one_line, runner
from tests.tflite_writer import Net, dense_net

N = 4
RNG = np.random.default_rng(1)


@pytest.fixture
def pytools(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """In an empty folder."""
    monkeypatch.chdir(tmp_path)
    return runner(capsys, monkeypatch)


def write_digits(train_last: int) -> None:
    graph, _ = read_model(model_dir("digits") / "model.tflite")
    Path("digits.sdfa").write_bytes(export_graph(graph, "digits", Options(train_last=train_last)).data)
    np.savez("ok.npz", x=RNG.random((N, 8, 8, 1), np.float32), y=RNG.integers(0, 10, N))


def write_model(tflite: bytes, **options: Any) -> None:
    Path("net.sdfa").write_bytes(export_graph(load_tflite(tflite, "net"), "net", Options(**options)).data)


def bench(pytools: Cli, image: str, *args: object, board: str = "mps2-an386") -> dict[str, Any]:
    ran = done(pytools("bench", image, "--target", f"qemu:{board}", "--json", "-", *args))
    result: dict[str, Any] = json.loads(ran.out)
    return result


@pytest.mark.qemu
@pytest.mark.parametrize("board", MACHINES)
def test_the_parts_make_the_whole_on_every_board(pytools: Cli, board: str) -> None:
    write_digits(3)
    found = bench(pytools, "digits.sdfa", "--data", "ok.npz", board=board)
    calls, ram, flash = found["instructions"], found["ram"], found["flash"]
    run, learn = calls["run"], calls["learn"]
    assert (found["samples"], found["random_samples"], found["core"]) == (N, False, MACHINES[board].core)
    assert 0 < run["min"] <= run["mean"] <= run["max"] < 1.05 * run["min"]
    assert 0 < learn["min"] < learn["mean"] < learn["max"]
    assert calls["step"]["mean"] == pytest.approx(run["mean"] + learn["mean"], rel=0.01)
    assert 0 < run["mean"] - sum(layer["instructions"] for layer in found["layers"]) < 0.02 * run["mean"]
    assert sum(layer["share"] for layer in found["layers"]) == pytest.approx(1)
    assert max(found["stack"].values()) == ram["stack"] < 600
    assert ram["total"] == ram["arena"] + ram["tail"] + ram["state"] + ram["stack"]
    assert flash["total"] == flash["code"] + flash["image"]
    assert flash["image"] == Path("digits.sdfa").stat().st_size
    assert flash["weights"] + flash["feedback_tables"] + flash["other"] + flash["learned"] == flash["image"]


@pytest.mark.qemu
def test_macs_and_weights_are_those_of_the_export(pytools: Cli) -> None:
    """Convolutions of both kinds, a dense layer that is applied to several rows."""
    net = Net(RNG, (6, 5, 3)).conv(8, 3, per_channel=True).depthwise(multiplier=2).conv(4, 1).dense(7)
    graph = load_tflite(net.build(), "net")
    export = export_graph(graph, "net", Options(train_last=0))
    Path("net.sdfa").write_bytes(export.data)
    found = bench(pytools, "net.sdfa", "--samples", 1)
    rows = export.report["ops"]
    assert [layer["macs"] for layer in found["layers"]] == [row["macs"] for row in rows]
    assert found["instructions"]["macs"] == sum(row["macs"] for row in rows) > 10_000
    assert found["flash"]["weights"] == sum(row["weights"] for row in rows)
    assert all(layer["per_mac"] == pytest.approx(layer["instructions"] / layer["macs"]) for layer in found["layers"])


@pytest.mark.qemu
def test_feedback_tables_are_counted(pytools: Cli) -> None:
    """Two bytes for each connection of a hidden neuron; three where there are more than 256 outputs."""
    for outputs, each in ((5, 2), (300, 3)):
        net = dense_net(RNG, (6, 10, 8, outputs), softmax=True, per_channel=True)
        write_model(net, train_last=3, connections=2, feedback="aligned")
        assert bench(pytools, "net.sdfa", "--samples", 1)["flash"]["feedback_tables"] == (10 + 8) * 2 * each


@pytest.mark.qemu
def test_nothing_learns_in_a_frozen_image(pytools: Cli) -> None:
    write_digits(0)
    np.savez("x.npz", x=RNG.random((N, 8, 8, 1), np.float32))
    found = bench(pytools, "digits.sdfa", "--data", "x.npz")
    assert "learn" not in found["instructions"]
    assert "step" not in found["instructions"]
    assert found["stack"]["learn"] == found["ram"]["tail"] == 0


@pytest.mark.qemu
def test_a_regression_is_measured_too(pytools: Cli) -> None:
    write_model(dense_net(RNG, (6, 12, 2), softmax=False, per_channel=True), train_last=2)
    np.savez("r.npz", x=RNG.random((N, 6), np.float32), y=RNG.random((N, 2), np.float32))
    for args in ((), ("--data", "r.npz")):
        assert bench(pytools, "net.sdfa", *args)["instructions"]["learn"]["min"] > 0


@pytest.mark.qemu
def test_random_samples_are_always_the_same(pytools: Cli) -> None:
    write_digits(3)
    first = bench(pytools, "digits.sdfa", "--samples", 3)
    assert first["random_samples"]
    assert first["samples"] == 3
    assert bench(pytools, "digits.sdfa", "--samples", 3) == first
    assert bench(pytools, "digits.sdfa", "--samples", 2)["instructions"] != first["instructions"]


@pytest.mark.qemu
def test_people_see_a_table_and_programs_a_file(pytools: Cli) -> None:
    write_digits(3)
    ran = done(pytools("bench", "digits.sdfa", "--target", "qemu:microbit", "--samples", 1, "--json", "r.json"))
    found = json.loads(Path("r.json").read_text())
    for value in (found["instructions"]["run"]["mean"], found["flash"]["code"], found["ram"]["total"]):
        assert f"{value:,}" in ran.out
    assert "digits on qemu:microbit (Cortex-M0), 1 random samples" in ran.out
    assert "not cycles" in ran.out


def test_a_target_that_cannot_count_is_refused(pytools: Cli) -> None:
    write_digits(0)
    assert "host cannot count instructions; there is qemu:" in one_line(
        pytools("bench", "digits.sdfa", "--target", "host")
    )
    assert "unknown target 'mars'" in one_line(pytools("bench", "digits.sdfa", "--target", "mars"))


def test_labels_are_checked(pytools: Cli) -> None:
    write_digits(3)
    np.savez("bad.npz", x=RNG.random((N, 8, 8, 1), np.float32), y=np.full(N, 10))
    np.savez("none.npz", x=RNG.random((N, 8, 8, 1), np.float32))
    for name, message in (("bad.npz", "10"), ("none.npz", "no array y")):
        line = one_line(pytools("bench", "digits.sdfa", "--target", "qemu:microbit", "--data", name))
        assert message in line


@pytest.mark.qemu
def test_a_model_that_is_too_large_for_the_board_is_refused(pytools: Cli) -> None:
    write_model(Net(RNG, (40, 40, 8)).conv(8).build(), train_last=0)
    line = one_line(pytools("bench", "net.sdfa", "--target", "qemu:microbit", "--samples", 1))
    assert "bytes of RAM (arena + tail), there are" in line
