"""What the digits model costs on emulated boards: the same number in every run, for one compiler."""

from __future__ import annotations

from dataclasses import dataclass

from sdfa.adapt import learn_stage, quantize_input
from sdfa.bundle import model_dir
from sdfa.costs import Costs
from sdfa.data import Samples
from sdfa.demo import RULES, changed_digits, export_digits
from sdfa.device import Device, Info, Measure, Run, Set, Stage
from sdfa.export import Export, Options, export_graph
from sdfa.load import read_model
from sdfa.settings import load_settings
from sdfa.targets import Qemu, find_target
from sdfa.targets.build import compiler_version
from sdfa.targets.machines import MACHINES
from sdfa.targets.size import code_len

BOARDS = ("mps2-an386", "microbit", "mps2-an385", "mps3-an547")
RULE = "aligned k=2"
SENSOR = "mirror"
STEPS = 300

Figures = dict[str, int]


@dataclass(frozen=True, eq=False)
class Case:
    """A way to use the model. name: starts the names of its figures. loss: None if nothing learns."""

    name: str
    export: Export
    loss: str | None


def compiler() -> str:
    """The compiler that every figure depends on."""
    return compiler_version(Qemu(MACHINES[BOARDS[0]]).recipe().compiler)


def measure_all() -> dict[str, Figures]:
    """The figures of each board."""
    cases, samples = (_inference(), _learning()), changed_digits(SENSOR)[0]
    return {board: _measure_board(board, cases, samples) for board in BOARDS}


def _inference() -> Case:
    graph, _ = read_model(model_dir("digits") / "model.tflite")
    return Case("inference", export_graph(graph, "digits", Options(train_last=0)), None)


def _learning() -> Case:
    settings = load_settings(model_dir("digits") / "model.toml")
    rule = next(rule for rule in RULES if rule.name == RULE)
    return Case("learning", export_digits(rule, settings), "softmax_ce")


def _measure_board(board: str, cases: tuple[Case, ...], samples: Samples) -> Figures:
    figures: Figures = {}
    for case in cases:
        code = code_len(MACHINES[board], case.export.name, case.export.csource, case.loss)
        found = _measure_calls(board, case, samples) | {"code, bytes": code}
        figures |= {f"{case.name}: {name}": value for name, value in found.items()}
    return figures


def _measure_calls(board: str, case: Case, samples: Samples) -> Figures:
    image = case.export.image
    x, y = quantize_input(image, samples.x)[:STEPS], samples.y[:STEPS]
    teach: list[Stage] = [Run(x)] if case.loss is None else [Set(seed=1), learn_stage(image, x, y)]
    session = Device(find_target(f"qemu:{board}", counting=True), case.export.data).session([*teach, Measure()])
    return _instructions(session.costs[0], case) | _memory(session.costs[0], session.info)


def _instructions(costs: Costs, case: Case) -> Figures:
    step = {} if case.loss is None else {"step, instructions": costs.run.mean + costs.learn.mean}
    return {"open, instructions": costs.open.mean, "run, instructions": costs.run.mean, **step}


def _memory(costs: Costs, info: Info) -> Figures:
    parts = {"arena": info.arena_len, "tail": info.tail_len, "state": info.state_len, "stack": costs.stack_len}
    figures = {f"{name}, bytes": length for name, length in parts.items() if length}
    return figures | {"all RAM, bytes": sum(parts.values())}
