"""Tables of an export report, for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def export_tables(report: dict[str, Any]) -> list[Table | str]:
    """Operations, learning and memory of an export: tables, and the lines between them."""
    parts: list[Table | str] = [f"{report['name']} from {report['source']}", _ops(report), *_left_out(report)]
    if report["learning"]:
        parts += _learning(report["learning"])
    return [*parts, _memory(report)]


def ram_line(ram: dict[str, int | None]) -> str:
    """What Session.ram says, in one line."""
    names = {"arena": "arena", "tail": "weights", "state": "state", "stack": "measured stack"}
    parts = " + ".join(f"{name} {ram[key]:,}" for key, name in names.items() if ram[key])
    rest = "" if ram["stack"] else " (stack: on boards only)"
    return f"RAM: {parts} = {ram['total']:,} bytes{rest}"


def _shape(shape: list[int]) -> str:
    return " x ".join(map(str, shape))


def _ops(report: dict[str, Any]) -> Table:
    more = ["left out"] if report["left_out"]["channels"] else []
    table = Table("#", "operation", "output", "MACs", "weights", *more)
    for op in report["ops"]:
        cells = [str(op["place"]), op["kind"], _shape(op["out"]), f"{op['macs']:,}", f"{op['weights']:,}"]
        table.add_row(*cells, *(str(op["left_out"] or "") for _ in more))
    return table


def _left_out(report: dict[str, Any]) -> list[str]:
    saved = report["left_out"]
    if not saved["channels"]:
        return []
    percent = 100 * saved["macs"] / (report["macs"] + saved["macs"])
    return [
        f"{saved['channels']:,} constant or unread channels left out, exactly: "
        f"-{percent:.1f} % MACs, -{saved['flash']:,} bytes of flash"
    ]


def _memory(report: dict[str, Any]) -> Table:
    ram, flash = report["ram"], report["flash"]
    table = Table("memory", "bytes", "what")
    least = "the minimum" if ram["arena"] == ram["arena_minimum"] else f"minimum {ram['arena_minimum']}"
    table.add_row("RAM", f"{ram['arena']:,}", f"arena: tensors, scratch, errors ({least})")
    table.add_row("RAM", f"{ram['tail']:,}", "weights and biases that learn")
    table.add_row("RAM", f"{ram['state']:,}", "struct sdfa (and the stack)")
    table.add_row("flash", f"{flash['image']:,}", "image: constants, tables, factory weights")
    return table


def _learning(g: dict[str, Any]) -> list[Table | str]:
    title = f"learns with {g['loss']}, feedback {g['feedback']}, rate {g['rate']:g}, threshold {g['tau']:g}"
    table = Table("layer", "in", "out", "weights", "at ±127")
    for layer in g["layers"]:
        table.add_row(
            str(layer["place"]), str(layer["in"]), str(layer["out"]), f"{layer['weights']:,}", str(layer["at_127"])
        )
    if not g["connections"]:
        return [title, table]
    said = f"{g['connections']} connections per hidden neuron, {g['table_bytes']} bytes of tables in flash"
    return [title, table, said + _JACOBIANS[g["jacobian"]]]


_JACOBIANS = {
    None: "",
    "mean": ", aligned with the mean Jacobian over calibration data",
    "product": ", aligned with the product of the weights",
}
