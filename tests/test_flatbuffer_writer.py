"""What flatbuffer_writer writes, flatbuffer reads."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.tflite.flatbuffer import root
from sdfa.tflite.flatbuffer_writer import Node, Number, Numbers, Table, write_flatbuffer

IDENTIFIER = b"TEST"


def test_every_kind_of_field_comes_back() -> None:
    inner = Table({0: Number("i", -7)})
    fields: dict[int, Number | Node] = {
        0: Number("b", -3),
        1: Number("f", 0.5),
        3: Number("?", 1),
        4: Numbers(np.arange(5, dtype="<i8"), 8),
        5: "name",
        6: inner,
        7: [inner, Table({}), inner],
    }
    read = root(write_flatbuffer(Table(fields), IDENTIFIER), IDENTIFIER)
    assert (read.number(0, "b", 0), read.number(1, "f", 0), read.number(3, "?", False)) == (-3, 0.5, True)
    assert read.number(2, "i", 42) == 42  # absent
    assert read.numbers(4, "<i8").tolist() == [0, 1, 2, 3, 4]
    assert read.text(5) == "name"
    found = read.table(6)
    assert found is not None
    assert found.number(0, "i", 0) == -7
    assert [table.number(0, "i", 0) for table in read.tables(7)] == [-7, 0, -7]


@pytest.mark.parametrize("dtype", ["u1", "<i4", "<i8"])
@pytest.mark.parametrize("align", [4, 8, 16])
@pytest.mark.parametrize("before", [0, 1, 2, 3, 5])
def test_vectors_are_aligned(dtype: str, align: int, before: int) -> None:
    values = np.arange(3).astype(dtype)
    data = write_flatbuffer(Table({0: Numbers(values, align), 1: "x" * before}), IDENTIFIER)
    at, count = root(data, IDENTIFIER).vector(0, values.itemsize) or (1, 0)
    assert (at % align, at % values.itemsize, count) == (0, 0, 3)


def test_tables_are_aligned() -> None:
    children = [Table({0: Number("b", 1)}), Table({1: Number("i", 1)}), Table({})]
    data = write_flatbuffer(Table({0: children, 1: "odd"}), IDENTIFIER)
    assert [table.at % 4 for table in root(data, IDENTIFIER).tables(0)] == [0, 0, 0]
