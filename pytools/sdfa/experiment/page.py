"""The results of an experiment as CSV, as Markdown, and as one HTML page that needs nothing beside it."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sdfa.experiment.holdout import kept
from sdfa.experiment.panels import Axes, draw
from sdfa.experiment.personalize import Findings
from sdfa.show.page.shell import document, table, text

_COLUMNS = ("k", "fold", "person", "seed", "rule", "rate", "epochs")
_SCORES = ("before", "after", "old_before", "old_after", "updated", "saturated", "rate_used")
HEADINGS = (
    "rule", "before", "after", "worst", "worst person", "minus float bp", "minus bp", "minus last", "forgotten",
    "people below start", "updates done", "chosen rate x epochs",
)  # fmt: skip


def as_csv(found: Findings) -> bytes:
    """One line per scored cell."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*_COLUMNS, *_SCORES])
    for cell in found.finals:
        row = found.done[cell.key]
        scores = [row["test"][0], row["test"][-1], row["old"][0], row["old"][-1], row["updated"], row["saturated"]]
        scores.append(row["rate"])
        writer.writerow([*(getattr(cell, name) for name in _COLUMNS), *scores])
    return file.getvalue().encode()


def rows_of(result: dict[str, Any], k: str) -> list[list[str]]:
    """The table of one number of samples per class, as texts, under HEADINGS."""
    return [[name, *_cells(row)] for name, row in result["k"][k]["rules"].items()]


def _cells(row: dict[str, Any]) -> list[str]:
    minus = [_difference(row["minus"].get(other)) for other in ("float bp", "bp", "last")]
    return [
        _percent(row["before"]), _percent(row["after"]), _percent(row["worst"]), row["worst_person"], *minus,
        _percent(row["forgetting"]), f"{row['below_start']:.1f}", _percent(row["updated"]), _chosen(row["chosen"]),
    ]  # fmt: skip


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _difference(found: dict[str, Any] | None) -> str:
    if found is None:
        return ""
    mean = f"{100 * found['mean']:+.1f}"
    return mean if found["low"] is None else f"{mean} ±{50 * (found['high'] - found['low']):.1f}"


def _chosen(chosen: dict[str, Any]) -> str:
    texts = sorted(
        {f"{c['rate']:g} x {c['epochs']}" + (f" ({c['edge']})" if c["edge"] else "") for c in chosen.values()}
    )
    return "; ".join(texts)


def as_html(result: dict[str, Any], png: bytes) -> bytes:
    """Tables, the picture, and the whole result as JSON inside."""
    picture = f'<img alt="accuracy by rule" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    tables = [(f"{k} samples per class", table(HEADINGS, rows_of(result, k))) for k in result["k"]]
    sections = [
        ("Accuracy by rule", f"<p>{text(about(result))}</p>{picture}"), *tables, ("Words", f"<p>{text(LEGEND)}</p>"),
    ]  # fmt: skip
    return document(f"Personalization: {result['data']}, change {result['change']}", sections, result)


def as_markdown(result: dict[str, Any]) -> bytes:
    """A part of the results page: headings from ### on."""
    title = f"### {result['data']}, change: {result['change']}"
    title += ", raw signals" if result["settings"]["window"] else ""
    title += ", with a gate" if result["gated"] else ""
    lines = [title, "", about(result), ""]
    for k in result["k"]:
        lines += [f"{k} samples per class:", "", _line(HEADINGS), _line(["---"] * len(HEADINGS))]
        lines += [*map(_line, rows_of(result, k)), ""]
        lines += [about_gate(result, k), ""] if result["gated"] else []
    lines += [f"![accuracy by samples per class]({CURVE})", ""] if len(result["k"]) > 1 else []
    return ("\n".join([*lines, "![accuracy by rule](accuracy.png)", "", LEGEND]) + "\n").encode()


CURVE = "samples.png"


def draw_curve(result: dict[str, Any], path: Path) -> Path:
    """Accuracy by samples per class, a line for each rule, as a PNG."""
    lines: dict[str, list[tuple[float | str, float]]] = {}
    for k, part in result["k"].items():
        for name, row in part["rules"].items():
            lines.setdefault(name, []).append((int(k), 100 * row["after"]))
    title = f"{result['data']}, change {result['change']}: mean over new people"
    draw([Axes(title, "samples per class", "accuracy after learning, %", lines)], path)
    return path


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def about(result: dict[str, Any]) -> str:
    """What was asked, in two sentences."""
    settings, people, what = result["settings"], result["people"], result["about"]
    return (
        f"{what[:1].upper()}{what[1:]}. {len(people)} new people ({', '.join(people)}), {result['seeds']} draws each, "
        f"{len(result['classes'])} classes; the last {settings['learn']} dense layers learn in int8 on "
        f"{result['target']}, error threshold {settings['tau']:g}."
    )


_DROPS = (0.1, 0.2, 0.4)


def about_gate(result: dict[str, Any], k: str) -> str:
    """What the gate did, and what a hold-out of this size can promise."""
    rows, m = result["k"][k]["rules"], len(result["classes"])
    refused = ", ".join(f"{100 * rows[name]['refused']:.0f} % ({name})" for name in result["gated"])
    before, drops = rows[result["gated"][0]]["before"], " / ".join(f"{100 * drop:.0f}" for drop in _DROPS)
    passed = " / ".join(f"{100 * kept(m, before, max(before - drop, 0.0)):.0f}" for drop in _DROPS)
    return (
        f"Gate: of the {k} samples of each class one is not learned; after the last epoch the C library compares the "
        f"weights with those of the start on these {m}, and takes back what is worse; *then all*: where they may stay, "
        f"learning starts over with all {k}, at their rate. (On samples that were learned "
        f"nearly everything would pass.) Taken back: {refused} of the runs. What {m} samples can promise: weights that "
        f"are {drops} points worse than the start, at {100 * before:.0f} %, would pass in {passed} % of the cases. So "
        "few samples stop a collapse, not a loss of a few points. "
        + " ".join(_below(name, gate, result) for name, gate in result["k"][k]["gates"].items())
    )


def _below(name: str, gate: dict[str, Any], result: dict[str, Any]) -> str:
    """Who ends below the start with this gate, and what it would cost that nobody does."""
    runs = len(result["people"]) * result["seeds"]
    said = f"*{name}*: of {runs} runs {_runs_below(gate['losses'])} end below their start"
    if "p" in gate:
        said += f", with float bp {_runs_below(gate['float'])}"
        said += f"; exact paired test: p = {gate['p']:.2f}" if gate["losses"] or gate["float"] else ""
    after = " / ".join(_percent(found["after"]) for found in gate["stricter"].values())
    below = " / ".join(f"{found['below_start']:.1f}" for found in gate["stricter"].values())
    return (
        f"{said}. A gate that wants {' / '.join(gate['stricter'])} more right than before would leave {below} people "
        f"there, and a mean of {after} %."
    )


def _runs_below(losses: list[float]) -> str:
    return f"{len(losses)} (by {100 * max(losses):.1f} points at most)" if losses else "none"


LEGEND = (
    "Accuracy in % on samples of new people that nobody learned, mean over people and draws. Differences are paired "
    "over people and draws, in points, with 95 % intervals over people (over draws where there is one person). "
    "forgotten: loss on samples of old people. people below start: who end below their own accuracy before learning, "
    "mean over draws. Rates and epochs were chosen on base people who were met as new."
)
