"""`pytools experiment costs`: MACs and words of one learning step by rule, counted; instructions, measured."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from sdfa.data import Samples
from sdfa.device.bench import bench
from sdfa.experiment.movement import step_cost
from sdfa.experiment.panels import Axes, draw
from sdfa.experiment.paper_report import net_name
from sdfa.experiment.scratch import CALIBRATION_N
from sdfa.experiment.task import load_task
from sdfa.exporter.export import Options
from sdfa.exporter.untrained import DEFAULT_HEADROOM, Calibration, init_net
from sdfa.targets import Qemu

NETS = ((784, 400, 10), (3072, 1000, 1000, 1000, 10))
"""Those that the paper counts."""
COSTS = {
    "bp": ("bp", 0), "dense": ("dense", 0), "live k=2": ("live", 2), "sparse k=2": ("sparse", 2),
    "sparse k=1": ("sparse", 1),
    "last": ("last", 0),
}  # fmt: skip
PICTURE = "words.png"

_MEASURED = (64, 32, 10)
_RULES: dict[str, tuple[str, int | None]] = {
    "bp": ("bp", None), "dense": ("dense", None), "random k=2": ("random", 2), "random k=1": ("random", 1),
    "live k=2": ("live", 2), "aligned k=2": ("aligned", 2), "aligned k=1": ("aligned", 1), "last": ("last", None),
}  # fmt: skip


def result_of(machine: Qemu | None, steps: int) -> dict[str, Any]:
    """Counts, and where there is a machine, instructions of that many first steps on digits."""
    result: dict[str, Any] = {
        "experiment": "costs",
        "counted": {net_name(n): {rule: _cost(n, *how) for rule, how in COSTS.items()} for n in NETS},
    }
    if machine is not None:
        rows = {tau: {rule: _measure(machine, rule, tau, steps) for rule in _RULES} for tau in (0.0, 1 / 32)}
        result["measured"] = {
            "target": machine.name, "net": net_name(_MEASURED), "steps": steps,
            "rules": {rule: {f"{tau:g}": rows[tau][rule] for tau in rows} for rule in _RULES},
        }  # fmt: skip
    return result


def _cost(sizes: tuple[int, ...], feedback: str, k: int) -> dict[str, float]:
    cost = step_cost(sizes, feedback, k)
    return asdict(cost) | {"backward": cost.backward, "step": cost.step}


def _measure(machine: Qemu, rule: str, tau: float, steps: int) -> dict[str, int]:
    """Mean instructions of sdfa_run and sdfa_learn."""
    task = load_task("digits")
    feedback, k = _RULES[rule]
    options = Options(feedback=feedback, connections=k, tau=tau, seed=1)
    export, _ = init_net(_MEASURED, "net", Calibration(task.x[:CALIBRATION_N]), DEFAULT_HEADROOM, options)
    found = bench(machine, export.data, Samples(task.x[:steps], task.y[:steps]))["instructions"]
    return {"run": found["run"]["mean"], "learn": found["learn"]["mean"]}


def draw_costs(result: dict[str, Any], path: Path) -> None:
    """Words moved, as bars."""
    panels = []
    for net, costs in result["counted"].items():
        bars = {"words": [(name, cost["words"]) for name, cost in costs.items() if name != "last"]}
        panels.append(Axes(f"{net}: to carry the error", "", "words moved per step", bars, bars=True, log=True))
    draw(panels, path)


def as_markdown(result: dict[str, Any]) -> str:
    """A section: what is claimed, counted and measured."""
    heads = ("net", "rule", "MACs forward", "carrying the error", "update", "step, relative to bp", "words moved")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for net, costs in result["counted"].items():
        for rule, c in costs.items():
            lines.append(
                f"| {net} | {rule} | {c['forward']:,.0f} | {c['delivery']:,.0f} | {c['update']:,.0f} | "
                f"{c['step'] / costs['bp']['step']:.2f} | {c['words']:,.0f} |"
            )
    said = (
        "Words moved: numbers read and written to bring the error to the hidden layers; indices count as half a word. "
        "All neurons are taken as active, as in the paper. tests/test_movement.py counts what the C runtime reads and "
        "writes, and compares.\n\n"
    )
    said += "\n".join(f"- {_saving(net, costs)}" for net, costs in result["counted"].items())
    said += f"\n\n{_of_live(result['counted'])}"
    table = "\n".join(lines)
    parts = ["### What a step costs", said, table, f"![words moved per step, by rule]({PICTURE})"]
    if "measured" in result:
        parts.append(_measured(result["measured"]))
    return "\n\n".join(parts) + "\n"


def _saving(net: str, costs: dict[str, dict[str, float]]) -> str:
    bp, dense, sparse = costs["bp"], costs["dense"], costs["sparse k=1"]
    return (
        f"{net}, k = 1: {bp['words'] / sparse['words']:.0f} times fewer words than back-propagation, "
        f"{dense['words'] / sparse['words']:.0f} times fewer than dense feedback; MACs behind the forward pass fall to "
        f"{100 * sparse['backward'] / bp['backward']:.0f} %, those of the whole step to "
        f"{100 * sparse['step'] / bp['step']:.0f} %."
    )


def _of_live(counted: dict[str, dict[str, dict[str, float]]]) -> str:
    """What it moves, beside back-propagation and frozen tables."""
    words = "; ".join(
        f"{net}: {c['live k=2']['words']:,.0f} words at most, back-propagation {c['bp']['words']:,.0f}, frozen tables "
        f"(k = 2) {c['sparse k=2']['words']:,.0f}"
        for net, c in counted.items()
    )
    return (
        "It is frozen tables that move less, by orders of magnitude where several wide layers learn. *Live* feedback, "
        "the default of `export`, does not in the last hidden layer: there each active neuron reads in every step all "
        "its weights to outputs with an error to find the k strongest (nothing is kept from the step before), about as "
        f"much as back-propagation moves or more; it saves in the layers below, which have tables. {words}."
    )


def _measured(found: dict[str, Any]) -> str:
    lines = [
        f"Instructions on {found['target']}, {found['net']} on digits, mean of the first {found['steps']} steps, from "
        "every error and with a threshold:\n",
        "| rule | forward | learn, every error | learn, threshold 1/32 | whole step, relative to bp (every error) |",
        "|---|---|---|---|---|",
    ]
    bp = sum(found["rules"]["bp"]["0"].values())
    for rule, row in found["rules"].items():
        every, some = row["0"], row["0.03125"]
        part = sum(every.values()) / bp
        lines.append(f"| {rule} | {every['run']:,} | {every['learn']:,} | {some['learn']:,} | {part:.2f} |")
    return "\n".join(lines)
