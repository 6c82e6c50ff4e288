"""What models cost on emulated boards: the same number in every run, for one compiler."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sdfa.bundle import model_dir
from sdfa.data import Samples
from sdfa.device.adapt import learn_stage
from sdfa.device.costs import Costs
from sdfa.device.device import Device, Info, Measure, Run, Set, Stage
from sdfa.device.samples import quantize_input
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.exporter.settings import load_settings
from sdfa.start.demo import RULES, changed_digits, export_digits
from sdfa.targets import Qemu, find_target
from sdfa.targets.build import compiler_version
from sdfa.targets.machines import MACHINES
from sdfa.targets.size import code_len
from sdfa.tflite.load import read_model
from tests.bench import scratch, updates
from tests.bench.singles import SINGLES, Figures, export_row, single_figures

RULE = "aligned k=2"
SENSOR = "mirror"
STEPS = 300


@dataclass(frozen=True, eq=False)
class Case:
    """A way to use digits. name: starts the names of its figures. loss: None if nothing learns."""

    name: str
    export: Export
    loss: str | None


def compilers(boards: Iterable[str]) -> dict[str, str]:
    """The compiler that every figure of a board depends on."""
    return {board: compiler_version(Qemu(MACHINES[board]).recipe().compiler) for board in boards}


def measure_boards(boards: Sequence[str], singles: Sequence[str]) -> dict[str, Figures]:
    """The figures of each board: digits, and of these networks of one operation and models."""
    cases, samples = (_inference(), _learning()), changed_digits(SENSOR)[0]
    exports = {name: export_row(name) for name in singles if name not in (scratch.NAME, updates.NAME)}

    def measure(board: str) -> Figures:
        figures = _measure_digits(board, cases, samples)
        for name, export in exports.items() if board in SINGLES else ():
            figures |= single_figures(board, name, export)
        if scratch.NAME in singles and board in scratch.BOARDS_WITH_TARGETS:
            figures |= scratch.scratch_figures(board)
        if updates.NAME in singles and board in SINGLES:
            figures |= updates.update_figures(board)
        return figures

    with ThreadPoolExecutor(os.cpu_count()) as pool:  # the time goes by in compilers and emulators
        return dict(zip(boards, pool.map(measure, boards), strict=True))


def _inference() -> Case:
    graph, _ = read_model(model_dir("digits") / "model.tflite")
    return Case("inference", export_graph(graph, "digits", Options(train_last=0)), None)


def _learning() -> Case:
    settings = load_settings(model_dir("digits") / "model.toml")
    rule = next(rule for rule in RULES if rule.name == RULE)
    return Case("learning", export_digits(rule, settings), "softmax_ce")


def _measure_digits(board: str, cases: tuple[Case, ...], samples: Samples) -> Figures:
    figures: Figures = {}
    for case in cases:
        code = code_len(MACHINES[board], case.export.name, case.export.csource, case.loss)
        found = _measure_calls(board, case, samples) | {"code, bytes": code}
        figures |= {f"digits, {case.name}: {name}": value for name, value in found.items()}
    return figures


def _measure_calls(board: str, case: Case, samples: Samples) -> Figures:
    image = case.export.image
    x, y = quantize_input(image, samples.x)[:STEPS], samples.y[:STEPS]
    teach: list[Stage] = [Run(x)] if case.loss is None else [Set(seed=1), learn_stage(image, x, y)]
    session = Device(find_target(f"qemu:{board}", counting=True), case.export.data).session([*teach, Measure()])
    return _instructions(session.costs[0], case) | _memory(session.costs[0], session.info)


def _instructions(costs: Costs, case: Case) -> Figures:
    step = {} if case.loss is None else {"step, instructions": costs.run.mean + costs.learn.mean}
    start = {"open, instructions": costs.open.mean, "bind, instructions": costs.bind.mean}
    return {**start, "run, instructions": costs.run.mean, **step}


def _memory(costs: Costs, info: Info) -> Figures:
    parts = {"arena": info.arena_len, "tail": info.tail_len, "state": info.state_len, "stack": costs.stack_len}
    figures = {f"{name}, bytes": length for name, length in parts.items() if length}
    return figures | {"all RAM, bytes": sum(parts.values())}
