"""What an export says about itself: the report NAME.json."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sdfa.exporter.gold import ADDED_LEN
from sdfa.image.reader import Image
from sdfa.image.records import STATE_LEN
from sdfa.image.writer import Learning, frozen_channels, tail_layout
from sdfa.lower import QGraph
from sdfa.lower.plan import Plan, missed
from sdfa.lower.prune import channels_left_out
from sdfa.tflite.graph import Graph


def make_report(graph: Graph, qgraph: QGraph, plan: Plan, learning: Learning | None, image: Image) -> dict[str, Any]:
    """What the export will cost on the device, and how it learns. Bytes throughout."""
    return {
        "name": image.meta["name"], "source": graph.name, "source_sha256": graph.sha256, "tool": image.meta["tool"],
        "model_id": image.model_id.hex(), "ops": _op_rows(qgraph, image), "macs": sum(op.macs for op in qgraph.ops),
        "ram": {
            "arena": plan.arena_len, "arena_minimum": plan.minimum, "tail": tail_layout(learning).len,
            "state": STATE_LEN,
            "blocks": [{"name": b.name, "off": plan.offsets[b.name], "len": b.len, "first": b.first, "last": b.last}
                       for b in plan.blocks],
        },
        "flash": {"image": int(image.header["image_len"])},
        "learning": _learning_report(learning),
        "warnings": _warnings(plan, learning),
    }  # fmt: skip


def _op_rows(qgraph: QGraph, image: Image) -> list[dict[str, Any]]:
    rows = []
    for op, left_out in zip(qgraph.ops, image.left_out, strict=True):
        weights = 0 if op.channels is None else int(op.channels.weights.size)
        shapes = [list(qgraph.tensors[i].shape) for i in (*op.inputs, op.output)]
        rows.append(
            {
                "place": op.place,
                "kind": op.kind,
                "in": shapes[:-1],
                "out": shapes[-1],
                "macs": op.macs,
                "weights": weights,
                "left_out": left_out,
            }
        )
    return rows


def _learning_report(g: Learning | None) -> dict[str, Any] | None:
    if g is None:
        return None
    layers = [
        {"place": layer.dense.place, "in": layer.in_n, "out": layer.out_n, "weights": layer.out_n * layer.in_n,
         "at_127": int((np.abs(layer.channels.weights.astype(np.int64)) >= 127).sum())}
        for layer in g.tail.layers
    ]  # fmt: skip
    table = sum(t.index.size * (1 if g.tail.layers[-1].out_n <= 256 else 2) + t.coef.size for t in g.tables)
    return {
        "loss": g.loss, "feedback": g.feedback, "connections": g.connections, "centred": g.centred,
        "jacobian": g.jacobian, "rate": g.rate, "tau": g.tau,
        "seed": g.seed, "master": 8 + g.master_bits, "layers": layers, "table_bytes": table,
        "coverage": [sorted({int(c) for c in t.index[t.coef != 0]}) for t in g.tables],
    }  # fmt: skip


def _warnings(plan: Plan, g: Learning | None) -> list[str]:
    found = []
    if why := missed(plan.blocks, plan.offsets, plan.minimum):
        found.append(why)
    for layer in g.tail.layers if g else ():
        frozen = int(frozen_channels(layer).sum())
        if frozen:
            found.append(
                f"operation {layer.dense.place}: {frozen} channels have no usable weight unit and do not learn"
            )
    for t, layer in zip(g.tables, g.tail.layers, strict=False) if g else ():
        missing = set(range(layer_class_n(g))) - {int(c) for c in t.index[t.coef != 0]}
        if missing:
            some = ", ".join(map(str, sorted(missing)[:8])) + (", ..." if len(missing) > 8 else "")
            found.append(f"operation {layer.dense.place}: no neuron listens to {len(missing)} outputs ({some})")
    return found


def left_out_report(
    qgraph: QGraph, small: QGraph, report: dict[str, Any], whole: Callable[[], tuple[Plan, bytes]]
) -> dict[str, int]:
    """What it saves: channels of layers with weights, MACs of one inference, bytes of the image and of the arena.

    report: of the small graph. whole: plans the other one, and makes its image.
    """
    ends = zip(qgraph.ops, channels_left_out(qgraph, small), strict=True)
    channels = sum(n for op, n in ends if op.channels is not None)
    if not channels:
        return {"channels": 0, "macs": 0, "flash": 0, "arena": 0}
    plan, data = whole()
    return {
        "channels": channels,
        "macs": sum(op.macs for op in qgraph.ops) - report["macs"],
        "flash": len(data) + ADDED_LEN - report["flash"]["image"],
        "arena": plan.arena_len - report["ram"]["arena"],
    }


def layer_class_n(g: Learning | None) -> int:
    """Outputs of the trainable output layer, 0 when nothing learns."""
    return g.tail.layers[-1].out_n if g else 0
