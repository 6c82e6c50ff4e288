"""Labelled samples of several people, and who of them is pre-trained on, tuned on, and met as new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

POOL, TEST, GAP = 0, 1, 2
"""Parts of a person's samples: may be learned, are scored on, are left out between the two."""

_OLD_TEST_SHARE = 0.1
_MANY = 12
_TUNE_PEOPLE = 6


@dataclass(frozen=True, eq=False)
class People:
    """x float32[n, features]; changed: the same as a changed device delivers them; y int64[n]; person str[n];
    part int64[n]; recording int64[n]: samples of one recording are never split between training and scoring.

    base: people to pre-train on; empty: each new person in turn is left out of all. tune: further people, for the
    choice of rates only. new: people to score on.
    """

    x: FloatArray
    changed: FloatArray
    y: IntArray
    person: npt.NDArray[np.str_]
    part: IntArray
    recording: IntArray
    classes: tuple[str, ...]
    new: tuple[str, ...]
    base: tuple[str, ...] = ()
    tune: tuple[str, ...] = ()

    def rows(self, people: tuple[str, ...], part: int | None = None) -> IntArray:
        """Indices of the samples of these people, of one part or of all."""
        mine = np.isin(self.person, people)
        return np.flatnonzero(mine if part is None else mine & (self.part == part))


@dataclass(frozen=True)
class Fold:
    """base: pre-trained on. new: scored on. tuning: (people pre-trained on, people met as new), to choose rates."""

    base: tuple[str, ...]
    new: tuple[str, ...]
    tuning: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]


def folds_of(people: People) -> dict[str, Fold]:
    """One fold, "all", or where no base is given one for each new person, by name."""
    if people.base:
        return {"all": _fold(people, people.base, people.new)}
    everyone = tuple(np.unique(people.person).tolist())
    return {new: _fold(people, tuple(p for p in everyone if p != new), (new,)) for new in people.new}


def _fold(people: People, base: tuple[str, ...], new: tuple[str, ...]) -> Fold:
    """Many base people: some of them, spread evenly, are tuned on. Few: each half is tuned on with the other's net."""
    if people.tune:
        return Fold(base, new, ((base, people.tune),))
    able = tuple(person for person in base if can_be_met(people, person))
    if len(able) < 2:
        raise SdfaError(
            "choosing a learning rate needs two base people, beside the new one, each with two samples of two classes"
        )
    groups: tuple[tuple[str, ...], ...]
    if len(able) >= _MANY:
        groups = (tuple(able[i * len(able) // _TUNE_PEOPLE] for i in range(_TUNE_PEOPLE)),)
    else:
        groups = (able[1::2], able[::2])
    return Fold(base, new, tuple((tuple(p for p in base if p not in met), met) for met in groups))


def can_be_met(people: People, person: str) -> bool:
    """Whether at least two classes can be both learned and scored."""
    pool, test = (set(people.y[people.rows((person,), part)].tolist()) for part in (POOL, TEST))
    return len(pool & test) >= 2


def old_test_rows(people: People, base: tuple[str, ...]) -> IntArray:
    """Samples of base people that are kept out of pre-training, to measure forgetting: a tenth of the recordings."""
    rows = people.rows(base)
    recordings = np.unique(people.recording[rows])
    rng = np.random.default_rng(len(recordings))
    chosen = rng.choice(recordings, max(1, round(_OLD_TEST_SHARE * len(recordings))), replace=False)
    return rows[np.isin(people.recording[rows], chosen)]


def draw(y: IntArray, k: int, rng: np.random.Generator) -> IntArray:
    """Indices of k samples of each class in y (all that there are of a rarer one), in random order."""
    parts = [rng.permutation(np.flatnonzero(y == c))[:k] for c in np.unique(y)]
    return rng.permutation(np.concatenate(parts))


def hold_out(y: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """(rows to learn, held-out rows): the first of each class that has another one."""
    held = [mine[0] for c in np.unique(y[rows]) if len(mine := rows[y[rows] == c]) > 1]
    return rows[~np.isin(rows, held)], np.array(held, np.int64)
