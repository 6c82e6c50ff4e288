"""Estimates of what an image will cost, against what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sdfa.bundle import bench_file, model_dir
from sdfa.device.bench import bench
from sdfa.errors import SdfaError
from sdfa.exporter.estimate import CORES, estimate_report, estimates
from sdfa.exporter.estimate import OFF as OFF_SAID
from sdfa.exporter.export import Options, export_graph
from sdfa.exporter.settings import parse_budget
from sdfa.exporter.untrained import Calibration, init_net
from sdfa.targets import find_counting
from sdfa.tflite.load import read_model
from tests.bench import scratch

PUBLIC = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8")
OFF = 0.4
"""How far an estimate of a whole network may be off."""
UPDATE_OFF, MOST_OFF = 0.3, 0.1
"""How far that of an update may be off: of samples that a model does not know; when all weights move."""

FIGURES = json.loads(bench_file().read_text(encoding="utf-8"))["figures"]


def test_digits_learning() -> None:
    graph, _ = read_model(model_dir("digits") / "model.tflite")
    found = estimates(export_graph(graph, "digits", Options(train_last=3)).image)
    assert set(found) == set(CORES)
    for core, e in found.items():
        of = FIGURES[CORES[core]]
        assert abs(e.run / of["digits, learning: run, instructions"] - 1) < OFF
        update = of["digits, learning: step, instructions"] - of["digits, learning: run, instructions"]
        assert abs(e.learn / update - 1) < UPDATE_OFF
        assert e.learn_most > update
        assert e.code == of["digits, learning: code, bytes"]


@pytest.mark.shared
def test_how_far_off_they_are_is_what_is_said(shared: Path) -> None:
    """To the next percent when they were written; a kernel that changes may leave a bound three points too wide."""
    ratios: dict[str, list[float]] = {core: [] for core in CORES}
    digits = read_model(model_dir("digits") / "model.tflite")[0]
    nets = [(digits, 0, "digits, inference: run,"), (digits, 3, "digits, learning: run,")]
    for name in PUBLIC:
        (path,) = shared.rglob(f"{name}.tflite")
        nets.append((read_model(path)[0], 0, f"{name}:"))
    for graph, learns, row in nets:
        for core, e in estimates(export_graph(graph, "net", Options(train_last=learns)).image).items():
            ratios[core].append(e.run / FIGURES[CORES[core]][f"{row} instructions"] - 1)
    for core, found in ratios.items():
        least, most = OFF_SAID[core]
        assert least <= min(found) <= least + 0.04, (core, found)
        assert most - 0.04 <= max(found) <= most, (core, found)


@pytest.mark.shared
@pytest.mark.parametrize("name", PUBLIC)
def test_public_networks(shared: Path, name: str) -> None:
    (path,) = shared.rglob(f"{name}.tflite")
    found = estimates(export_graph(read_model(path)[0], name, Options(train_last=0)).image)
    ratios = {core: e.run / FIGURES[CORES[core]][f"{name}: instructions"] for core, e in found.items()}
    assert all(abs(ratio - 1) < OFF for ratio in ratios.values()), ratios
    assert all(e.learn == 0 for e in found.values())


@pytest.mark.parametrize("board", scratch.BOARDS_WITH_TARGETS)
def test_an_update_that_moves_every_row(board: str) -> None:
    of = {name.split(": ")[1]: value for name, value in FIGURES[board].items() if name.startswith(scratch.NAME)}
    image = scratch.untrained(scratch.LIVE, 1, scratch.digits(1).x).image
    core = next(core for core, measured in CORES.items() if measured == board)
    most = estimates(image)[core].learn_most
    assert abs(most / (of["step, every row forced"] - of["run"]) - 1) < MOST_OFF
    assert of["step"] - of["run"] < most


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("sizes", "master", "low"), [((12, 24, 16, 4), 16, 0.0), ((32, 24, 5), 8, 0.0), ((32, 16, 3), 8, -1.0)]
)
def test_an_update_is_what_bench_measures(sizes: tuple[int, ...], master: int, low: float) -> None:
    """Tails of other shapes, inputs and weights than those that the estimates are made of."""
    x = np.random.default_rng(1).uniform(low, 1, (200, sizes[0])).astype(np.float32)
    export, _ = init_net(sizes, "net", Calibration(x), 4.0, Options(seed=1, master=master))
    learn = bench(find_counting("qemu:mps2-an386"), export.data, n=30)["instructions"]["learn"]
    e = estimates(export.image)["Cortex-M4"]
    assert abs(e.learn / learn["mean"] - 1) < UPDATE_OFF
    assert learn["max"] < e.learn_most


def test_the_clock_scales_steps() -> None:
    graph, _ = read_model(model_dir("digits") / "model.tflite")
    image = export_graph(graph, "digits", Options(train_last=3)).image
    slow, fast = (estimate_report(image, clock)["cores"]["Cortex-M4"] for clock in (16, 64))
    assert fast["steps_per_second"] == pytest.approx(4 * slow["steps_per_second"])
    assert slow["steps_per_second"] == pytest.approx(16e6 / (slow["run"] + slow["learn"]))


def test_budgets() -> None:
    assert parse_budget("ram=20K,flash=64K") == {"ram": 20480, "flash": 65536}
    assert parse_budget("FLASH = 1m") == {"flash": 1 << 20}
    assert parse_budget("ram=100B") == {"ram": 100}
    for text in ("", "ram", "ram=", "ram=0", "ram=1,ram=2", "rom=3K", "ram=1.5K", "ram=-1", "ram=99999999999"):
        with pytest.raises(SdfaError, match="say ram=20K,flash=64K"):
            parse_budget(text)
