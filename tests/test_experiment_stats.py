"""Statistics against values worked out by hand."""

from __future__ import annotations

import math

import pytest

from sdfa.experiment.stats import by_person, interval, paired, sign_test, t95


def test_an_interval_by_hand() -> None:
    """1, 2, 3, 4: mean 2.5, deviation sqrt(5/3), standard error 0.6455, t(3) = 3.182."""
    found = interval([1.0, 2.0, 3.0, 4.0], "people")
    assert found.mean == 2.5
    assert found.low == pytest.approx(2.5 - 3.182 * math.sqrt(5 / 3) / 2)
    assert found.high == pytest.approx(2.5 + 3.182 * math.sqrt(5 / 3) / 2)
    assert not found.below
    assert interval([-2.0, -2.1, -1.9], "people").below


def test_pairs_are_averaged_within_a_person_first() -> None:
    """Person a: differences 0.1 and 0.3; b: 0.4 alone, since seed 2 has no partner."""
    ours = {("a", 1): 0.6, ("a", 2): 0.8, ("b", 1): 0.9, ("b", 2): 0.9}
    theirs = {("a", 1): 0.5, ("a", 2): 0.5, ("b", 1): 0.5}
    found = paired(ours, theirs)
    assert found.mean == pytest.approx(0.3)
    assert (found.over, found.n) == ("people", 2)
    assert found.high - found.mean == pytest.approx(12.706 * math.sqrt(0.02) / math.sqrt(2))


def test_one_person_is_compared_over_seeds() -> None:
    found = paired({("a", 1): 0.5, ("a", 2): 0.7}, {("a", 1): 0.4, ("a", 2): 0.4})
    assert found.mean == pytest.approx(0.2)
    assert (found.over, found.n) == ("seeds", 2)
    lonely = paired({("a", 1): 0.5}, {("a", 1): 0.4})
    assert math.isnan(lonely.low)
    assert not lonely.below


@pytest.mark.parametrize(
    ("freedom", "value"), [(1, 12.706), (5, 2.571), (30, 2.042), (40, 2.021), (60, 2.000), (120, 1.980)]
)
def test_quantiles_are_those_of_the_tables(freedom: int, value: float) -> None:
    assert t95(freedom) == pytest.approx(value, abs=0.002)


def test_means_over_seeds() -> None:
    assert by_person({("b", 1): 1.0, ("a", 1): 0.0, ("a", 2): 1.0}) == {"a": 0.5, "b": 1.0}


def test_the_sign_test_by_hand() -> None:
    """Of six alike the outermost two of 64 cases; one more on the one side: 2 * (1 + 7) / 128."""
    assert sign_test(0, 6) == sign_test(6, 0) == 2 / 64
    assert sign_test(1, 6) == 2 * 8 / 128
    assert sign_test(0, 0) == sign_test(1, 0) == sign_test(3, 3) == 1
