"""Estimates of what an image will cost, against what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdfa.bundle import bench_file, model_dir
from sdfa.errors import SdfaError
from sdfa.exporter.estimate import CORES, estimate_report, estimates
from sdfa.exporter.estimate import OFF as OFF_SAID
from sdfa.exporter.export import Options, export_graph
from sdfa.exporter.settings import parse_budget
from sdfa.tflite.load import read_model

PUBLIC = ("ad01_int8", "kws_ref_model", "pretrainedResnet_quant", "vww_96_int8")
OFF = 0.4
"""How far an estimate of a whole network may be off."""

FIGURES = json.loads(bench_file().read_text(encoding="utf-8"))["figures"]


def test_digits_learning() -> None:
    graph, _ = read_model(model_dir("digits") / "model.tflite")
    found = estimates(export_graph(graph, "digits", Options(train_last=3)).image)
    assert set(found) == set(CORES)
    for core, e in found.items():
        of = FIGURES[CORES[core]]
        assert abs(e.run / of["digits, learning: run, instructions"] - 1) < OFF
        assert abs(e.step / of["digits, learning: step, instructions"] - 1) < OFF
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
