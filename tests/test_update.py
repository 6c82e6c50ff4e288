"""The rounding of int8 weights along a row (firmware/SPEC.md 3.4): what section 7 says of it."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.twin.fixedpoint import i64
from sdfa.twin.update import PART_MAX, carried

FRACTION = 1 << 12
A = np.random.default_rng(1).integers(0, 256, 150)


@pytest.mark.parametrize("size", [1, 7, 63, PART_MAX])
def test_the_mean_change_of_each_weight_is_exact(size: int) -> None:
    """Over all starts, whatever the weight's place in the row."""
    starts = np.broadcast_to(np.arange(FRACTION)[:, None, None], (FRACTION, 3, 4))
    changes = carried(np.full((FRACTION, 1), size), A, i64(starts))
    assert changes.sum(axis=0).tolist() == (size * A).tolist()


@pytest.mark.parametrize("size", [31, 63, PART_MAX])
def test_sums_along_the_row_are_right_within_a_unit(size: int) -> None:
    """Of every fourth of 64 weights; independent roundings are off by more."""
    rng = np.random.default_rng(2)
    starts = rng.integers(0, FRACTION, (500, 3, 4))
    errors = carried(np.full((500, 1), size), A, starts) - size * A / FRACTION
    assert np.abs(errors[:, :64].reshape(500, 16, 4).sum(axis=1)).max() < 1
    independent = (size * A[:64] + rng.integers(0, FRACTION, (500, 64))) // FRACTION - size * A[:64] / FRACTION
    ours = errors[:, :64].sum(axis=1)
    assert ours.std() < independent.sum(axis=1).std() / 2
    assert abs(ours.mean()) < 4 * ours.std() / np.sqrt(500)
