"""Networks of one operation, and whole third-party models: what one inference costs on each core."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sdfa.device.costs import Costs
from sdfa.device.device import Device, Measure, Run
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.targets import Qemu
from sdfa.targets.machines import MACHINES, Machine
from sdfa.targets.size import code_len
from sdfa.tflite.load import load_tflite, read_model
from tests.bench.anchors import CMSIS_MODELS
from tests.tflite_writer import Net

Figures = dict[str, int]

REPO = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Row:
    """A network of one operation. unit_n: how many MACs, window elements or elements it has."""

    name: str
    unit_n: int
    make: Callable[[], bytes]


def _net(*shape: int) -> Net:
    return Net(np.random.default_rng(1), shape)


def _dense(n: int, m: int) -> Row:
    return Row(f"dense {n}->{m}", n * m, lambda: _net(n).dense(m, "NONE", per_channel=True).build())


def _conv(k: int, h: int, w: int, c: int, n: int) -> Row:
    def make() -> bytes:
        return _net(h, w, c).conv(n, k, activation="NONE", per_channel=True).build()

    return Row(f"conv {k}x{k} {h}x{w}x{c}->{n}", h * w * n * k * k * c, make)


def _depthwise(k: int, h: int, w: int, c: int) -> Row:
    def make() -> bytes:
        return _net(h, w, c).depthwise(k, activation="NONE", per_channel=True).build()

    return Row(f"depthwise {k}x{k} {h}x{w}x{c}", h * w * c * k * k, make)


_ELEMENTS = 16 * 16 * 16
_ROWS = (
    *(_dense(64, 32), _dense(256, 64), _dense(784, 128)),
    *(_conv(3, 16, 16, 8, 16), _conv(3, 16, 16, 32, 32), _conv(3, 8, 8, 64, 64), _conv(3, 28, 28, 1, 8)),
    _conv(1, 25, 5, 64, 64),
    _depthwise(3, 25, 5, 64),
    Row("max pool 2x2", _ELEMENTS, lambda: _net(16, 16, 16).pool().build()),
    Row("softmax", 10, lambda: _net(10).softmax().build()),
    Row("add", _ELEMENTS, lambda: _net(16, 16, 16).add(0).build()),
)
ROWS = {row.name: row for row in _ROWS}

# An M3 executes code of an M0: the same instructions, in more memory than the microbit's 16 KB.
_M0 = replace(MACHINES["mps2-an385"], core="Cortex-M0", flags=MACHINES["microbit"].flags)
BOARDS = {"microbit": _M0} | {name: machine for name, machine in MACHINES.items() if name != "microbit"}
SINGLES = ("microbit", "mps2-an385", "mps2-an386", "mps2-an505", "mps3-an547", "riscv32")
_OTHER_RAM = 128 << 10  # stack and variables of the program


def core_of(machine: Machine) -> str:
    """As in anchors.py: M4 for a Cortex-M4F."""
    return machine.core.removeprefix("Cortex-").removesuffix("F")


def shared_models() -> Path | None:
    """The folder of third-party models, where the tests look for it too; None if it is absent."""
    folder = Path(os.environ.get("SDFA_SHARED") or REPO.parent / "shared") / "models"
    return folder if folder.is_dir() else None


def export_row(name: str) -> Export:
    """The image of a kernel's row, or of a shared model."""
    if name in ROWS:
        graph = load_tflite(ROWS[name].make(), name)
    else:
        graph, _ = read_model((shared_models() or Path("models")) / f"{name}.tflite")
    return export_graph(graph, "net", Options(train_last=0))


def fits(machine: Machine, export: Export) -> bool:
    return len(export.data) <= machine.image.length and export.report["ram"]["arena"] <= machine.ram.length - _OTHER_RAM


def costs_of(machine: Machine, export: Export) -> Costs:
    """Of one sdfa_run, for one random input, and of the calls before it."""
    x = np.random.default_rng(2).integers(-128, 128, export.image.meta["input"]["shape"]).astype(np.int8)
    return Device(Qemu(machine, counting=True), export.data).session([Run(x), Measure()]).costs[0]


def single_figures(board: str, name: str, export: Export) -> Figures:
    """Instructions; of a model also those of sdfa_bind, the arena and the linked code. Empty if it does not fit."""
    machine = BOARDS[board]
    if not fits(machine, export):
        return {}
    costs = costs_of(machine, export)
    found = {f"{name}: instructions": costs.run.mean}
    if name in ROWS:
        return found
    return found | {
        f"{name}: bind, instructions": costs.bind.mean,
        f"{name}: arena, bytes": export.report["ram"]["arena"],
        f"{name}: code, bytes": code_len(machine, export.name, export.csource, None),
    }


def present_models() -> tuple[str, ...]:
    return tuple(CMSIS_MODELS) if shared_models() else ()


def absent_models() -> tuple[str, ...]:
    """Models that cannot be measured on this machine."""
    return tuple(name for name in CMSIS_MODELS if name not in present_models())
