"""Decay towards the factory weights: exact in the mean."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.twin.decay import decay, way_back
from sdfa.twin.fixedpoint import Int64Array, i64
from sdfa.twin.learn import Twin
from tests.imagekit import Recipe, inputs, tail_of


@pytest.mark.parametrize("lambda_q16", [0, 1, 131, 6554, 32768, 65535])
def test_the_mean_over_all_random_numbers_is_exact(lambda_q16: int) -> None:
    """Every way from -255 to 255, all 65,536 values of r: the changes sum up to way * lambda, and stay on the way."""
    r = np.arange(65536)
    for way in range(-255, 256):
        change = way_back(i64(way), lambda_q16, r)
        assert int(change.sum()) == way * lambda_q16
        assert min(way, 0) <= change.min() <= change.max() <= max(way, 0)


@pytest.mark.parametrize("way", [-(2**33), -70000, -1, 3, 2**31 + 5])
def test_the_mean_of_a_bias_is_exact(way: int) -> None:
    assert int(way_back(i64(way), 777, np.arange(65536)).sum()) == way * 777


def away(master_bits: int = 0) -> Twin:
    """A twin that has learned far from its factory weights."""
    twin = Twin(tail_of(Recipe(master_bits=master_bits)))
    twin.set_rate(1 << 22)
    rng = np.random.default_rng(3)
    twin.learn_many(inputs(rng, 200, 20), rng.integers(0, 5, 200))
    return twin


def test_weights_and_biases_go_their_share() -> None:
    """Mean of 400 seeds within 5 sigma of 30 % of the way; each change is one of the two integers beside it."""
    start, share, runs = away(), round(0.3 * 65536), 400
    state = [(w.copy(), b.copy()) for w, b in zip(start.weights, start.biases, strict=True)]
    factory = Twin(start.image)
    total = [np.zeros(start.biases[i].shape) for i in range(3)]
    weights = [np.zeros(w.shape) for w, _ in state]
    for seed in np.random.default_rng(8).integers(0, 1 << 32, runs).tolist():
        start.weights, start.biases = [w.copy() for w, _ in state], [b.copy() for _, b in state]
        before = [i64(start.biases[i]) for i in range(3)]
        start.random = seed
        decay(start, share)
        for i in range(3):
            want = (i64(factory.biases[i]) - before[i]) * share / 65536
            got = i64(start.biases[i]) - before[i]
            assert np.abs(got - want).max() < 1
            total[i] += got - want
            weights[i] += start.weights[i].astype(float) - state[i][0]
            weights[i] -= (factory.weights[i].astype(float) - state[i][0]) * share / 65536
    for i in range(3):
        assert np.abs(total[i] / runs).max() < 5 * 0.5 / np.sqrt(runs)
        assert np.abs(weights[i] / runs).max() < 5 * 0.5 / np.sqrt(runs)


def masters(twin: Twin) -> list[Int64Array]:
    return [(i64(w) << 8) + f for w, f in zip(twin.weights, twin.fractions, strict=True) if f is not None]


def test_masters_go_their_share() -> None:
    """Each change is one of the two integers beside 30 % of the way; weights are the masters, rounded to nearest."""
    twin, share = away(8), round(0.3 * 65536)
    before, home = masters(twin), masters(Twin(twin.image))
    assert sum(np.count_nonzero(f) for f in twin.fractions if f is not None) > 300
    decay(twin, share)
    for old, factory, new, w in zip(before, home, masters(twin), twin.weights, strict=True):
        assert np.abs(new - old - (factory - old) * (share / 65536)).max() < 1
        assert np.array_equal(w, np.floor(new / 256 + 0.5))


@pytest.mark.parametrize("way", [-65407, -256, -1, 3, 65407])
def test_the_mean_of_a_master_is_exact(way: int) -> None:
    """From end to end of what a fraction behind an int8 can say."""
    for lambda_q16 in (1, 777, 65535):
        assert int(way_back(i64(way), lambda_q16, np.arange(65536)).sum()) == way * lambda_q16


def test_at_home_nothing_moves() -> None:
    twin = Twin(tail_of(Recipe()))
    decay(twin, 65535)
    assert twin.tail_bytes() == twin.image.tail


@pytest.mark.parametrize("master_bits", [0, 8])
def test_it_comes_home_in_the_end(master_bits: int) -> None:
    twin = away(master_bits)
    for _ in range(60):
        decay(twin, 32768)
    assert twin.tail_bytes() == twin.image.tail


@pytest.mark.parametrize("lambda_q16", [-1, 65536])
def test_a_share_of_one_or_more_is_refused(lambda_q16: int) -> None:
    with pytest.raises(SdfaError, match="between 0 and 65535"):
        decay(away(), lambda_q16)
