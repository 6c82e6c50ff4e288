"""The flatbuffer reader: what it reads, and that damaged bytes end in Malformed."""

from __future__ import annotations

import struct

import flatbuffers
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdfa.tflite.flatbuffer import Malformed, Table, root

ID = b"TEST"


def sample() -> bytes:
    """A root with an int32, a string, a vector of int32, a float and a vector of two tables."""
    b = flatbuffers.Builder(0)
    text = b.CreateString("häuser")
    values = b.CreateNumpyVector(np.array([1, -2, 3], np.int32))
    leaves = []
    for value in (7, 8):
        b.StartObject(1)
        b.PrependInt64Slot(0, value, 0)
        leaves.append(b.EndObject())
    b.StartVector(4, 2, 4)
    for leaf in reversed(leaves):
        b.PrependUOffsetTRelative(leaf)
    vector = b.EndVector()
    b.StartObject(6)
    b.PrependInt32Slot(0, -5, 0)
    b.PrependUOffsetTRelativeSlot(1, text, 0)
    b.PrependUOffsetTRelativeSlot(2, values, 0)
    b.PrependFloat32Slot(3, 0.5, 0)
    b.PrependUOffsetTRelativeSlot(4, vector, 0)
    b.Finish(b.EndObject(), ID)
    return bytes(b.Output())


def read_all(table: Table) -> tuple[object, ...]:
    leaves = [leaf.number(0, "q", 0) for leaf in table.tables(4)]
    return (
        table.number(0, "i", 0), table.text(1), table.numbers(2, "<i4").tolist(), table.number(3, "f", 0.0), leaves,
    )  # fmt: skip


def test_reads_every_kind_of_field() -> None:
    assert read_all(root(sample(), ID)) == (-5, "häuser", [1, -2, 3], 0.5, [7, 8])


def test_absent_fields_have_defaults() -> None:
    table = root(sample(), ID)
    for slot in (5, 6, 1000):  # empty, behind the vtable, far behind it
        assert table.number(slot, "i", 42) == 42
        assert table.table(slot) is None
        assert table.vector(slot, 1) is None
        assert table.numbers(slot, "<f4").size == 0
        assert table.tables(slot) == []
        assert table.text(slot) == ""


def test_a_vector_is_a_view_that_cannot_be_written() -> None:
    assert not root(sample(), ID).numbers(2, "<i4").flags.writeable


def test_a_limit_is_kept() -> None:
    table = root(sample(), ID)
    assert table.numbers(2, "<i4", 3).size == 3
    with pytest.raises(Malformed, match="3 numbers"):
        table.numbers(2, "<i4", 2)


def test_identifier() -> None:
    with pytest.raises(Malformed, match="no TFL3 identifier"):
        root(sample(), b"TFL3")


def test_truncated_anywhere() -> None:
    whole = sample()
    for size in range(len(whole)):
        # the last bytes may be padding, so a cut is either noticed or harmless
        try:
            assert read_all(root(whole[:size], ID))
        except Malformed:
            continue


@given(st.binary(max_size=200))
def test_arbitrary_bytes(tail: bytes) -> None:
    for start in (b"", struct.pack("<I", 8) + ID, struct.pack("<I", 12) + ID):
        try:
            read_all(root(start + tail, ID))
        except Malformed:
            continue


def test_a_vector_longer_than_the_file() -> None:
    # root table at 16: vtable at 8 (6 bytes, one field at 4), the field points at a count of 2^32 - 1
    data = struct.pack("<I4sHHHHiII", 16, ID, 6, 8, 4, 0, 8, 4, 0xFFFFFFFF)
    for size in (1, 4, 8):
        with pytest.raises(Malformed, match="outside"):
            root(data, ID).vector(0, size)


def test_a_vector_that_points_at_one_table_over_and_over() -> None:
    b = flatbuffers.Builder(0)
    b.StartObject(1)
    b.PrependInt32Slot(0, 1, 0)
    leaf = b.EndObject()
    b.StartVector(4, 5000, 4)
    for _ in range(5000):
        b.PrependUOffsetTRelative(leaf)
    vector = b.EndVector()
    b.StartObject(1)
    b.PrependUOffsetTRelativeSlot(0, vector, 0)
    b.Finish(b.EndObject(), ID)
    table = root(bytes(b.Output()), ID)
    with pytest.raises(Malformed, match="over and over"):
        [table.tables(0) for _ in range(10)]
