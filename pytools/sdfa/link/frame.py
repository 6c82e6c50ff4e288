"""Frames of the device link (firmware/SPEC.md 6.1), the twin of firmware/src/link/sdfa_frame.c."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

BODY_MAX = 144
WIRE_MAX = BODY_MAX + 6
_BLOCK_MAX = 254  # bytes behind one code byte


def encode(body: bytes) -> bytes:
    """A body of 1 .. BODY_MAX bytes as it goes over the wire, its final zero included."""
    if not 1 <= len(body) <= BODY_MAX:
        raise ValueError(f"a body has 1 to {BODY_MAX} bytes, not {len(body)}")
    # no block is longer than _BLOCK_MAX, because a body and its sum are not
    blocks = (body + zlib.crc32(body).to_bytes(4, "little")).split(b"\0")
    return b"".join(bytes([len(block) + 1]) + block for block in blocks) + b"\0"


def decode(coded: bytes) -> bytes | None:
    """The body between two zeros of the wire, or None when it is damaged."""
    plain, at = bytearray(), 0
    while at < len(coded):
        code = coded[at]
        if at + code > len(coded):
            return None
        plain += coded[at + 1 : at + code]
        at += code
        if code <= _BLOCK_MAX and at < len(coded):
            plain.append(0)
    body, crc = bytes(plain[:-4]), plain[-4:]
    sound = 1 <= len(body) <= BODY_MAX and int.from_bytes(crc, "little") == zlib.crc32(body)
    return body if sound else None


@dataclass
class Receiver:
    """Finds frames in a stream. damage: frames that were thrown away."""

    damage: int = 0
    _pending: bytearray = field(default_factory=bytearray)

    def take(self, data: bytes) -> list[bytes]:
        """Bodies that are complete with these bytes, in order."""
        bodies = []
        self._pending += data
        *coded, rest = bytes(self._pending).split(b"\0")
        # of a stretch without an end no more is kept than shows that it is too long
        self._pending = bytearray(rest[: WIRE_MAX + 1])
        for frame in filter(None, coded):
            body = decode(frame)
            if body is None:
                self.damage += 1
            else:
                bodies.append(body)
        return bodies
