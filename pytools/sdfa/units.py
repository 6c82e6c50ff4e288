"""Float samples as an int8 input takes them, and whether they are in its units: its range tells."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import amount
from sdfa.image.reader import Image
from sdfa.tflite.graph import Int8Array

OUTSIDE_SHARE = 0.05
"""So many values beyond the range are still outliers: of normal values whose range was taken at two standard
deviations, which is narrow, 4.6 % are. Pixels 0 ... 255 for a range of 0 ... 1 have all their ink outside."""
FAR_SHARE = 0.005
"""So many that are further out than the range is wide: sparse inputs in a wrong unit have no more, outliers fewer."""
FEW_STEPS = 8
"""Samples within so many of the 256 values of the input have lost what told them apart."""

UNLIKE, UNLIKE_SHARE = 8, 0.25
"""A feature that varies so many times less than another has less than 5 of 8 bits; more than this share of them do."""


def quantize_values(x: npt.NDArray[Any], scale: float, zero_point: int) -> Int8Array:
    """Real values to int8 as TensorFlow Lite does: round(x / scale) + zero point; int8 passes through."""
    if x.dtype == np.int8:
        return np.asarray(x, np.int8)
    with np.errstate(over="ignore"):  # what overflows is clipped
        q = np.floor(np.abs(x) / np.float32(scale) + 0.5) * np.sign(x) + zero_point
    return np.asarray(np.clip(q, -128, 127), np.int8)


def unit_notes(name: Path | str, x: npt.NDArray[Any], scale: float, zero_point: int) -> list[str]:
    """A line if x cannot be in the model's units, else nothing. x: floats in real units; int8 is what it is.

    scale, zero_point: of the model's input, which holds (q - zero_point) * scale, q = -128 ... 127.
    """
    if x.dtype == np.int8 or x.size == 0:
        return []
    low, high = (-128 - zero_point) * scale, (127 - zero_point) * scale
    slack, width = scale / 2, high - low
    beyond = np.maximum(low - x, x - high)
    outside, far = float(np.mean(beyond > slack)), float(np.mean(beyond > width))
    least, most = float(x.min()), float(x.max())
    told = f"the model's input takes {low:.4g} to {high:.4g}, x has {least:.4g} to {most:.4g}"
    if outside > OUTSIDE_SHARE or far > FAR_SHARE:
        return [
            f"{name}: {100 * outside:.0f} % of the values are clamped: {told}; give x in the units the model was "
            "trained on"
        ]
    if 0 < most - least < FEW_STEPS * scale:
        return [
            f"{name}: all values fall on {FEW_STEPS} or fewer of the 256 that the input can have: {told}; give x in "
            "the units the model was trained on"
        ]
    return []


def range_notes(name: Path | str, x: npt.NDArray[Any]) -> list[str]:
    """A line if features, float x (n, features), are so unlike that one scale for all loses some; else nothing.

    Of pictures nothing is said: what is dark in all of them may well be.
    """
    if x.ndim != 2 or x.dtype == np.int8 or not len(x):
        return []
    spread = x.std(axis=0, dtype=np.float64)
    spread = spread[spread > 0]
    small = spread[spread * UNLIKE < spread.max(initial=0)]
    if len(small) <= UNLIKE_SHARE * len(spread):
        return []
    return [
        f"{name}: {len(small)} of {amount(len(spread), 'feature')} vary less than an {UNLIKE}th as much as the widest "
        f"(standard deviations from {small.min():.3g} to {spread.max():.3g}), and the int8 input has one scale for "
        "all: standardize them, (x - mean) / std of each, here and in the firmware"
    ]


def image_notes(name: Path | str, image: Image, x: npt.NDArray[Any]) -> list[str]:
    """The same for the input of an image."""
    tensor = image.tensors[int(image.header["input"])]
    return unit_notes(name, x, float(tensor["scale"]), int(tensor["zero_point"]))
