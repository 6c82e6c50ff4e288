"""What a learning step takes behind its inference: a line through steps that move more or fewer of the weights.

The estimates of `pytools export` (sdfa.exporter.estimate) are made of these lines. How weights move depends on the
layer: whole words where its activations begin at 0 and fill words; one by one elsewhere; or as 16-bit master weights.
"""

from __future__ import annotations

import numpy as np

from sdfa.device.device import Device, Learn, Measure, Set, Stage
from sdfa.device.samples import quantize_input
from sdfa.exporter.export import Export, Options
from sdfa.exporter.untrained import Calibration, init_net
from sdfa.targets import Qemu
from sdfa.targets.machines import Machine
from tests.bench import scratch
from tests.bench.singles import BOARDS, Figures

NAME = "update"
STEPS = 60
_NETS: dict[str, tuple[tuple[int, ...], float, int]] = {
    "words": ((64, 32, 10), 0.0, 8), "single": ((64, 10), 0.5, 8), "master": ((64, 10), 0.0, 16),
}  # fmt: skip
"""Kind -> (widths, what is taken off the inputs, bits of the weights)."""


def line(machine: Machine, export: Export, of: scratch.Digits) -> tuple[float, float]:
    """Instructions of sdfa_learn where no weight moves, and for each one that does: least squares over samples."""
    x = quantize_input(export.image, of.x)
    stages: list[Stage] = [Set(seed=1)]
    for i in range(len(x)):
        stages += [Learn(x[i : i + 1], of.y[i : i + 1]), Measure()]
    session = Device(Qemu(machine, counting=True), export.data).session(stages)
    counts = [costs.learn.instructions for costs in session.costs]
    moved = np.diff([0, *(state.stats.weights_updated for state in session.states)])
    slope, fixed = np.polyfit(moved, counts, 1)
    return float(fixed), float(slope)


def update_figures(board: str) -> Figures:
    """The figures of one board."""
    found: Figures = {}
    for kind, (sizes, off, bits) in _NETS.items():
        of = scratch.digits(1)
        some = scratch.Digits(of.x[:STEPS] - np.float32(off), of.y[:STEPS], of.x_unseen, of.y_unseen)
        export, _ = init_net(sizes, "net", Calibration(some.x), 4.0, Options(seed=1, master=bits))
        fixed, slope = line(BOARDS[board], export, some)
        found[f"{NAME}, {kind}: fixed, instructions"] = round(fixed)
        found[f"{NAME}, {kind}: 1000 weights, instructions"] = round(1000 * slope)
    return found
