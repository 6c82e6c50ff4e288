"""What `pytools device monitor` shows."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sdfa.device.device import Stats
from sdfa.link.work import since

SHOWN = 12
"""Rows of the table: the last ones."""


def monitor_row(now: Stats, before: Stats, weights: int) -> dict[str, Any]:
    """Counters of the steps since the look before. Shares are None where there was no step.

    loss: mean, in bits (cross-entropy). skipped: share of the `weights` that learn whose rows were left alone,
    because their step is nothing or rounds to nothing.
    """
    part = since(now, before)
    steps = part.steps
    if steps == 0:
        return {"steps": now.steps, "new": 0, "accuracy": None, "loss": None, "skipped": None} | _saturated(part)
    return {
        "steps": now.steps, "new": steps, "accuracy": part.correct / steps, "loss": part.loss / 4096 / steps,
        "skipped": max(0.0, 1 - part.weights_updated / (steps * max(weights, 1))),
    } | _saturated(part)  # fmt: skip


def _saturated(part: Stats) -> dict[str, int]:
    return {
        "saturated_weights": part.saturated_weights, "saturated_activations": part.saturated_activations,
        "saturated_logits": part.saturated_logits,
    }  # fmt: skip


def monitor_table(rows: list[dict[str, Any]], board: str) -> Table:
    """The last rows, for people."""
    table = Table(
        "steps", "new", "accuracy", "loss, bits", "skipped", "saturated: weights", "activations", "logits",
        title=f"{board}: since the last look",
    )  # fmt: skip
    for row in rows[-SHOWN:]:
        table.add_row(
            f"{row['steps']:,}", f"{row['new']:,}", _percent(row["accuracy"]),
            "" if row["loss"] is None else f"{row['loss']:.3f}", _percent(row["skipped"]),
            *(f"{row[f'saturated_{what}']:,}" for what in ("weights", "activations", "logits")),
        )  # fmt: skip
    return table


def _percent(share: float | None) -> str:
    return "" if share is None else f"{100 * share:.1f} %"
