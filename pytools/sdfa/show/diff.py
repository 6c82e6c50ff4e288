"""What two images have in common and what not: settings, sizes, and the values that learn, layer by layer."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from sdfa.device.samples import class_count
from sdfa.errors import printable
from sdfa.image.reader import Image
from sdfa.image.records import FEEDBACKS, LOSSES


def compare_images(a: Image, b: Image) -> dict[str, Any]:
    """JSON-able. same_model: one network; only learned values and settings can differ. changed: facts [of a, of b].

    layers, of the same network: weights that differ between what the two would start with, largest and mean absolute
    change in units of a weight, the change's length relative to that of a's weights, and biases that differ.
    """
    left, right = _facts(a), _facts(b)
    changed = {name: [left[name], right[name]] for name in left if left[name] != right[name]}
    same = a.model_id == b.model_id
    layers = [_layer(a, b, n) for n in range(len(a.layers))] if same else []
    return {"type": "difference", "same_model": same, "changed": changed, "layers": layers}


def _facts(image: Image) -> dict[str, Any]:
    head, g, learned = image.header, image.learning, image.learned
    end = image.meta.get("input")
    facts: dict[str, Any] = {
        "name": image.meta.get("name"), "model id": image.model_id.hex(), "source": image.meta.get("source"),
        "source sha256": image.meta.get("source_sha256"), "tool": image.meta.get("tool"),
        "labels": image.meta.get("labels"), "bytes": int(head["image_len"]), "arena": int(head["arena_len"]),
        "tail": int(head["tail_len"]), "operations": [kind for kind, _ in image.ops],
        "input": end.get("shape") if isinstance(end, dict) else None,
        "layers that learn": len(image.layers), "steps learned": 0 if learned is None else int(learned["steps"]),
    }  # fmt: skip
    if g is not None:
        now = g if learned is None else learned
        facts |= {
            "loss": LOSSES[int(g["loss"])], "feedback": FEEDBACKS[int(g["feedback"])], "outputs": class_count(image),
            "rate": int(now["rate_q24"]) / 2**24, "threshold": int(now["tau_q15"]) / 2**15,
            "seed": int(g["seed"]),
        }  # fmt: skip
    return facts


def layer_values(image: Image, n: int, tail: bytes) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int32]]:
    """Weights int8 (out * in,) and bias int32 (out,) of trainable layer n in these bytes of a tail."""
    op = image.ops[image.op_off.index(int(image.layers[n]["op"]))][1]
    out_n, in_n = int(op["out_n"]), int(op["in_n"])
    weights = np.frombuffer(tail, np.int8, out_n * in_n, int(op["weights"]))
    return weights, np.frombuffer(tail, "<i4", out_n, int(op["bias"])).astype(np.int32)


def _layer(a: Image, b: Image, n: int) -> dict[str, Any]:
    (w, bias), (v, other) = (layer_values(image, n, image.present_tail) for image in (a, b))
    return {"layer": n, **weight_change(w, v), "biases": int(np.sum(bias != other)), "biases_total": len(bias)}


def weight_change(w: npt.NDArray[np.int8], v: npt.NDArray[np.int8]) -> dict[str, Any]:
    """From weights w to weights v."""
    step = v.astype(np.int64) - w.astype(np.int64)
    length = float(np.linalg.norm(w.astype(np.float64)))
    return {
        "weights": int(np.count_nonzero(step)), "weights_total": len(step), "largest": int(np.abs(step).max()),
        "mean": float(np.abs(step).mean()), "relative": float(np.linalg.norm(step)) / length if length else None,
        "at_127": int((np.abs(v.astype(np.int64)) == 127).sum()),
    }  # fmt: skip


def show_difference(what: dict[str, Any], console: Console) -> None:
    """Tables for people."""
    one = "the same network" if what["same_model"] else "two networks"
    console.print(f"{one}: {len(what['changed'])} facts differ", style="bold")
    if what["changed"]:
        table = Table("", "first", "second")
        for name, values in what["changed"].items():
            table.add_row(name, *(printable(_text(value)) for value in values))
        console.print(table)
    if what["layers"]:
        console.print(change_table(what["layers"]))


def change_table(layers: list[dict[str, Any]]) -> Table:
    """Rows of weight_change."""
    table = Table("layer", "weights that differ", "largest", "mean", "relative", "at ±127", "biases")
    for row in layers:
        share = f"{row['weights']:,} of {row['weights_total']:,}"
        relative = "" if row["relative"] is None else f"{100 * row['relative']:.1f} %"
        table.add_row(
            str(row["layer"]), share, str(row["largest"]), f"{row['mean']:.2f}", relative, str(row["at_127"]),
            f"{row['biases']} of {row['biases_total']}",
        )  # fmt: skip
    return table


def _text(value: object) -> str:
    if isinstance(value, list):
        value = ", ".join(map(str, value))
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
