"""What `pytools experiment paper` found, as JSON, CSV, pictures and a page in Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdfa.experiment.panels import Axes, draw
from sdfa.experiment.paper import Findings, Question


def result_of(question: Question, found: Findings) -> dict[str, Any]:
    """Everything in JSON's types; accuracies are shares of 1."""
    return {
        "experiment": "paper", "settings": question.described() | {"seeds": question.seeds},
        "accuracy": accuracy_rows(question, found),
        "angles": found.angles(),
    }  # fmt: skip


def accuracy_rows(question: Question, found: Findings) -> dict[str, dict[str, Any]]:
    """By arithmetic and rule: mean, deviation and values over seeds, and the rate."""
    return {e: {r.name: _row(found, e, r.name) for r in question.chosen_rules()} for e in question.engines}


def net_name(sizes: Sequence[int]) -> str:
    """784-400-10."""
    return "-".join(map(str, sizes))


def _row(found: Findings, engine_name: str, rule: str) -> dict[str, Any]:
    values = found.last_epochs(engine_name, rule)
    return {
        "mean": float(np.mean(values)), "deviation": float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
        "rate": found.rates[engine_name, rule], "seeds": values,
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
    pictures = {f"{data}-sparsity.png": _sparsity(result)}
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


# --- the page ---


def as_markdown(result: dict[str, Any], pictures: Sequence[str]) -> str:
    """A section: tables and pictures, and what they say about each claim."""
    s = result["settings"]
    who = f"{s['data']}, {net_name(s['sizes'])}, {s['epochs']} epochs" + (
        f", {s['samples']} samples" if s["samples"] else ""
    )
    parts = [f"### {who}\n", _about(result), accuracy_table(result), _verdict(result)]
    parts += [f"![{name}]({name})\n" for name in pictures]
    return "\n".join(parts)


def _about(result: dict[str, Any]) -> str:
    s = result["settings"]
    return (
        f"Accuracy in % on test samples after the last epoch, {seeds_said(s['seeds'])}. "
        f"{rates_said(s['rates'])} Threshold {s['tau']:g}; rates fall to a tenth. "
        "Rows of feedback have the same length on average for every k and rank.\n"
    )


def percent(row: dict[str, Any]) -> str:
    """Accuracy in %, with its deviation where there are several seeds."""
    mean = f"{100 * row['mean']:.1f}"
    return f"{mean} ± {100 * row['deviation']:.1f}" if len(row["seeds"]) > 1 else mean


def rate_said(rate: float, rates: Sequence[float]) -> str:
    """The rate, and whether it is the last one of those that it was chosen from: a better one may lie beyond."""
    edge = {max(rates): " (highest)", min(rates): " (lowest)"} if len(rates) > 1 else {}
    return f"{rate:g}{edge.get(rate, '')}"


def rates_said(rates: Sequence[float]) -> str:
    """Where they come from."""
    known = ", ".join(f"{rate:g}" for rate in rates)
    return f"Rates were chosen for each rule, out of {known}, on a part of the training samples."


def seeds_said(seeds: int) -> str:
    """What `percent` shows."""
    return f"mean ± deviation over {seeds} seeds" if seeds > 1 else "one seed"


def accuracy_table(result: dict[str, Any]) -> str:
    """Rules by arithmetic, in %, each with its rate."""
    engines = list(result["accuracy"])
    lines = ["| rule | " + " | ".join(f"{e} | rate" for e in engines) + " |", "|---|" + "---|" * (2 * len(engines))]
    for rule in result["accuracy"][engines[0]]:
        rows = [result["accuracy"][e][rule] for e in engines]
        cells = " | ".join(f"{percent(r)} | {rate_said(r['rate'], result['settings']['rates'])}" for r in rows)
        lines.append(f"| {rule} | {cells} |")
    return "\n".join(lines) + "\n"


_CLAIMS = (
    ("One error per neuron is enough", "k=1", "dense"),
    ("Two are", "k=2", "dense"),
    ("Rank matters more than sparsity", "rank=1", "dense"),
    ("Direct feedback alignment comes near to back-propagation", "dense", "bp"),
    ("Hidden layers learn by one error", "k=1", "last"),
    ("Ours: a start that fits its feedback, instead of random feedback", "aligned k=2", "k=2"),
    ("Ours, against back-propagation", "aligned k=2", "bp"),
)


def _verdict(result: dict[str, Any]) -> str:
    """Each claim with the difference that tests it."""
    lines = []
    for claim, a, b in _CLAIMS:
        gaps = [
            f"{100 * (rows[a]['mean'] - rows[b]['mean']):+.1f} ({name})"
            for name, rows in result["accuracy"].items()
            if a in rows and b in rows
        ]
        if gaps:
            lines.append(f"- {claim}: {a} less {b}, in points: {', '.join(gaps)}.")
    return "\n".join(lines) + "\n"
