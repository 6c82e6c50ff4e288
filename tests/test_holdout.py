"""What a hold-out promises: the table of SPEC.md, and the numbers behind it."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.bundle import firmware_dir
from sdfa.data import Samples
from sdfa.device.adapt import hold_out
from sdfa.errors import SdfaError
from sdfa.experiment.holdout import binomial, half_width, kept, table


def test_the_specification_has_this_table() -> None:
    assert table() in (firmware_dir() / "SPEC.md").read_text(encoding="utf-8")


def test_against_drawn_samples() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.binomial(20, 0.85, 200_000), rng.binomial(20, 0.75, 200_000)
    drawn = np.mean(after > before) + np.mean(after == before) / 2
    assert kept(20, 0.85, 0.75) == pytest.approx(drawn, abs=0.005)
    inside = np.mean(np.abs(before / 20 - 0.85) <= half_width(20, 0.85) + 1e-9)
    assert inside >= 0.95
    assert binomial(20, 0.85).sum() == pytest.approx(1)


def test_the_held_out_samples_are_of_all_classes_and_are_not_learned() -> None:
    y = np.array([0] * 50 + [1] * 8 + [2] * 2)
    samples = Samples(np.arange(60, dtype=np.float32).reshape(-1, 1), y)
    rest, held = hold_out(samples, 12, np.random.default_rng(1))
    assert np.bincount(held.y.astype(int)).tolist() == [5, 5, 2]
    assert sorted([*rest.x.ravel(), *held.x.ravel()]) == list(range(60))
    assert all(y[int(x)] == label for x, label in zip(held.x.ravel(), held.y, strict=True))
    for m in (0, 60):
        with pytest.raises(SdfaError, match="--hold-out"):
            hold_out(samples, m, np.random.default_rng(1))
