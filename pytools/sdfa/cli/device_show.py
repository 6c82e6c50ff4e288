"""What `pytools device` shows to people of what a board says of itself."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.table import Table

if TYPE_CHECKING:
    from sdfa.link.remote import Remote

FOREIGN = (
    "the store holds weights of another model, and nothing can be saved beside them: `pytools device reset --erase` "
    "empties it"
)


def behind(steps: int) -> str:
    """What weights are. Without steps they are the image's own; of an image that was exported, the factory's."""
    return f"weights with {steps:,} steps behind them" if steps else "factory weights (no steps behind them)"


def stored_of(remote: Remote) -> dict[str, Any]:
    """What is saved, as JSON has it; nothing where nothing can be."""
    if not {"store", "learning"} <= remote.info.features:
        return {}
    return {"stored": asdict(remote.stored())}


def two_columns(rows: Iterable[tuple[str, str]]) -> Table:
    table = Table("", "", show_header=False)
    for row in rows:
        table.add_row(*row)
    return table


def info_table(said: dict[str, Any]) -> Table:
    """said: the JSON of `device info`."""
    running = said.get("slots", {}).get("running", 0)
    where = f"pushed into slot {running}" if running else "compiled in"
    learns = f"{said['class_n']:,} outputs" if said["class_n"] else "nothing"
    rows = [
        ("board", said["board"]),
        ("model", f"{said['model_id']}, {said['image_len']:,} bytes, {where}"),
        ("input, output", f"{said['input_len']:,} and {said['output_len']:,} int8 values"),
        ("learns", learns),
    ]
    if said["class_n"]:
        rows += [("in RAM", behind(said["steps"])), ("settings", _settings(said))]
    rows += [
        (
            "memory",
            f"{said['arena_len']:,} bytes of arena, {said['tail_len']:,} of weights that learn, "
            f"{said['state_len']:,} of state",
        ),
        ("offers", ", ".join(said["features"])),
    ]
    return two_columns([*rows, *_store_row(said)])


def _settings(said: dict[str, Any]) -> str:
    rate, threshold = said["rate_q24"] / 2**24, said["tau_q15"] / 2**15
    return f"rate {rate:.4g}, threshold {threshold:.4g}, generator at {said['random']}"


def _store_row(said: dict[str, Any]) -> list[tuple[str, str]]:
    if "stored" not in said:
        return []
    stored = said["stored"]
    if stored["foreign"]:
        return [("store", FOREIGN)]
    if not stored["sequence"]:
        return [("store", "nothing is saved" + _broken(stored))]
    return [
        (
            "store",
            f"{behind(stored['steps'])}, save {stored['sequence']:,} of {stored['saves_n']:,} in the flash's life, "
            f"{stored['free_n']:,} before the next erase" + _broken(stored),
        )
    ]


def _broken(stored: dict[str, Any]) -> str:
    return f"; {stored['broken']:,} records cut off or damaged" if stored["broken"] else ""


def stats_table(said: dict[str, Any]) -> Table:
    """said: the JSON of `device stats`."""
    settings = f"rate {said['rate']:.4g}, threshold {said['threshold']:.4g}, generator at {said['random']}"
    limits = ", ".join(f"{said[f'saturated_{what}']:,} {what}" for what in ("weights", "activations", "logits"))
    rows = [
        ("in RAM", behind(said["steps"])),
        ("right before its step", f"{said['correct']:,} samples since the start"),
        ("loss, summed", f"{said['loss']:,} (4,096 are a bit; of targets 32,768 the square of the output's range)"),
        ("weights with an error", f"{said['weights_nonzero']:,}, of which {said['weights_updated']:,} had a step"),
        ("moved", f"{said['moved']:,} units of a weight in all"),
        ("stopped at a limit", limits),
        ("settings", settings),
    ]
    return two_columns([*rows, *_store_row(said)])


def score_text(said: dict[str, Any]) -> str:
    """said: the JSON of `device evaluate --data`."""
    if "rmse" in said:
        return f"RMSE {said['rmse']:.4g} over {said['samples']:,} samples"
    held = f"; {said['held_out']:,} of them are held out on the device now" if "held_out" in said else ""
    return f"accuracy {100 * said['accuracy']:.1f} %: {said['correct']:,} of {said['samples']:,} samples{held}"
