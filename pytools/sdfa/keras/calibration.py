"""Calibration data: the samples that the ranges of all activations are taken from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Float32Array, check_inputs
from sdfa.errors import SdfaError
from sdfa.units import range_notes

LEAST, ENOUGH, MOST = 10, 100, 500
"""Fewer samples are refused; fewer get a note; of more, so many are taken, evenly spread."""

WHERE = Path("calibration")
"""What messages call data that came from no file."""


def check_calibration(x: npt.NDArray[Any], input_shape: tuple[int, ...], where: Path = WHERE) -> Float32Array:
    """x as float32 (n, *input_shape), n from LEAST to MOST; raises SdfaError for data that says nothing."""
    found = check_inputs(where, x, input_shape)
    if found.dtype == np.int8:
        raise SdfaError(f"{where}: x is int8; to calibrate give float32 in the units that the model was trained on")
    if len(found) < LEAST:
        raise SdfaError(
            f"{where}: {len(found)} samples are too few to calibrate with: give {LEAST} at least, better {ENOUGH}"
        )
    if np.all(found == found[0]):
        raise SdfaError(f"{where}: all samples are the same, so they show no range: give real samples")
    if len(found) > MOST:
        found = found[np.linspace(0, len(found) - 1, MOST).astype(np.int64)]
    return np.asarray(found, np.float32)


def calibration_notes(x: Float32Array) -> list[str]:
    """What to tell the user about checked data."""
    ranges = range_notes(WHERE, x)
    if len(x) >= ENOUGH:
        return ranges
    return [*ranges, f"only {len(x)} calibration samples: rare values will saturate; {ENOUGH} or more are better"]
