"""Who is pre-trained on, tuned on and met as new; which samples are drawn."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.experiment.people import POOL, TEST, People, draw, folds_of, hold_out, old_test_rows


def crowd(names: list[str], each: int = 20, classes: int = 2) -> People:
    """`each` samples per person, half of them to learn from, two per recording."""
    n = len(names) * each
    person, at = np.repeat(names, each), np.arange(n)
    x = np.random.default_rng(1).standard_normal((n, 3), np.float32)
    return People(
        x, x, at % classes, person, np.where(at % each < each // 2, POOL, TEST), at // 2,
        tuple(map(str, range(classes))), tuple(names),
    )  # fmt: skip


def test_leaving_one_out_tunes_on_both_halves_of_the_others() -> None:
    folds = folds_of(crowd(["a", "b", "c", "d"]))
    assert list(folds) == ["a", "b", "c", "d"]
    assert (folds["b"].base, folds["b"].new) == (("a", "c", "d"), ("b",))
    assert folds["b"].tuning == ((("a", "d"), ("c",)), (("c",), ("a", "d")))


def test_new_people_never_take_part_in_tuning() -> None:
    names = [f"p{i:02d}" for i in range(16)]
    for people in (crowd(names), replace(crowd(names), base=tuple(names[:13]), new=tuple(names[13:]))):
        for fold in folds_of(people).values():
            for base, met in fold.tuning:
                assert set(base) | set(met) <= set(fold.base)
                assert not set(base) & set(met)
                assert not set(fold.base) & set(fold.new)


def test_who_has_too_little_is_not_tuned_on() -> None:
    people = crowd(["a", "b", "c", "d"])
    people.part[people.rows(("c",))] = POOL
    fold = folds_of(replace(people, base=("b", "c", "d"), new=("a",)))["all"]
    assert fold.tuning == ((("b", "c"), ("d",)), (("c", "d"), ("b",)))


def test_a_single_base_person_is_refused() -> None:
    with pytest.raises(SdfaError, match="two base people"):
        folds_of(replace(crowd(["a", "b", "c"]), base=("a",), new=("b",)))


def test_old_people_keep_whole_recordings_for_the_test() -> None:
    people = crowd(["a", "b", "c"], each=40)
    rows = old_test_rows(people, ("a", "b"))
    kept = np.setdiff1d(people.rows(("a", "b")), rows)
    assert len(rows) == 8
    assert not set(people.recording[rows]) & set(people.recording[kept])


def test_a_draw_has_k_of_each_class_and_all_of_a_rarer_one() -> None:
    y = np.array([0] * 10 + [1] * 10 + [2] * 3)
    rows = draw(y, 5, np.random.default_rng(1))
    assert np.bincount(y[rows]).tolist() == [5, 5, 3]
    assert len(set(rows.tolist())) == 13
    assert not np.array_equal(rows, draw(y, 5, np.random.default_rng(2)))


def test_one_sample_of_each_class_that_has_another_is_held_out() -> None:
    y, rows = np.array([0, 1, 1, 2, 2, 2]), np.array([5, 1, 0, 4, 2])
    learned, held = hold_out(y, rows)
    assert held.tolist() == [1, 5]
    assert learned.tolist() == [0, 4, 2]
