"""A user's own data: a CSV or NPZ file of features, labels and people."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import read_arrays
from sdfa.errors import SdfaError, amount
from sdfa.experiment.people import POOL, TEST, FloatArray, People
from sdfa.files import read_bytes

_LEAST = 3
"""People: one is met as new, and rates are chosen with two others."""


def load_own(path: Path) -> People:
    """CSV: a heading, then features..., label, person. NPZ: arrays x (n, features), y (n,), person (n,).

    Labels and people are names or numbers. The first half of each person's samples of a class, in the file's order, is
    the pool to learn from, the second half is scored on. Everyone in turn is left out as the new person.
    """
    if path.suffix.lower() == ".npz":
        return _people(path, *_read_npz(path))
    if path.suffix.lower() == ".csv":
        return _people(path, *_read_csv(path))
    raise SdfaError(f"{path} is neither .csv nor .npz: give features, label, person in one of these forms")


_Parts = tuple[FloatArray, npt.NDArray[np.str_], npt.NDArray[np.str_]]


def _read_csv(path: Path) -> _Parts:
    try:
        text = read_bytes(path, "a CSV file").decode("utf-8-sig")
        rows = [row for row in csv.reader(text.splitlines(), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise SdfaError(f"{path} is no CSV text in UTF-8 ({error}): save it again") from None
    if len(rows) < 2 or len(rows[0]) < 3:
        hint = "; columns are parted by commas" if rows and {";", "\t"} & set("".join(rows[0])) else ""
        raise SdfaError(f"{path}: needs a heading and rows of features, label, person (at least 3 columns){hint}")
    ends = [cell.strip().lower() for cell in rows[0][-2:]]
    if ends != ["label", "person"]:
        raise SdfaError(f"{path}: the last two columns are {', '.join(ends)}, needed are label and person")
    width = len(rows[0])
    for number, row in enumerate(rows[1:], 2):
        if len(row) != width:
            raise SdfaError(f"{path}: row {number} has {len(row)} columns, the heading {width}: mend that row")
    x = _features(path, rows[0][:-2], [row[:-2] for row in rows[1:]])
    said = np.array([[cell.strip() for cell in row[-2:]] for row in rows[1:]])
    for number, row in enumerate(said, 2):
        if not all(row) or "nan" in [cell.lower() for cell in row]:
            raise SdfaError(f"{path}: row {number} has no label or no person: drop that row, or fill it in")
    return x, said[:, 0], said[:, 1]


def _features(path: Path, names: list[str], rows: list[list[str]]) -> FloatArray:
    """float32 (n, features). SdfaError for cells that are missing or no numbers: the first, and how many rows."""
    with np.errstate(over="ignore"):  # what overflows is refused
        x = np.array([[_number(cell) for cell in row] for row in rows], np.float32)
    bad = np.argwhere(~np.isfinite(x))
    if len(bad):
        row, column = map(int, bad[0])
        n = len(np.unique(bad[:, 0]))
        cell = rows[row][column].strip()
        what = f"holds {cell!r}, which is no finite number" if cell else "is empty"
        many = f"{amount(n, 'such row')} of {len(rows):,}"
        raise SdfaError(
            f"{path}: column {names[column].strip()!r} of row {row + 2} {what} ({many}): "
            "missing values are not filled in; drop those rows, or fill them in yourself"
        )
    return x


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _read_npz(path: Path) -> _Parts:
    x, y, person = read_arrays(path, ("x", "y", "person"))
    if x.ndim < 2 or not len(x) == len(y) == len(person) or y.ndim != 1 or person.ndim != 1:
        raise SdfaError(
            f"{path}: x {x.shape}, y {y.shape}, person {person.shape}; needed are (n, features), (n,), (n,)"
        )
    if x.dtype.kind not in "fiu":
        raise SdfaError(f"{path}: x is {x.dtype}, but features are numbers")
    flat = x.reshape(len(x), -1).astype(np.float32)
    if not np.isfinite(flat).all():
        raise SdfaError(f"{path}: x has values that are not finite: drop those samples")
    return flat, y.astype(str), person.astype(str)


def _people(path: Path, x: FloatArray, label: npt.NDArray[Any], person: npt.NDArray[Any]) -> People:
    classes, y = np.unique(label, return_inverse=True)
    everyone = np.unique(person)
    if len(classes) < 2 or len(everyone) < _LEAST:
        found = f"{amount(len(classes), 'label')} and {amount(len(everyone), 'person', 'people')}"
        raise SdfaError(f"{path} has {found}: at least 2 and {_LEAST} needed")
    part = np.full(len(y), POOL)
    rich: dict[str, int] = {str(name): 0 for name in everyone}
    for name in everyone:
        for c in range(len(classes)):
            mine = np.flatnonzero((person == name) & (y == c))
            part[mine[(len(mine) + 1) // 2 :]] = TEST
            rich[str(name)] += len(mine) >= 2
    new = tuple(name for name, n in rich.items() if n >= 2)
    return People(x, x, y.astype(np.int64), person, part, np.arange(len(y)), tuple(map(str, classes)), new)
