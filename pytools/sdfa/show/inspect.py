"""What a .tflite, .keras or .sdfa file holds, as data (`describe`) and as tables for people (`show`)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sdfa.device.samples import class_count
from sdfa.errors import SdfaError, printable
from sdfa.exporter.export import Options, export_graph
from sdfa.image.packing import op_macs
from sdfa.image.reader import Image, read_image
from sdfa.image.records import FEEDBACKS, LOSSES, MAGIC, table_count
from sdfa.keras.model import keras_config, layers_of, refuse_foreign_code
from sdfa.lower import SUPPORTED_OPS
from sdfa.show.diff import change_table, layer_values, weight_change
from sdfa.show.feedback import show_feedback
from sdfa.show.memory_map import as_data, from_data, memory_map
from sdfa.show.memory_picture import draw_png
from sdfa.show.memory_text import draw
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.graph import Graph, Op
from sdfa.tflite.load import read_model


def describe(path: Path) -> dict[str, Any]:
    """Everything about a model file or an image, JSON-able. Raises SdfaError."""
    if not path.is_file():
        raise SdfaError(f"{path} is not a file: give a .tflite model, a .keras model or a .sdfa image")
    if path.suffix.lower() == ".keras":
        return describe_keras(path)
    with path.open("rb") as f:
        magic = f.read(4)
    if magic == MAGIC.to_bytes(4, "little") or path.suffix == ".sdfa":
        return describe_image(read_image(path.read_bytes(), path.name))
    return _describe_model(path)


def _describe_model(path: Path) -> dict[str, Any]:
    graph, data = read_model(path)
    graph = fold_shapes(graph)
    planned, macs = _planned(graph)
    return {
        "type": "tflite", "name": graph.name, "bytes": len(data), "sha256": graph.sha256,
        "ops": [_lite_op(graph, op) | {"macs": macs.get(op.place)} for op in graph.ops], **planned,
    }  # fmt: skip


def _lite_op(graph: Graph, op: Op) -> dict[str, Any]:
    out = graph.tensors[op.outputs[0]] if op.outputs else None
    quantized = out is not None and out.scale.size == 1
    return {
        "place": op.place, "kind": op.kind, "supported": op.kind in SUPPORTED_OPS,
        "in": [list(graph.tensors[i].shape) for i in op.inputs[:1]],
        "out": list(out.shape) if out else [], "dtype": out.dtype if out else "",
        "scale": float(out.scale[0]) if out and quantized else None,
        "zero_point": int(out.zero_point[0]) if out and quantized else None,
    }  # fmt: skip


def _planned(graph: Graph) -> tuple[dict[str, Any], dict[int, int]]:
    """The memory map that an export for inference only would have, or why there is none; multiplications by place."""
    try:
        export = export_graph(graph, "model", Options(train_last=0))
    except SdfaError as error:
        return {"memory": None, "refused": str(error)}, {}
    macs: dict[int, int] = {}
    for op in export.report["ops"]:
        macs[op["place"]] = macs.get(op["place"], 0) + op["macs"]
    return {"memory": as_data(memory_map(export.image)), "refused": None}, macs


def describe_keras(path: Path) -> dict[str, Any]:
    """The layers of a .keras file, as it says; without TensorFlow."""
    config, data = keras_config(path), path.read_bytes()
    try:
        refuse_foreign_code(path.name, config)
        refused = None
    except SdfaError as error:
        refused = str(error)
    layers = [
        {
            "name": str(inner.get("name")), "kind": str(layer.get("class_name")),
            "in": _keras_shape(layer, inner), "settings": {k: v for k, v in inner.items() if k in _KERAS_SETTINGS},
        }
        for layer in layers_of(config)
        if isinstance(inner := layer.get("config"), dict)
    ]  # fmt: skip
    return {
        "type": "keras", "name": path.stem, "bytes": len(data), "sha256": sha256(data).hexdigest(),
        "class": str(config.get("class_name")), "layers": layers, "refused": refused,
    }  # fmt: skip


_KERAS_SETTINGS = (
    "units", "filters", "kernel_size", "strides", "padding", "activation", "use_bias", "pool_size", "rate", "axis",
    "depth_multiplier", "dilation_rate", "target_shape",
)  # fmt: skip


def _keras_shape(layer: dict[str, Any], inner: dict[str, Any]) -> list[int | None] | None:
    """Shape of the layer's input, with the open batch size as None, if the file says."""
    build = layer.get("build_config")
    found = build.get("input_shape") if isinstance(build, dict) else inner.get("batch_shape")
    return found if isinstance(found, list) and all(n is None or isinstance(n, int) for n in found) else None


def describe_image(image: Image) -> dict[str, Any]:
    """An image's parts. Bytes, except where named otherwise."""
    head = image.header
    return {
        "type": "sdfa", "name": image.meta.get("name"), "source": image.meta.get("source"),
        "source_sha256": image.meta.get("source_sha256"), "tool": image.meta.get("tool"),
        "labels": image.meta.get("labels"), "model_id": image.model_id.hex(), "bytes": int(head["image_len"]),
        "ram": {"arena": int(head["arena_len"]), "tail": int(head["tail_len"])},
        "input": image.meta.get("input"), "output": image.meta.get("output"),
        "ops": [
            _op(image, *op) | {"left_out": n} for op, n in zip(image.ops, image.left_out, strict=True)
        ],
        "tensors": [
            {"off": int(t["off"]), "shape": [int(t["h"]), int(t["w"]), int(t["c"])],
             "scale": float(t["scale"]), "zero_point": int(t["zero_point"])}
            for t in image.tensors
        ],
        "memory": as_data(memory_map(image)),
        "learning": _learning(image),
        "learned": None if image.learned is None else _learned(image),
    }  # fmt: skip


def _op(image: Image, kind: str, record: np.void) -> dict[str, Any]:
    shapes = {}
    for end in ("in", "out"):
        t = image.tensors[int(record[end])]
        shapes[end] = [int(t["h"]), int(t["w"]), int(t["c"])]
    out = image.tensors[int(record["out"])]
    return {"kind": kind, **shapes, "macs": op_macs(image, kind, record), "scale": float(out["scale"]),
            "zero_point": int(out["zero_point"])}  # fmt: skip


def _learning(image: Image) -> dict[str, Any] | None:
    g = image.learning
    if g is None:
        return None
    return {
        "loss": LOSSES[int(g["loss"])], "feedback": FEEDBACKS[int(g["feedback"])],
        "rate": int(g["rate_q24"]) / 2**24, "tau": int(g["tau_q15"]) / 2**15, "seed": int(g["seed"]),
        "outputs": class_count(image),
        "layers": [_layer(image, n) for n in range(len(image.layers))],
    }  # fmt: skip


def _layer(image: Image, n: int) -> dict[str, Any]:
    assert image.learning is not None
    layer = image.layers[n]
    op = image.ops[image.op_off.index(int(layer["op"]))][1]
    rows = {"in": int(op["in_n"]), "out": int(op["out_n"]), "connections": int(layer["k"])}
    if n >= table_count(FEEDBACKS[int(image.learning["feedback"])], len(image.layers)):
        return rows
    wide = "<u2" if class_count(image) > 256 else "u1"
    index = image.constant(int(layer["index"]), wide, rows["out"] * rows["connections"])
    coef = image.constant(int(layer["coef"]), np.int8, len(index))
    heard = np.bincount(index[coef != 0], minlength=class_count(image))
    return rows | {
        "table_bytes": index.nbytes + coef.nbytes,
        "listeners_per_output": [int(heard.min()), int(heard.max())],
    }


def _learned(image: Image) -> dict[str, Any]:
    g = image.learned
    assert g is not None
    changed = np.frombuffer(image.tail, np.uint8) != np.frombuffer(image.present_tail, np.uint8)
    return {
        "steps": int(g["steps"]), "rate": int(g["rate_q24"]) / 2**24, "tau": int(g["tau_q15"]) / 2**15,
        "changed_bytes": int(changed.sum()), "tail_bytes": len(image.tail),
        "layers": [_learned_layer(image, n) for n in range(len(image.layers))],
    }  # fmt: skip


def _learned_layer(image: Image, n: int) -> dict[str, Any]:
    """How far a layer is from the factory."""
    (w, bias), (v, now) = (layer_values(image, n, tail) for tail in (image.tail, image.present_tail))
    return {"layer": n, **weight_change(w, v), "biases": int(np.sum(bias != now)), "biases_total": len(bias)}


def show(what: dict[str, Any], console: Console) -> None:
    """Tables for people."""
    console.print(f"{printable(str(what['name']))}  {what['bytes']} bytes", style="bold", soft_wrap=True)
    if what["type"] == "keras":
        _show_keras(what, console)
        return
    more = ["left out"] if any(op.get("left_out") for op in what["ops"]) else []
    table = Table("#", "operation", "out", "MACs", "scale", "zero", *more)
    for i, op in enumerate(what["ops"]):
        mark = "" if op.get("supported", True) else "  (not supported)"
        macs, scale = op["macs"], op["scale"]
        cells = [
            str(op.get("place", i)), op["kind"] + mark, _shape(op["out"]), f"{macs:,}" if macs else "",
            "" if scale is None else f"{scale:.4g}", "" if scale is None else str(op["zero_point"]),
        ]  # fmt: skip
        table.add_row(*cells, *(str(op["left_out"] or "") for _ in more))
    console.print(table)
    if what["type"] == "sdfa":
        _show_image(what, console)
        if "feedback" in what:
            show_feedback(what["feedback"], console)
    elif what["memory"]:
        steps = ", ".join(f"{i} {kind}" for i, kind in enumerate(what["memory"]["steps"]))
        console.print(f"Exported for inference only, it has the operations {steps}.")
        console.print("The arena, operation by operation:")
        console.print(draw(from_data(what["memory"]), console.width))
    else:
        console.print(f"It cannot be exported: {what['refused']}")


def _show_keras(what: dict[str, Any], console: Console) -> None:
    table = Table("layer", "class", "in", "settings")
    for layer in what["layers"]:
        shape = "" if layer["in"] is None else _shape(["n" if n is None else n for n in layer["in"]])
        settings = ", ".join(f"{name} {value}" for name, value in layer["settings"].items())
        table.add_row(*map(printable, (layer["name"], layer["kind"], shape, settings)))
    console.print(table)
    next_step = what["refused"] or "pytools quantize makes an int8 .tflite file of it, and says what that costs."
    console.print(printable(next_step))


def picture(what: dict[str, Any]) -> bytes:
    """The memory map as a PNG. SdfaError for a model that cannot be exported."""
    if not what.get("memory"):
        why = "a Keras model has none: quantize it first" if what["type"] == "keras" else what["refused"]
        raise SdfaError(f"there is no memory map to draw: {why}")
    return draw_png(from_data(what["memory"]), f"{what['name']}: the arena, operation by operation")


def _shape(shape: Sequence[object]) -> str:
    return " x ".join(map(str, shape))


def _show_image(what: dict[str, Any], console: Console) -> None:
    ram = what["ram"]
    tool = f", by {printable(str(what['tool']))}" if what["tool"] else ""
    console.print(f"model id {what['model_id']}, from {printable(str(what['source']))}{tool}", soft_wrap=True)
    if what["labels"]:
        console.print(printable(f"labels: {', '.join(map(str, what['labels']))}"))
    console.print(f"RAM: arena {ram['arena']} + trainable tail {ram['tail']} bytes; the arena, operation by operation:")
    console.print(draw(from_data(what["memory"]), console.width))
    g = what["learning"]
    if g is None:
        console.print("Nothing learns in this image.")
        return
    console.print(f"Learns with {g['loss']}, feedback {g['feedback']}, rate {g['rate']:.4g}, threshold {g['tau']:.4g}")
    table = Table("layer", "in", "out", "connections", "table bytes", "listeners per output")
    for i, layer in enumerate(g["layers"]):
        heard = layer.get("listeners_per_output")
        table.add_row(
            str(i), str(layer["in"]), str(layer["out"]), str(layer["connections"] or "-"),
            str(layer.get("table_bytes", "-")), f"{heard[0]} to {heard[1]}" if heard else "-",
        )  # fmt: skip
    console.print(table)
    if what["learned"]:
        learned = what["learned"]
        console.print(
            f"Learned: {learned['steps']} steps, {learned['changed_bytes']} of {learned['tail_bytes']} bytes differ; "
            f"goes on with rate {learned['rate']:.4g}, threshold {learned['tau']:.4g}"
        )
        console.print(change_table(learned["layers"]))
