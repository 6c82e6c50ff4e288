"""Feedback tables: aligned ones hold what matters most, random ones keep their length."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sdfa.errors import SdfaError
from sdfa.learning.feedback import (
    aligned_table,
    bp_sigma,
    jacobians,
    make_tables,
    products,
    quantize_table,
    random_table,
    ranked_table,
)
from sdfa.tflite.graph import FloatArray

RNG = np.random.default_rng(0)


@st.composite
def matrices(draw: st.DrawFn) -> tuple[FloatArray, int]:
    """(downstream Jacobian without zeros and ties, k)."""
    n, classes = draw(st.integers(1, 24)), draw(st.integers(1, 9))
    seed = draw(st.integers(0, 2**20))
    return np.random.default_rng(seed).normal(0, 1, (n, classes)), draw(st.integers(1, classes))


@given(matrices())
def test_aligned_takes_the_largest_or_covers_a_class(case: tuple[FloatArray, int]) -> None:
    j, k = case
    index = aligned_table(j, k).index
    assert index.shape == (len(j), k)
    for row, entries in zip(index, np.abs(j), strict=True):
        assert len(set(row.tolist())) == k
        largest = set(np.argsort(-entries)[:k].tolist())
        # the slots that coverage did not take are the strongest, and it takes only the weakest
        assert set(row[:-1].tolist()) <= largest
        assert entries[row[:-1]].tolist() == sorted(entries[row[:-1]].tolist(), reverse=True)


@given(matrices())
def test_aligned_covers_every_class_that_it_can(case: tuple[FloatArray, int]) -> None:
    j, k = case
    index, classes = aligned_table(j, k).index, j.shape[1]
    uncovered = set(range(classes)) - set(index.ravel().tolist())
    strongest = np.argsort(-np.abs(j), axis=1, kind="stable")[:, :k]
    assert not uncovered - (set(range(classes)) - set(strongest.ravel().tolist()))
    if uncovered:
        count = np.bincount(index.ravel(), minlength=classes)
        assert (count[index[:, -1]] == 1).all()  # nothing could be given away


@given(matrices())
def test_coverage_changes_nothing_where_all_are_covered(case: tuple[FloatArray, int]) -> None:
    j, k = case
    strongest = np.argsort(-np.abs(j), axis=1, kind="stable")[:, :k]
    if len(set(strongest.ravel().tolist())) == j.shape[1]:
        np.testing.assert_array_equal(aligned_table(j, k).index, strongest)


@given(matrices())
def test_aligned_is_the_jacobian_where_it_listens(case: tuple[FloatArray, int]) -> None:
    j, k = case
    table = aligned_table(j, k)
    b = table.matrix(j.shape[1])
    heard = np.zeros(j.shape, bool)
    np.put_along_axis(heard, table.index, True, axis=1)
    assert np.abs(b - j)[heard].max() <= 2.0**table.exponent / 2 + 1e-12
    assert not b[~heard].any()
    assert 64 <= np.abs(table.coef.astype(int)).max() <= 127


def test_aligned_refuses_an_untrained_net() -> None:
    with pytest.raises(SdfaError, match="use --feedback random"):
        aligned_table(np.zeros((3, 2)), 1)


@pytest.mark.parametrize("k", [1, 2, 5, 10])
def test_random_rows_are_as_long_as_the_jacobians_whatever_k_is(k: int) -> None:
    j = RNG.normal(0, 0.3, (4000, 10))
    table = random_table(j, k, np.random.default_rng(k))
    rows = table.matrix(10)
    length = math.sqrt(float((rows**2).sum(axis=1).mean()))
    assert length == pytest.approx(math.sqrt(float((j**2).sum(axis=1).mean())), rel=0.05)
    assert all(len(set(row)) == k for row in table.index.tolist())
    counts = np.bincount(table.index.ravel(), minlength=10)
    assert counts.min() > 0.8 * counts.mean()
    assert abs(float(rows.mean())) < 0.02


@given(st.integers(1, 8), st.integers(1, 8), st.integers(8, 40), st.integers(0, 2**20))
def test_ranked_rows_are_equally_long_and_of_that_rank(k: int, rank: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    j = rng.normal(0, 0.3, (n, 8))
    table = ranked_table(j, k, rank, rng)
    b = table.matrix(8)
    assert np.linalg.matrix_rank(b) == rank
    assert (np.count_nonzero(b, axis=1) <= k).all()
    assert len({tuple(row * np.sign(row[np.flatnonzero(row)[0]])) for row in b}) == rank
    length = math.sqrt(float((j**2).sum(axis=1).mean()))
    # one unit of int8 in each of k coefficients, of which the largest is 64 or more
    np.testing.assert_allclose(np.linalg.norm(b, axis=1), length, atol=math.sqrt(k) * 2.0 ** (table.exponent - 1))
    if k == 1:
        assert len(set(table.index.ravel().tolist())) == rank


def test_rank_is_refused_where_there_is_none() -> None:
    for j, rank, limit in ((np.ones((20, 4)), 5, 4), (np.ones((3, 10)), 4, 3), (np.ones((20, 4)), 0, 4)):
        with pytest.raises(SdfaError, match=f"--rank {rank}: between 1 and {limit}, the least of"):
            ranked_table(j, 2, rank, np.random.default_rng(0))


def test_random_of_an_untrained_net_has_length_one() -> None:
    rows = random_table(np.zeros((4000, 4)), 2, np.random.default_rng(0)).matrix(4)
    assert float((rows**2).sum(axis=1).mean()) == pytest.approx(1.0, rel=0.05)


@given(hnp.arrays(np.float64, (5, 3), elements=st.floats(-1e6, 1e6)))
def test_quantized_values_are_within_half_a_unit(values: FloatArray) -> None:
    index = np.tile(np.arange(3), (5, 1))
    table = quantize_table(index, values)
    assert np.abs(table.coef * 2.0**table.exponent - values).max() <= 2.0 ** (table.exponent - 1)


def test_products_and_jacobians_are_the_derivative() -> None:
    weights = [RNG.normal(0, 1, shape) for shape in ((6, 4), (5, 6), (3, 5))]
    linear = products(weights)
    np.testing.assert_allclose(linear[0], (weights[2] @ weights[1]).T)
    np.testing.assert_allclose(linear[1], weights[2].T)
    masks = [RNG.random((7, 6)) > 0.5, RNG.random((7, 5)) > 0.5]
    mean = jacobians(weights, masks)
    expected = np.mean([(weights[2] @ (weights[1] * m[:, None])).T for m in masks[1]], axis=0)
    np.testing.assert_allclose(mean[0], expected)
    np.testing.assert_allclose(mean[1], weights[2].T)
    for a, b in zip(jacobians(weights, [np.ones((2, 6), bool), np.ones((2, 5), bool)]), linear, strict=True):
        np.testing.assert_allclose(a, b)


def test_each_kind_makes_its_tables() -> None:
    js = [RNG.normal(0, 1, (8, 4)), RNG.normal(0, 1, (6, 4))]
    shapes = {"aligned": 2, "random": 2, "dense": 4, "live": 2}
    for kind, k in shapes.items():
        tables = make_tables(kind, js, 2, np.random.default_rng(0))
        expected = [(8, k), (6, k)]  # the last hidden layer needs no table with live feedback
        assert [t.index.shape for t in tables] == (expected[:1] if kind == "live" else expected)
    for kind in ("bp", "last"):
        assert make_tables(kind, js, 99, np.random.default_rng(0)) == []
    for k in (0, 5):
        with pytest.raises(SdfaError, match="between 1 and the number of outputs, 4"):
            make_tables("aligned", js, k, np.random.default_rng(0))
    with pytest.raises(SdfaError, match="live feedback has at most 8"):
        make_tables("live", [np.ones((3, 20))], 9, np.random.default_rng(0))
    with pytest.raises(SdfaError, match="unknown feedback"):
        make_tables("none", js, 1, np.random.default_rng(0))


@given(hnp.arrays(np.float64, 6, elements=st.floats(1e-9, 1e3)))
def test_sigma_is_the_scale(scale: FloatArray) -> None:
    sigma, exponent = bp_sigma(scale)
    assert np.abs(sigma * 2.0 ** (exponent - 15) - scale).max() <= 2.0 ** (exponent - 16) * 1.0001
    assert 16384 <= sigma.max() <= 32768
    assert bp_sigma(np.zeros(3))[0].tolist() == [0, 0, 0]
