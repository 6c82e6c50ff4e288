"""How good an image's feedback is, layer by layer: `pytools inspect --feedback`."""

from __future__ import annotations

from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from sdfa.data import Samples
from sdfa.device.samples import class_count, loss_of, quantize_input
from sdfa.errors import SdfaError
from sdfa.image.reader import Image
from sdfa.image.records import FEEDBACKS
from sdfa.learning.feedback import products
from sdfa.twin.layers import Layer, decode
from sdfa.twin.reference import FloatArray, FloatTail, features


def feedback_report(image: Image, samples: Samples | None) -> dict[str, Any]:
    """What each hidden trainable layer hears, with the present weights: learned before factory. JSON-able.

    samples: labelled, to measure angles on; without them an angle is that of B to the weight product. Raises SdfaError.
    """
    loss_of(image)  # refuses an image in which nothing learns
    assert image.learning is not None
    learning, tail = decode(image), FloatTail.from_image(image)
    kind, hidden = FEEDBACKS[int(image.learning["feedback"])], learning.layers[:-1]
    if samples is None:
        angles, used = [_between(_delivered(tail, n), p) for n, p in enumerate(products(tail.weights))], 0
    else:
        errors = _errors(image, tail, samples)
        angles, used = [_mean_angle(*pair) for pair in errors], len(errors[0][0]) if errors else 0
    class_n, following = class_count(image), learning.layers[1:]
    rows = [
        {"kind": _kind_of(kind, layer), "neurons": layer.out_n} | _shape_of(_delivered(tail, n))
        | {"angle": angle, "flash": _flash(layer, above, class_n)}
        for n, (layer, above, angle) in enumerate(zip(hidden, following, angles, strict=True))
    ]  # fmt: skip
    return {"measured_on": "data" if samples else "product", "samples": used, "layers": rows}


def _shape_of(b: FloatArray) -> dict[str, Any]:
    """What can be said of one layer's B, float64 (n, classes), alone."""
    heard = np.count_nonzero(b, axis=0)
    return {
        "connections": int(np.count_nonzero(b, axis=1).max()),
        "rank": int(np.linalg.matrix_rank(b)), "outputs": b.shape[1],
        "listeners": {"min": int(heard.min()), "median": float(np.median(heard))},
        "uncovered": [int(c) for c in np.flatnonzero(heard == 0)],
    }  # fmt: skip


def _flash(layer: Layer, above: Layer, class_n: int) -> int:
    """Bytes of a layer's table, or of the scales of the weights above it that its errors come through."""
    if layer.index is not None:
        return layer.index.size * (2 if class_n <= 256 else 3)
    return 0 if above.sigma is None else 2 * above.sigma.size


def _kind_of(kind: str, layer: Layer) -> str:
    """Of one layer: below a live one, tables are aligned."""
    if layer.live is not None:
        return "live, centred" if layer.live.centred else "live"
    return "aligned" if kind == "live" else kind


def _delivered(tail: FloatTail, n: int) -> FloatArray:
    """B of hidden layer n, float64 (n, classes): column c is what an error of 1 in output c alone would deliver.

    A live layer is shown as it is when all outputs have an error, a layer with back-propagation as its weight product.
    """
    feedback = tail.layers[n].feedback
    if feedback is None:
        return products(tail.weights)[n]
    if isinstance(feedback, np.ndarray):
        return feedback
    v = tail.weights[-1].T
    centred = v - v.mean(axis=1, keepdims=True) if feedback.centred and v.shape[1] > feedback.k else v
    b = np.zeros_like(v)
    chosen = np.argsort(-np.abs(centred), axis=1, kind="stable")[:, : feedback.k]
    np.put_along_axis(b, chosen, np.take_along_axis(centred, chosen, axis=1), axis=1)
    return b


def _errors(image: Image, tail: FloatTail, samples: Samples) -> list[tuple[FloatArray, FloatArray]]:
    """For each hidden layer (delta as this feedback has it, delta of the true gradient), both (steps, n).

    Steps are the samples with an error above the image's threshold; both deltas follow from that error.
    """
    assert image.learning is not None
    true = FloatTail.from_image(image)
    true.layers = [type(layer)(layer.clamp, None, layer.live) for layer in tail.layers]
    tau = int(image.learning["tau_q15"]) / 2**15
    found: list[list[tuple[FloatArray, FloatArray]]] = [[] for _ in tail.layers[:-1]]
    for x, y in zip(features(image, quantize_input(image, samples.x)), samples.y, strict=True):
        activations = tail.forward(x)
        e = tail.error(activations[-1], y, tau)
        if e.any():
            pairs = zip(tail.deltas(activations, e)[:-1], true.deltas(activations, e)[:-1], strict=True)
            for steps, pair in zip(found, pairs, strict=True):
                steps.append(pair)
    if found and not found[0]:
        raise SdfaError("no sample has an error above the threshold: there is no update to measure; give other data")
    return [(np.stack([a for a, _ in steps]), np.stack([b for _, b in steps])) for steps in found]


def _mean_angle(delivered: FloatArray, true: FloatArray) -> float | None:
    """Mean over the steps in which both move the layer, degrees; None where there is none.

    A step's update is the outer product of delta and input, so that the angle between updates is that between deltas.
    """
    found = [_between(a, b) for a, b in zip(delivered, true, strict=True)]
    known = [angle for angle in found if angle is not None]
    return float(np.mean(known)) if known else None


def _between(a: FloatArray, b: FloatArray) -> float | None:
    """Angle in degrees; None where one of them is zero."""
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    if not lengths:
        return None
    return float(np.degrees(np.arccos(np.clip(np.sum(a * b) / lengths, -1.0, 1.0))))


def show_feedback(found: dict[str, Any], console: Console) -> None:
    """The table for people."""
    if not found["layers"]:
        console.print("Only the output layer learns: there is no feedback.")
        return
    table = Table("layer", "feedback", "k", "rank", "neurons per output", "angle", "bytes")
    for i, row in enumerate(found["layers"]):
        heard, missing = row["listeners"], len(row["uncovered"])
        cover = f"min {heard['min']}, median {heard['median']:g}" + (f", {missing} unheard" if missing else "")
        table.add_row(
            str(i), row["kind"], str(row["connections"]), f"{row['rank']} of {row['outputs']}", cover,
            "-" if row["angle"] is None else f"{row['angle']:.1f}°", str(row["flash"]),
        )  # fmt: skip
    console.print(table)
    on = f"true gradient, mean of {found['samples']} updates" if found["samples"] else "product of the present weights"
    console.print(f"angle: of what the feedback delivers to the {on}")
