"""Writes flatbuffers front to back: a table first, what it points at behind it. The reader is flatbuffer.py."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Number:
    """A field that is a number in itself. form: its struct format, one of b B ? i I f."""

    form: str
    value: float


@dataclass(frozen=True, eq=False)
class Numbers:
    """A vector of numbers. align: of its first element, at least the size of one."""

    values: npt.NDArray[np.generic]
    align: int = 4


@dataclass(frozen=True, eq=False)
class Table:
    """fields: slot -> a number, or what the field points at."""

    fields: Mapping[int, Number | Node]


Node = Table | Numbers | str | Sequence[Table]


def write_flatbuffer(root: Table, identifier: bytes) -> bytes:
    """The bytes of a file with this root table and 4-byte identifier."""
    out = bytearray(8)
    out[4:8] = identifier
    pending: list[tuple[int, Node]] = [(0, root)]  # where the offset of a node goes
    while pending:
        at, node = pending.pop()
        struct.pack_into("<I", out, at, _place(out, node, pending) - at)
    return bytes(out)


def _place(out: bytearray, node: Node, pending: list[tuple[int, Node]]) -> int:
    """Append a node; returns its position."""
    if isinstance(node, Table):
        return _place_table(out, node, pending)
    if isinstance(node, str):
        text = node.encode()
        return _place_vector(out, len(text), text + b"\0", 4)
    if isinstance(node, Numbers):
        raw = np.ascontiguousarray(node.values).tobytes()
        return _place_vector(out, node.values.size, raw, max(node.align, node.values.itemsize))
    at = _place_vector(out, len(node), bytes(4 * len(node)), 4)
    pending += [(at + 4 + 4 * i, child) for i, child in enumerate(node)]
    return at


def _place_vector(out: bytearray, count: int, raw: bytes, align: int) -> int:
    out.extend(bytes(-(len(out) + 4) % align))
    at = len(out)
    out += struct.pack("<I", count) + raw
    return at


def _place_table(out: bytearray, table: Table, pending: list[tuple[int, Node]]) -> int:
    """The list of field offsets, then the table: its distance from that list, words, bytes."""
    slots = [0] * (max(table.fields, default=-1) + 1)
    words, small = bytearray(4), bytearray()
    links: list[tuple[int, Node]] = []
    for slot, value in table.fields.items():
        if not isinstance(value, Number):
            slots[slot] = len(words)
            links.append((len(words), value))
            words += bytes(4)
        elif struct.calcsize(value.form) == 4:
            slots[slot] = len(words)
            words += struct.pack(f"<{value.form}", value.value)
    for slot, value in table.fields.items():
        if isinstance(value, Number) and struct.calcsize(value.form) == 1:
            slots[slot] = len(words) + len(small)
            small += struct.pack(f"<{value.form}", value.value)
    list_len = 4 + 2 * len(slots)
    out.extend(bytes(-(len(out) + list_len) % 4))
    out += struct.pack(f"<{2 + len(slots)}H", list_len, len(words) + len(small), *slots)
    at = len(out)
    struct.pack_into("<i", words, 0, list_len)
    out += words + small
    pending += [(at + off, node) for off, node in links]
    return at
