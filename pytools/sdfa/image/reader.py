"""Bytes of an image (firmware/SPEC.md section 1) to its parts."""

from __future__ import annotations

import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.checks import (
    Damaged,
    OpRecord,
    Parts,
    Records,
    check_learning,
    check_ops,
    check_tensors,
    need,
)
from sdfa.image.records import GOLD, HEADER, KINDS, LAYER, LEARNED, LEARNING, MAGIC, OP, SECTION, TENSOR, VERSION

_KNOWN = ("TENS", "OPS ", "DATA", "TAIL", "LERN", "LRND", "GOLD", "META")


@dataclass(frozen=True, eq=False)
class Image:
    """A model image, checked.

    header: one record HEADER. model_id: 8 bytes. tensors: TENSOR[tensor_n].
    ops: (kind's name, record) in the order of execution; op_off: their byte offsets in the section `OPS `.
    data: the section `DATA`. tail: factory values of the trainable tail, tail_len bytes; empty if nothing
    learns.
    learning: one record LEARNING or None; layers: LAYER[layer_n], first to last.
    gold: one record GOLD or None.
    learned: one record LEARNED and learned_tail: tail_len bytes, both None without the section `LRND`.
    meta: the section `META`, empty without it. raw: the bytes that were read.
    """

    header: np.void
    model_id: bytes
    tensors: Records
    ops: tuple[OpRecord, ...]
    op_off: tuple[int, ...]
    data: bytes
    tail: bytes
    learning: np.void | None
    layers: Records
    learned: np.void | None
    learned_tail: bytes | None
    gold: np.void | None
    meta: dict[str, Any]
    raw: bytes

    @property
    def present_tail(self) -> bytes:
        """The tail that the runtime starts with: the learned one if there is one."""
        return self.tail if self.learned_tail is None else self.learned_tail

    @property
    def left_out(self) -> list[int]:
        """Output channels that the exporter left out, per operation, as META says (to people: it is not checked)."""
        said = self.meta.get("left_out")
        if not isinstance(said, list) or len(said) != len(self.ops) or any(type(n) is not int for n in said):
            return [0] * len(self.ops)
        return said

    def constant(self, off: int, dtype: npt.DTypeLike, n: int) -> npt.NDArray[Any]:
        """`n` values at byte offset `off` of `DATA`, read-only; the reader checked that they exist."""
        return np.frombuffer(self.data, np.dtype(dtype), n, off)


def read_image(data: bytes, name: str = "model.sdfa") -> Image:
    """The image in `data`; bytes behind image_len are ignored. `name` is for messages."""
    try:
        return _read(bytes(data), name)
    except Damaged as e:
        raise SdfaError(f"{name} is damaged: {e}; export it again") from None


def model_id(sections: list[tuple[bytes, bytes]]) -> bytes:
    """The first 8 bytes of SHA-256 over (tag, payload) of every section but `LRND` and `GOLD` (1.8)."""
    digest = hashlib.sha256()
    for tag, payload in sections:
        if tag not in (b"LRND", b"GOLD"):
            digest.update(tag + len(payload).to_bytes(4, "little") + payload)
    return digest.digest()[:8]


def sections_of(data: bytes) -> list[tuple[bytes, bytes]]:
    """(tag, payload) of every section, unknown ones too, in the order of the table (1.2)."""
    header = np.frombuffer(data, HEADER, 1)[0]
    n = int(header["section_n"])
    need(HEADER.itemsize + n * SECTION.itemsize <= len(data), "the section table is cut off")
    found = []
    for entry in np.frombuffer(data, SECTION, n, HEADER.itemsize) if n else ():
        # numpy strips zeros behind a string
        tag, off, length = bytes(entry["tag"]).ljust(4, b"\0"), int(entry["off"]), int(entry["len"])
        shown = tag.decode("ascii", "replace").strip()
        need(off % 16 == 0 and off + length <= len(data), f"section {shown!r} lies outside the file")
        found.append((tag, data[off : off + length]))
    return found


def _read(data: bytes, name: str) -> Image:
    data = _check_header(data, name)
    header = np.frombuffer(data, HEADER, 1)[0]
    sections = _known(sections_of(data))
    need(all(tag in sections for tag in ("TENS", "OPS ", "DATA")), "a section is missing")
    ops, op_off = _ops(sections["OPS "], int(header["op_n"]))
    tensors = _records(sections["TENS"], TENSOR, int(header["tensor_n"]), "TENS")
    arena_len, tail_len = int(header["arena_len"]), int(header["tail_len"])
    parts = Parts(arena_len, tail_len, tensors, ops, op_off, sections["DATA"])
    _check_ends(header, parts)
    check_tensors(parts)
    check_ops(parts)
    learning, layers = _learning(parts, sections)
    learned, learned_tail = _learned(tail_len, sections)
    tail = sections["TAIL"] if tail_len else b""
    return Image(
        header, bytes(header["model_id"]), tensors, ops, op_off, sections["DATA"],
        tail, learning, layers, learned, learned_tail, _gold(sections.get("GOLD")), _meta(sections.get("META")), data,
    )  # fmt: skip


def _check_header(data: bytes, name: str) -> bytes:
    """The image itself, cut to image_len."""
    if len(data) < HEADER.itemsize or int.from_bytes(data[:4], "little") != MAGIC:
        raise SdfaError(f"{name} is not an sdfa image; make one with `pytools export`")
    header = np.frombuffer(data, HEADER, 1)[0]
    length, version = int(header["image_len"]), int(header["version"])
    if version != VERSION:
        raise SdfaError(f"{name} has image format {version}, this program reads {VERSION}; export it again")
    need(HEADER.itemsize <= length <= len(data), f"it has {len(data)} bytes instead of {length}")
    need(zlib.crc32(data[8:length]) == int(header["crc32"]), "CRC-32 does not match")
    return data[:length]


def _known(sections: list[tuple[bytes, bytes]]) -> dict[str, bytes]:
    known: dict[str, bytes] = {}
    for tag, payload in sections:
        text = tag.decode("latin-1")
        if text in _KNOWN:
            need(text not in known, f"section {text.strip()!r} occurs twice")
            known[text] = payload
    return known


def _records(data: bytes, dtype: np.dtype[np.void], n: int, tag: str) -> Records:
    need(len(data) == n * dtype.itemsize, f"section {tag!r} has the wrong length")
    return np.frombuffer(data, dtype, n) if n else np.zeros(0, dtype)


def _ops(data: bytes, n: int) -> tuple[tuple[OpRecord, ...], tuple[int, ...]]:
    ops: list[OpRecord] = []
    offsets: list[int] = []
    cursor = 0
    for i in range(n):
        need(cursor + OP.itemsize <= len(data), f"operation {i} is cut off")
        kind = int(np.frombuffer(data, OP, 1, cursor)[0]["kind"])
        need(kind in KINDS, f"operation {i} has the unknown kind {kind}")
        kind_name, dtype = KINDS[kind]
        need(cursor + dtype.itemsize <= len(data), f"operation {i} is cut off")
        op = np.frombuffer(data, dtype, 1, cursor)[0]
        need(int(op["len"]) == dtype.itemsize, f"operation {i} has the wrong length")
        ops.append((kind_name, op))
        offsets.append(cursor)
        cursor += dtype.itemsize
    need(cursor == len(data), "section 'OPS' has the wrong length")
    return tuple(ops), tuple(offsets)


def _check_ends(header: np.void, parts: Parts) -> None:
    for end in ("input", "output"):
        need(int(header[end]) < len(parts.tensors), f"its {end} is no tensor")
    kernels = sum({1 << int(op["kind"]) for _, op in parts.ops})
    need(not kernels & ~int(header["kernels"]), "its list of kernels is incomplete")


def _learning(parts: Parts, sections: dict[str, bytes]) -> tuple[np.void | None, Records]:
    if not parts.tail_len:
        return None, np.zeros(0, LAYER)
    need("TAIL" in sections and "LERN" in sections, "the section 'TAIL' or 'LERN' is missing")
    need(len(sections["TAIL"]) == parts.tail_len, "section 'TAIL' has the wrong length")
    lern = sections["LERN"]
    need(len(lern) >= LEARNING.itemsize, "section 'LERN' is cut off")
    header = np.frombuffer(lern, LEARNING, 1)[0]
    need(int(header["layer_n"]), "no layer learns")
    layers = _records(lern[LEARNING.itemsize :], LAYER, int(header["layer_n"]), "LERN")
    check_learning(parts, header, layers)
    return header, layers


def _learned(tail_len: int, sections: dict[str, bytes]) -> tuple[np.void | None, bytes | None]:
    if "LRND" not in sections:
        return None, None
    payload = sections["LRND"]
    need(tail_len and len(payload) == LEARNED.itemsize + tail_len, "section 'LRND' has the wrong length")
    return np.frombuffer(payload, LEARNED, 1)[0], payload[LEARNED.itemsize :]


def _gold(payload: bytes | None) -> np.void | None:
    need(payload is None or len(payload) == GOLD.itemsize, "section 'GOLD' has the wrong length")
    return None if payload is None else np.frombuffer(payload, GOLD, 1)[0]


def _meta(payload: bytes | None) -> dict[str, Any]:
    if payload is None:
        return {}
    try:
        meta = json.loads(payload.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Damaged("section 'META' is not JSON") from None
    need(isinstance(meta, dict), "section 'META' is not a JSON object")
    return dict(meta)
