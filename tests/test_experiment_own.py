"""A user's own CSV and NPZ files: what they become, and the one line for those that are wrong."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.experiment.own import load_own
from sdfa.experiment.people import POOL, TEST

HEAD = "f1,f2,label,person\n"
ROWS = [f"{i},{i / 2},{label},{person}\n" for person in ("ann", "bob", "eve") for label in "xy" for i in range(5)]


def _csv(folder: Path, text: str) -> Path:
    path = folder / "mine.csv"
    path.write_text(text)
    return path


def test_a_csv_file(tmp_path: Path) -> None:
    people = load_own(_csv(tmp_path, HEAD + "".join(ROWS)))
    assert people.x.shape == (30, 2)
    assert (people.classes, people.new) == (("x", "y"), ("ann", "bob", "eve"))
    assert people.part[:10].tolist() == [POOL, POOL, POOL, TEST, TEST] * 2
    assert people.x[3].tolist() == [3.0, 1.5]


def test_an_npz_file_is_the_same(tmp_path: Path) -> None:
    first = load_own(_csv(tmp_path, HEAD + "".join(ROWS)))
    np.savez(tmp_path / "mine.npz", x=first.x, y=first.y, person=first.person)
    second = load_own(tmp_path / "mine.npz")
    assert np.array_equal(first.x, second.x)
    assert np.array_equal(first.part, second.part)
    assert second.classes == ("0", "1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "needs a heading"),
        (HEAD, "needs a heading"),
        ("label,person\nx,ann\n", "at least 3 columns"),
        ("f1;f2;label;person\n1;2;x;ann\n", "(at least 3 columns); columns are parted by commas"),
        (HEAD + "".join(ROWS) + "1,2,x\n", "row 32 has 3 columns"),
        (HEAD + "1,two,x,ann\n" + "".join(ROWS), "column 'f2' of row 2 holds 'two'"),
        (HEAD + "1,nan,x,ann\n", "column 'f2' of row 2 holds 'nan', which is no finite number (1 such row of 1)"),
        (HEAD + "1,2,,ann\n", "row 2 has no label or no person: drop that row"),
        (HEAD + "1,2,x,ann\n1,2,x,NaN\n", "row 3 has no label or no person"),
        (HEAD + "1,1e99,x,ann\n", "column 'f2' of row 2 holds '1e99', which is no finite number"),
        (HEAD + "1,2,x,ann\n ,,x,ann\n,3,x,bob\n", "column 'f1' of row 3 is empty (2 such rows of 3)"),
        (HEAD + "".join(ROWS[:20]), "2 labels and 2 people"),
        (HEAD + "".join(r.replace(",y,", ",x,") for r in ROWS), "1 label and 3 people"),
        (HEAD + '1,2,"x,ann\n', "no CSV text"),
    ],
)
def test_a_wrong_csv_file(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SdfaError, match=re.escape(message)) as error:
        load_own(_csv(tmp_path, text))
    assert "\n" not in str(error.value)


def test_a_wrong_npz_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.npz"
    x, y = np.zeros((6, 2), np.float32), np.arange(6)
    for arrays, message in (
        ({"x": x, "y": y}, "no array person"),
        ({"x": x, "y": y, "person": y[:3]}, "needed are"),
        ({"x": x.astype(str), "y": y, "person": y}, "features are numbers"),
        ({"x": x + np.inf, "y": y, "person": y}, "not finite"),
    ):
        np.savez(path, **arrays)
        with pytest.raises(SdfaError, match=message):
            load_own(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(SdfaError):
        load_own(path)


def test_another_kind_of_file(tmp_path: Path) -> None:
    with pytest.raises(SdfaError, match=r"neither \.csv nor \.npz"):
        load_own(tmp_path / "mine.xlsx")
    with pytest.raises(SdfaError, match="No such file"):
        load_own(tmp_path / "none.csv")
