"""One operation, or one whole model, at a time: python -m tests.bench.kernels [--board B ...] [--row NAME ...]

Instructions of sdfa_run per MAC beside CMSIS-NN's figures and the targets of anchors.py. "!" marks a miss.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from sdfa.device import Device, Measure, Run
from sdfa.errors import SdfaError
from sdfa.export import Export, Options, export_graph
from sdfa.load import load_tflite, read_model
from sdfa.targets import Qemu
from sdfa.targets.machines import MACHINES, Machine
from tests.bench.anchors import CMSIS_KERNELS, CMSIS_MODELS, cmsis, met, target
from tests.tflite_writer import Net

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
ANCHORED = ("microbit", "mps2-an385", "mps2-an386", "mps2-an505", "mps3-an547")


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


def instructions(machine: Machine, export: Export) -> int | None:
    """Of one sdfa_run, for one random input; None if the board has no room for the model."""
    x = np.random.default_rng(2).integers(-128, 128, export.image.meta["input"]["shape"]).astype(np.int8)
    if len(export.data) > machine.image.length or export.report["ram"]["arena"] > machine.ram.length - (128 << 10):
        return None
    costs = Device(Qemu(machine, counting=True), export.data).session([Run(x), Measure()]).costs[0]
    return costs.run.instructions


def figure(name: str, counted: int) -> float:
    """Per MAC for a kernel's row, as it is for a model."""
    return counted / ROWS[name].unit_n if name in ROWS else float(counted)


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:.3f} M" if value >= 10_000 else f"{value:.4g}"


def _cell(name: str, core: str, counted: int | None) -> str:
    """Ours / CMSIS-NN / target."""
    if counted is None:
        return "too large"
    ours = figure(name, counted)
    mark = "" if met(name, core, ours) else " !"
    return f"{_text(ours)} / {_text(cmsis(name, core))} / {_text(target(name, core))}{mark}"


def table(names: Iterable[str], boards: Iterable[str]) -> Table:
    boards = list(boards)
    shown = Table("row", *(f"{BOARDS[board].core}\n{board}" for board in boards))
    shown.title = "instructions per MAC, window element or element; of models per inference: ours / CMSIS-NN / target"
    for name in names:
        export = export_row(name)
        cells = [_cell(name, core_of(BOARDS[board]), instructions(BOARDS[board], export)) for board in boards]
        shown.add_row(name, *cells)
    return shown


def _asked(patterns: list[str]) -> list[str]:
    """Rows whose name holds one of the patterns. SdfaError if there is none."""
    every = [*CMSIS_KERNELS, *(CMSIS_MODELS if shared_models() else ())]
    names = [name for name in every if not patterns or any(pattern in name for pattern in patterns)]
    if not names:
        raise SdfaError(f"no such row; there is {', '.join(every)}")
    return names


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.kernels", description=__doc__)
    parser.add_argument("--board", nargs="+", choices=BOARDS, default=ANCHORED)
    parser.add_argument("--row", nargs="+", default=[], help="part of a row's name: dense, 'conv 1x1', kws ...")
    arguments = parser.parse_args()
    Console(width=max(120, 30 + 26 * len(arguments.board))).print(table(_asked(arguments.row), arguments.board))
    if not shared_models():
        print("models not measured: their folder is absent (SDFA_SHARED)")


if __name__ == "__main__":
    try:
        main()
    except SdfaError as error:
        sys.exit(f"kernels: {error}")
