"""Where two states of the same model differ, and which classes are taken for which: JSON-able."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Samples
from sdfa.device.adapt import Outcome
from sdfa.device.samples import class_count
from sdfa.image.reader import Image
from sdfa.twin.layers import decode

CLASSES_MAX = 64
"""Larger confusion matrices are for no one to read."""
PARTS_MAX = 40
"""Points of a curve over many steps."""


def layer_differences(image: Image, one: bytes, other: bytes) -> list[dict[str, Any]]:
    """Two trainable tails of `image`, layer by layer, first to last.

    per_row: values of a neuron (weights, fractions of 16-bit weights, a bias). by_row: how many of them differ.
    """
    found = []
    for layer in decode(image).layers:
        fractions = layer.fractions(one), layer.fractions(other)
        unequal = layer.weights(one) != layer.weights(other)
        if fractions[0] is not None and fractions[1] is not None:
            unequal = unequal | (fractions[0] != fractions[1])
        rows = unequal.sum(axis=1) + (layer.bias(one) != layer.bias(other))
        found.append({"per_row": layer.in_n + 1, "differing": int(rows.sum()), "by_row": [int(n) for n in rows]})
    return found


def confusions(
    image: Image, y: npt.NDArray[Any], before: npt.NDArray[Any], after: npt.NDArray[Any]
) -> dict[str, Any] | None:
    """Confusion matrices (row: true class, column: guess) before and after; None for a net of too many classes."""
    classes = class_count(image)
    if classes > CLASSES_MAX:
        return None
    said = image.meta.get("labels")
    names = said if isinstance(said, list) and len(said) == classes else range(classes)
    return {
        "labels": [str(name) for name in names], "before": _matrix(classes, y, before),
        "after": _matrix(classes, y, after),
    }  # fmt: skip


def _matrix(classes: int, y: npt.NDArray[Any], guesses: npt.NDArray[Any]) -> list[list[int]]:
    found = np.zeros((classes, classes), np.int64)
    np.add.at(found, (y.astype(np.int64), guesses.astype(np.int64)), 1)
    return [[int(n) for n in row] for row in found]


def learned_where(image: Image, outcome: Outcome, judge: Samples) -> dict[str, Any]:
    """Layers that moved, and confusions on `judge`, for the JSON of `pytools learn`. image: before."""
    found: dict[str, Any] = {"layers": layer_differences(image, image.present_tail, outcome.tail)}
    return found | ({"confusion": confusions(image, judge.y, *outcome.ends)} if outcome.ends else {})


def running_accuracy(y: npt.NDArray[Any], guesses: npt.NDArray[Any]) -> list[float]:
    """Share of right guesses before each step, of at most PARTS_MAX parts of the steps in their order."""
    parts = np.array_split(np.asarray(y) == guesses, min(PARTS_MAX, len(guesses)))
    return [float(np.mean(part)) for part in parts]
