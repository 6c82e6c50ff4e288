"""Digits 64-32-10 from seeded random weights, batch 1, 5 epochs of 1,437 samples: what a step costs on each core.

python -m tests.bench.scratch [--board B ...] shows the figures beside the targets.
"""

from __future__ import annotations

import argparse
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits

from sdfa.device.adapt import sample_orders
from sdfa.device.costs import Costs
from sdfa.device.device import Classify, Device, Learn, Measure, Set, Stage
from sdfa.device.samples import quantize_input, tail_weight_count
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.exporter.untrained import Calibration, init_net
from sdfa.image.csource import CSource
from sdfa.image.writer import rate_q24
from sdfa.targets import Qemu, find_target
from sdfa.targets.machines import Machine
from sdfa.targets.size import code_len
from sdfa.tflite.dense_model import DenseNet, Scaling, he_net, quantize_dense
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite
from sdfa.twin.reference import FloatArray, FloatTail
from tests.bench.singles import BOARDS, Figures, core_of

SIZES = (64, 32, 10)
TRAIN_N, EPOCHS = 1437, 5
DECAY = 0.6
FORCED_N = 10
NAME = "digits 64-32-10"

WRONG = "wrong of 2,880 unseen samples, 8 seeds"

# What must not be exceeded: instructions of sdfa_run and sdfa_learn, means over all steps; bytes.
TARGETS = {
    "step": {"M4": 6_500, "M3": 9_500, "M0": 15_000},
    "step, every row forced": {"M4": 15_000, "M3": 24_000, "M0": 45_000},
    "step, inputs without zeros": {"M4": 6_500, "M3": 11_000, "M0": 20_000},
    "step, output layer only": {"M4": 5_000, "M3": 8_500, "M0": 14_000},
    "all RAM, bytes": dict.fromkeys(("M4", "M3", "M0"), 3_400),
    "all RAM, output layer only, bytes": dict.fromkeys(("M4", "M3", "M0"), 1_200),
    "trainer code, bytes": {"M4": 4096, "M0": 4096},
    WRONG: dict.fromkeys(("M4", "M3", "M0"), 144),
}
SEEDS = range(1, 9)
BOARDS_WITH_TARGETS = ("microbit", "mps2-an385", "mps2-an386")
SHOWN = ("microbit", "mps2-an385", "mps2-an386", "mps2-an505", "mps3-an547", "riscv32")


@dataclass(frozen=True)
class Rule:
    """What learns, at which rate, how much room the scales leave its weights, and which errors are too small."""

    feedback: str
    rate: float
    headroom: float
    tau: float = 1 / 32


LIVE, LAST = Rule("live", 0.14, 4.0), Rule("last", 0.48, 8.0, 1 / 8)
FLOAT_RATE = 0.12
"""tests.bench.scratch_rates finds nothing that is better by more than chance, and cheaper."""


@dataclass(frozen=True, eq=False)
class Digits:
    """x float32 (n, 64) between 0 and 1, y (n,): to learn; the rest to judge by."""

    x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    y: np.ndarray[tuple[int, ...], np.dtype[np.int64]]
    x_unseen: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
    y_unseen: np.ndarray[tuple[int, ...], np.dtype[np.int64]]


def digits(seed: int) -> Digits:
    """1,437 samples to learn and 360 to judge by, parted by the seed."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(x))
    x, y = (x[order] / 16).astype(np.float32), y[order].astype(np.int64)
    return Digits(x[:TRAIN_N], y[:TRAIN_N], x[TRAIN_N:], y[TRAIN_N:])


def untrained(rule: Rule, seed: int, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Export:
    """The image of a net that learns from scratch. x: to set the scales by."""
    options = Options(feedback=rule.feedback, seed=seed, rate=rule.rate, tau=rule.tau)
    return init_net(SIZES, "net", Calibration(x), rule.headroom, options)[0]


def _inference_only(x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> CSource:
    """The same net, of which nothing learns."""
    model = quantize_dense(he_net(SIZES, np.random.default_rng(1)), x, Scaling(4.0))
    return export_graph(load_tflite(model, "net"), "net", Options(train_last=0)).csource


def epochs(rule: Rule, export: Export, of: Digits, seed: int) -> list[Stage]:
    """Five epochs with a rate that halves."""
    x = quantize_input(export.image, of.x)
    stages: list[Stage] = []
    for epoch, order in enumerate(sample_orders(len(x), EPOCHS, seed)):
        stages += [Set(rate_q24=rate_q24(rule.rate * DECAY**epoch), seed=seed if epoch == 0 else None)]
        stages += [Learn(x[order], of.y[order])]
    return stages


def _always_active(seed: int, x: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> Export:
    """A net whose hidden neurons are all active, and so all have a delta."""
    net = he_net(SIZES, np.random.default_rng(seed))
    weights = [net.weights[0] / 16, np.tile(net.weights[1][:1], (SIZES[2], 1))]  # equal outputs: no error is small
    lift = 0.1 - (x @ weights[0].T).min(axis=0)
    model = quantize_dense(DenseNet(weights, [lift.astype(np.float32), net.biases[1]]), x, Scaling(4.0))
    options = Options(feedback="random", seed=seed, rate=0.01, tau=0.0, loss="softmax_ce")
    return export_graph(load_tflite(model, "net"), "net", options)


def _measured(machine: Machine, export: Export, stages: list[Stage]) -> Costs:
    return Device(Qemu(machine, counting=True), export.data).session([*stages, Measure()]).costs[0]


def _step(costs: Costs) -> int:
    return costs.run.mean + costs.learn.mean


def _ram(export: Export, costs: Costs) -> int:
    ram = export.report["ram"]
    return int(ram["arena"] + ram["tail"] + ram["state"] + costs.stack_len)


def _forced(machine: Machine, export: Export, x: Int8Array, y: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> int:
    """Mean of the steps; sdfa_learn over the share of the weights that moved.

    A few rows do not move, as their steps round to 0. What does not depend on rows is divided too: not too little.
    """
    stages: list[Stage] = [Set(seed=1), Learn(x, y), Measure()]
    session = Device(Qemu(machine, counting=True), export.data).session(stages)
    share = session.states[-1].stats.weights_updated / len(x) / tail_weight_count(export.image)
    assert share > 0.9, f"{share:.1%} of the rows were forced to move"
    return session.costs[0].run.mean + round(session.costs[0].learn.mean / share)


def scratch_figures(board: str) -> Figures:
    """The figures of one board."""
    machine, seed = BOARDS[board], 1
    of = digits(seed)
    net = untrained(LIVE, seed, of.x)
    costs = _measured(machine, net, epochs(LIVE, net, of, seed))
    found = {"run": costs.run.mean, "step": _step(costs)}
    forced = _always_active(seed, of.x)
    x = quantize_input(forced.image, of.x[:FORCED_N])
    all_rows = _forced(machine, forced, x, of.y[:FORCED_N])
    full = replace(of, x=np.maximum(of.x, np.float32(1 / 16)))
    full_net = untrained(LIVE, seed, np.concatenate([full.x, np.zeros((1, 64), np.float32)]))
    without_zeros = _measured(machine, full_net, epochs(LIVE, full_net, full, seed))
    last_net = untrained(LAST, seed, of.x)
    last = _measured(machine, last_net, epochs(LAST, last_net, of, seed))
    code = code_len(machine, "net", net.csource, "softmax_ce")
    none = code_len(machine, "net", _inference_only(of.x), None)
    return {
        f"{NAME}: {name}": value
        for name, value in {
            **found,
            "step, every row forced": all_rows,
            "step, inputs without zeros": _step(without_zeros),
            "step, output layer only": _step(last),
            "all RAM, bytes": _ram(net, costs),
            "all RAM, output layer only, bytes": _ram(last_net, last),
            "trainer code, bytes": code - none,
            WRONG: wrong(),
        }.items()
    }


@functools.cache
def wrong() -> int:
    """Of all seeds; the same on every core."""
    return round(float(np.sum(1 - accuracy(SEEDS))) * 360)


def accuracy_of(rule: Rule, of: Digits, seed: int) -> float:
    """The share of the unseen samples that the C runtime gets right behind the last epoch; the same on every core."""
    net = untrained(rule, seed, of.x)
    judged = Classify(quantize_input(net.image, of.x_unseen))
    session = Device(find_target("host"), net.data).session([*epochs(rule, net, of, seed), judged])
    return float(np.mean(session.classes[-1] == of.y_unseen))


def float_accuracy_of(rate: float, of: Digits, seed: int, tau: float) -> float:
    """The same of float64 back-propagation from the same weights, in the same order."""
    tail = FloatTail.from_image(untrained(Rule("bp", rate, LIVE.headroom), seed, of.x).image)
    for epoch, order in enumerate(sample_orders(len(of.x), EPOCHS, seed)):
        tail.learn_many(of.x[order].astype(np.float64), of.y[order], rate * DECAY**epoch, tau)
    return float(np.mean(tail.logits(of.x_unseen.astype(np.float64)).argmax(axis=1) == of.y_unseen))


def accuracy(seeds: Sequence[int], rule: Rule = LIVE) -> FloatArray:
    """accuracy_of each seed."""
    return np.array([accuracy_of(rule, digits(seed), seed) for seed in seeds])


def float_accuracy(seeds: Sequence[int], tau: float) -> FloatArray:
    """float_accuracy_of each seed."""
    return np.array([float_accuracy_of(FLOAT_RATE, digits(seed), seed, tau) for seed in seeds])


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.bench.scratch", description=__doc__)
    parser.add_argument("--board", nargs="*", choices=BOARDS, default=SHOWN)
    boards = parser.parse_args().board
    figures = {board: scratch_figures(board) for board in boards}
    table = Table(title=f"{NAME} from scratch: ours / target")
    table.add_column("")
    for board in boards:
        table.add_column(core_of(BOARDS[board]), justify="right")
    for name in next(iter(figures.values()), {}):
        aims = TARGETS.get(name.split(": ")[1], {})
        cells = [f"{figures[b][name]:,} / {aims.get(core_of(BOARDS[b]), 0) or '-'}" for b in boards]
        table.add_row(name.split(": ")[1], *cells)
    Console(width=160).print(table)
    for name, shares in (
        ("this, 8 seeds", accuracy(SEEDS)),
        ("this, output layer only", accuracy(SEEDS, LAST)),
        ("float back-propagation", float_accuracy(SEEDS, 0.0)),
        ("float back-propagation, threshold 1/32", float_accuracy(SEEDS, 1 / 32)),
    ):
        print(f"accuracy of {name}: {100 * shares.mean():.2f} % ({', '.join(f'{100 * s:.1f}' for s in shares)})")


if __name__ == "__main__":
    main()
