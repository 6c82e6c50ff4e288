"""Tables of an export report, for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table


def export_tables(report: dict[str, Any]) -> list[Table | str]:
    """Operations, learning and memory of an export: tables, and the lines between them."""
    parts: list[Table | str] = [f"{report['name']} from {report['source']}", _ops(report), *_left_out(report)]
    if report["learning"]:
        parts += _learning(report["learning"])
    if "quantization" in report:
        parts += quantization_tables(report["quantization"])
    parts.append(_memory(report))
    if "estimate" in report:
        parts += _estimate(report["estimate"])
    return parts + (_measured(report["measured"]) if "measured" in report else [])


def quantization_tables(q: dict[str, Any]) -> list[Table | str]:
    """What `pytools quantize` says: error by layer, against the float model on the calibration samples."""
    table = Table("#", "layer", "range", "weights", "output", "mean error", "saturated")
    for row in q["errors"]["layers"]:
        low, high = row["range"]
        name = row["kind"].lower() if "PartitionedCall" in row["name"] else row["name"].split("/")[0]
        table.add_row(
            str(row["place"]), name, f"{low:.3g} to {high:.3g}", _decibels(row["weights_sqnr_db"]),
            _decibels(row["sqnr_db"]), f"{row['mean_error']:.2g}", f"{100 * row['saturated']:.2g} %",
        )  # fmt: skip
    said = (
        f"{q['name']}: {q['bytes']:,} bytes of int8, signal to noise against float on {q['errors']['samples']} samples"
    )
    same = q["errors"]["same_class"]
    if same is not None:
        said += f": the largest output is the same for {100 * same:.1f} %"
    learns = ", ".join(map(str, q["learns"]))
    room = [f"{q['headroom']:g} times the range for what will learn: operations {learns}"] if learns else []
    return [said, table, *room]


def _decibels(value: float | None) -> str:
    return "" if value is None else f"{value:.1f} dB"


def _estimate(e: dict[str, Any]) -> list[Table | str]:
    """The table of cores, and what it is."""
    table = Table("core", "inference", "update", "at most", "steps/s", "code", "stack")
    table.columns[0].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for core, row in e["cores"].items():
        steps = row["steps_per_second"] or row["runs_per_second"]
        learn, most = (f"{row[key]:,}" if row["learn"] else "" for key in ("learn", "learn_most"))
        table.add_row(core, f"{row['run']:,}", learn, most, f"{steps:,.0f}", f"{row['code']:,}", f"{row['stack']:,}")
    off = ", ".join("{} {:+.0%} to {:+.0%}".format(core, *row["off"]) for core, row in e["cores"].items())
    return [
        table,
        "Estimates from measured kernels, as executed instructions. On the networks of the benchmark those of an "
        f"inference are off by: {off}; others may be further off. Update: sdfa_learn alone when half of the weights "
        "move, as with samples that the model does not know (measured ones were up to 30 % off); at most: when all do. "
        "Samples that it knows take far less. --measure qemu:... measures. Steps "
        f"per second (an inference and its update) at {e['clock_mhz']:g} MHz and one instruction per cycle: real "
        "cores take longer. Code and stack are those of a similar model.",
    ]


def _measured(b: dict[str, Any]) -> list[Table | str]:
    """One line of what `pytools bench` says."""
    of = b["instructions"]
    update = f", update {of['learn']['mean']:,}" if "learn" in of else ""
    return [
        f"measured on {b['target']} ({b['core']}) with random samples: inference {of['run']['mean']:,} instructions"
        f"{update}; stack {b['ram']['stack']:,}, code {b['flash']['code']:,} bytes"
    ]


def ram_line(ram: dict[str, int | None]) -> str:
    """What Session.ram says, in one line."""
    names = {"arena": "arena", "tail": "weights", "state": "state", "care": "care", "stack": "measured stack"}
    parts = " + ".join(f"{name} {ram[key]:,}" for key, name in names.items() if ram.get(key))
    rest = "" if ram["stack"] else " (stack not measured)"
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
    table = Table("layer", "#", "in", "out", "weights", "at ±127")  # layers as --freeze and inspect count them
    for i, layer in enumerate(g["layers"]):
        table.add_row(
            str(i),
            str(layer["place"]),
            str(layer["in"]),
            str(layer["out"]),
            f"{layer['weights']:,}",
            str(layer["at_127"]),
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
