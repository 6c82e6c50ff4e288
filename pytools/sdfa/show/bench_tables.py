"""The result of `pytools bench` as tables, for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

CAVEAT = "QEMU counts executed instructions, not cycles: real silicon takes longer."


def show_bench(result: dict[str, Any], console: Console) -> None:
    """Instructions, the same by layer, memory."""
    what = "random samples" if result["random_samples"] else "samples"
    title = f"{result['name']} on {result['target']} ({result['core']}), {result['samples']} {what}"
    for part in (title, _calls(result["instructions"]), _layers(result), _memory(result), CAVEAT, result["compiler"]):
        console.print(part, soft_wrap=isinstance(part, str))


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _per_mac(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def _calls(of: dict[str, Any]) -> Table:
    table = Table("instructions", *(f"{name}" for name in ("mean", "min", "max", "per MAC")))
    for column in table.columns[1:]:
        column.justify = "right"
    rows: dict[str, dict[str, Any]] = {
        "sdfa_open, once": {"mean": of["open"]}, "- CRC-32 of the image": {"mean": of["crc"]["mean"]},
        "- the rest (sdfa_bind)": {"mean": of["bind"]}, "one inference (sdfa_run)": of["run"],
    }  # fmt: skip
    if "learn" in of:
        rows |= {"one update (sdfa_learn)": of["learn"], "one learning step, both": of["step"]}
    for name, row in rows.items():
        per_mac = of["per_mac"] if row is of["run"] else None
        table.add_row(name, *(_number(row.get(key)) for key in ("mean", "min", "max")), _per_mac(per_mac))
    return table


def _layers(result: dict[str, Any]) -> Table:
    table = Table("#", "operation", "output", "MACs", "instructions", "per MAC", "share")
    for column in table.columns[3:]:
        column.justify = "right"
    for row in result["layers"]:
        table.add_row(
            str(row["place"]), row["kind"], " x ".join(map(str, row["out"])), _number(row["macs"]),
            _number(row["instructions"]), _per_mac(row["per_mac"]), f"{100 * row['share']:.1f} %",
        )  # fmt: skip
    return table


def _memory(result: dict[str, Any]) -> Table:
    ram, flash = result["ram"], result["flash"]
    table = Table("memory", "bytes", "what")
    table.columns[1].justify = "right"
    rows = [
        ("RAM", ram["arena"], "arena: tensors, scratch, errors"), ("RAM", ram["tail"], "weights and biases that learn"),
        ("RAM", ram["state"], "struct sdfa"), ("RAM", ram["stack"], "stack of the runtime's functions, at most"),
        ("RAM", ram["total"], "all of it"), ("flash", flash["code"], "code that is linked for this model"),
        ("flash", flash["weights"], "weights"), ("flash", flash["feedback_tables"], "feedback tables"),
        ("flash", flash["learned"], "learned weights beside those of the factory"),
        ("flash", flash["other"], "rest of the image: biases, multipliers, tables, records, names"),
        ("flash", flash["total"], "code and image"),
    ]  # fmt: skip
    for kind, length, what in rows:
        if length:
            table.add_row(kind, _number(length), what)
    return table


def show_times(result: dict[str, Any], console: Console) -> None:
    """What a real board's clock says."""
    table = Table("microseconds", "mean", "min", "max")
    for what, found in result["microseconds"].items():
        table.add_row(what, *(f"{found[key]:,}" for key in ("mean", "min", "max")))
    console.print(f"{result['board']}: {result['samples']} samples")
    console.print(table)
