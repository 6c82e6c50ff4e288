"""A bounds-checked reader of flatbuffer tables: any bytes give values or Malformed, in bounded time."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import numpy.typing as npt

_U16, _I32, _U32 = struct.Struct("<H"), struct.Struct("<i"), struct.Struct("<I")


class Malformed(Exception):
    """The bytes are not what they should be; str() says where. Loaders turn this into an SdfaError."""


class Source:
    """The bytes of one file, and how much more may be read of them.

    Tables may legally point at the same bytes many times over, so a small hostile file could unfold into a
    huge one. Everything copied out is therefore charged what an honest file would spend on it.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._left = 4 * len(data) + 4096

    def charge(self, size: int) -> None:
        """Count `size` bytes as read; raises Malformed when far more was read than the file holds."""
        self._left -= size
        if self._left < 0:
            raise Malformed("the same bytes are used over and over")

    def check(self, at: int, size: int) -> None:
        """Raise Malformed unless the bytes at ... at + size - 1 exist."""
        if at < 0 or size < 0 or at + size > len(self.data):
            raise Malformed(f"{size} bytes at offset {at} lie outside the file's {len(self.data)}")

    def number(self, form: struct.Struct, at: int) -> Any:
        """The number of form `form` at offset `at`."""
        self.check(at, form.size)
        return form.unpack_from(self.data, at)[0]

    def array(self, at: int, count: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """`count` numbers at offset `at`, as a read-only view of the file."""
        kind = np.dtype(dtype)
        self.check(at, count * kind.itemsize)
        # numpy has no empty view at the very end of a buffer
        return np.frombuffer(self.data, kind, count, at) if count else np.zeros(0, kind)


class Table:
    """One table: fields by slot number, each absent or present."""

    def __init__(self, source: Source, at: int) -> None:
        self.source = source
        self.at = at
        self._vtable = at - source.number(_I32, at)
        self._vtable_len = source.number(_U16, self._vtable)
        source.check(self._vtable, self._vtable_len)
        source.charge(8)  # its own offset and the one that led here

    def _field(self, slot: int) -> int:
        """The file offset of a field, 0 if it is absent."""
        entry = 4 + 2 * slot
        if entry + 2 > self._vtable_len:
            return 0
        off = int(self.source.number(_U16, self._vtable + entry))
        return self.at + off if off else 0

    def _follow(self, at: int) -> int:
        return at + int(self.source.number(_U32, at))

    def number(self, slot: int, form: str, default: float) -> Any:
        """A scalar field; `form` is a struct format ("b", "B", "i", "I", "Q", "f", "?")."""
        at = self._field(slot)
        return self.source.number(struct.Struct("<" + form), at) if at else default

    def table(self, slot: int) -> Table | None:
        """A field that is a table."""
        at = self._field(slot)
        return Table(self.source, self._follow(at)) if at else None

    def vector(self, slot: int, size: int) -> tuple[int, int] | None:
        """(offset of the first element, count) of a vector with elements of `size` bytes; None if absent."""
        at = self._field(slot)
        if not at:
            return None
        start = self._follow(at)
        count = int(self.source.number(_U32, start))
        self.source.check(start + 4, count * size)
        return start + 4, count

    def numbers(self, slot: int, dtype: npt.DTypeLike, limit: int | None = None) -> npt.NDArray[Any]:
        """A vector of numbers, empty if absent; more than `limit` raise Malformed."""
        kind = np.dtype(dtype)
        at, count = self.vector(slot, kind.itemsize) or (0, 0)
        if limit is not None and count > limit:
            raise Malformed(f"{count} numbers at offset {at}, where {limit} are the most")
        self.source.charge(count * kind.itemsize)
        return self.source.array(at, count, kind)

    def tables(self, slot: int) -> list[Table]:
        """A vector of tables, empty if absent."""
        at, count = self.vector(slot, 4) or (0, 0)
        return [Table(self.source, self._follow(at + 4 * i)) for i in range(count)]

    def text(self, slot: int) -> str:
        """A string, empty if absent; what is not UTF-8 comes out as replacement characters."""
        at, count = self.vector(slot, 1) or (0, 0)
        self.source.charge(count)
        return self.source.data[at : at + count].decode("utf-8", errors="replace")


def root(data: bytes, identifier: bytes) -> Table:
    """The root table of a file with this 4-byte identifier."""
    source = Source(data)
    if data[4:8] != identifier:
        raise Malformed(f"no {identifier.decode('ascii')} identifier")
    return Table(source, int(source.number(_U32, 0)))
