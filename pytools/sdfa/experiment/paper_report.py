"""What `pytools experiment paper` found, as JSON, CSV, pictures and a page in Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdfa.experiment.movement import StepCost, step_cost
from sdfa.experiment.paper import Findings, Question
from sdfa.plots import Axes, draw

NETS = ((784, 400, 10), (3072, 1000, 1000, 1000, 10))
"""Those that the paper counts."""
COSTS = {
    "bp": ("bp", 0), "dense": ("dense", 0), "sparse k=2": ("sparse", 2), "sparse k=1": ("sparse", 1),
    "last": ("last", 0),
}  # fmt: skip


def result_of(question: Question, found: Findings) -> dict[str, Any]:
    """Everything in JSON's types; accuracies are shares of 1."""
    return {
        "experiment": "paper", "settings": question.described() | {"seeds": question.seeds},
        "accuracy": {e: {r.name: _row(found, e, r.name) for r in question.chosen_rules()} for e in question.engines},
        "angles": found.angles(),
        "costs": {_net(sizes): {name: _cost(step_cost(sizes, *how)) for name, how in COSTS.items()} for sizes in NETS},
    }  # fmt: skip


def _net(sizes: Sequence[int]) -> str:
    return "-".join(map(str, sizes))


def _row(found: Findings, engine_name: str, rule: str) -> dict[str, Any]:
    values = found.last_epochs(engine_name, rule)
    return {
        "mean": float(np.mean(values)), "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        "rate": found.rates[engine_name, rule], "seeds": values,
    }  # fmt: skip


def _cost(cost: StepCost) -> dict[str, float]:
    return {
        "forward": cost.forward, "delivery": cost.delivery, "update": cost.update, "backward": cost.backward,
        "step": cost.step, "words": cost.words,
    }  # fmt: skip


def as_csv(result: dict[str, Any]) -> bytes:
    """One line per net that was scored."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["data", "arithmetic", "rule", "rate", "seed", "accuracy"])
    for engine_name, rows in result["accuracy"].items():
        for rule, row in rows.items():
            for seed, value in enumerate(row["seeds"], 1):
                writer.writerow([result["settings"]["data"], engine_name, rule, row["rate"], seed, value])
    return file.getvalue().encode()


# --- pictures ---


def draw_all(result: dict[str, Any], folder: Path) -> list[str]:
    """Writes the pictures; their names, in the order of the page."""
    data = result["settings"]["data"]
    pictures = {f"{data}-sparsity.png": _sparsity(result), f"{data}-cost.png": _costs(result)}
    if result["angles"]:
        pictures[f"{data}-angle.png"] = _angles(result)
    for name, panels in pictures.items():
        draw(panels, folder / name)
    return sorted(pictures)


def _sparsity(result: dict[str, Any]) -> list[Axes]:
    """Accuracy by k, and by rank."""
    classes = result["settings"]["sizes"][-1]
    panels = []
    for what, title in (("k", "errors per neuron (k), full rank"), ("rank", "rank of a dense feedback matrix")):
        lines: dict[str, list[tuple[float | str, float]]] = {}
        levels: dict[str, float] = {}
        for engine_name, rows in result["accuracy"].items():
            points = {
                int(r.split("=")[1]): row["mean"] for r, row in rows.items() if r.split("=")[0] == what and " " not in r
            }
            if "dense" in rows:
                points[classes] = rows["dense"]["mean"]
            lines[engine_name] = [(n, 100 * v) for n, v in sorted(points.items())]
            levels |= {f"{r}, {engine_name}": 100 * rows[r]["mean"] for r in ("bp", "last") if r in rows}
        panels.append(Axes(title, what, "accuracy after the last epoch, %", lines, levels))
    return panels


def _angles(result: dict[str, Any]) -> list[Axes]:
    hidden = len(next(iter(result["angles"].values())))
    return [
        Axes(f"hidden layer {i + 1}", "epochs", "angle to back-propagation, degrees",
             {rule: list(enumerate(rows[i])) for rule, rows in result["angles"].items()}, {})
        for i in range(hidden)
    ]  # fmt: skip


def _costs(result: dict[str, Any]) -> list[Axes]:
    panels = []
    for net, costs in result["costs"].items():
        bars = {"words": [(name, cost["words"]) for name, cost in costs.items() if name != "last"]}
        panels.append(Axes(f"{net}: to carry the error", "", "words moved per step", bars, bars=True, log=True))
    return panels


# --- the page ---


def as_markdown(result: dict[str, Any], pictures: Sequence[str]) -> str:
    """A section: tables and pictures, and what they say about each claim."""
    s = result["settings"]
    who = f"{s['data']}, {_net(s['sizes'])}, {s['epochs']} epochs" + (
        f", {s['samples']} samples" if s["samples"] else ""
    )
    parts = [f"### {who}\n", _about(result), _accuracy_table(result), _verdict(result)]
    parts += [f"![{name}]({name})\n" for name in pictures if "cost" not in name]
    return "\n".join(parts)


def _about(result: dict[str, Any]) -> str:
    s = result["settings"]
    return (
        f"Accuracy in % on test samples after the last epoch, mean ± deviation over {s['seeds']} seeds. Rates were "
        f"chosen for each rule on a part of the training samples. Threshold {s['tau']:g}; rates fall to a tenth. "
        "Rows of feedback have the same length on average for every k and rank.\n"
    )


def _accuracy_table(result: dict[str, Any]) -> str:
    engines = list(result["accuracy"])
    lines = ["| rule | " + " | ".join(f"{e} | rate" for e in engines) + " |", "|---|" + "---|" * (2 * len(engines))]
    for rule in result["accuracy"][engines[0]]:
        rows = [result["accuracy"][e][rule] for e in engines]
        cells = " | ".join(f"{100 * r['mean']:.1f} ± {100 * r['deviation']:.1f} | {r['rate']:g}" for r in rows)
        lines.append(f"| {rule} | {cells} |")
    return "\n".join(lines) + "\n"


def _verdict(result: dict[str, Any]) -> str:
    """The claims in the figures' own words."""
    lines = []
    for name, rows in result["accuracy"].items():
        gaps = [f"{a} less {b}: {100 * (rows[a]['mean'] - rows[b]['mean']):+.1f} points"
                for a, b in (("k=1", "dense"), ("k=2", "dense"), ("rank=1", "dense"), ("dense", "bp"), ("k=1", "last"))
                if a in rows and b in rows]  # fmt: skip
        lines.append(f"- {name}: " + "; ".join(gaps) + ".")
    return "\n".join(lines) + "\n"


def cost_markdown(result: dict[str, Any], pictures: Sequence[str]) -> str:
    """The section on costs, which no data set changes."""
    heads = ("net", "rule", "MACs forward", "carrying the error", "update", "step, relative to bp", "words moved")
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for net, costs in result["costs"].items():
        for rule, c in costs.items():
            lines.append(
                f"| {net} | {rule} | {c['forward']:,.0f} | {c['delivery']:,.0f} | {c['update']:,.0f} | "
                f"{c['step'] / costs['bp']['step']:.2f} | {c['words']:,.0f} |"
            )
    said = (
        "Words moved: numbers read and written to bring the error to the hidden layers; indices count as half a word. "
        "All neurons are taken as active, as in the paper. "
    )
    said += " ".join(_saving(net, costs) for net, costs in result["costs"].items())
    pictures_md = "".join(f"\n![{name}]({name})\n" for name in pictures if "cost" in name)
    return "### What a step costs\n\n" + said + "\n\n" + "\n".join(lines) + "\n" + pictures_md


def _saving(net: str, costs: dict[str, dict[str, float]]) -> str:
    bp, dense, sparse = costs["bp"], costs["dense"], costs["sparse k=1"]
    return (
        f"{net}, k = 1: {bp['words'] / sparse['words']:.0f} times fewer words than back-propagation, "
        f"{dense['words'] / sparse['words']:.0f} times fewer than dense feedback; MACs behind the forward pass fall to "
        f"{100 * sparse['backward'] / bp['backward']:.0f} %, those of the whole step to "
        f"{100 * sparse['step'] / bp['step']:.0f} %."
    )
