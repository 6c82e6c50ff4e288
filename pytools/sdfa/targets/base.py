"""What every target does: answer a batch of requests about one image (firmware/app/app.h)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sdfa.errors import SdfaError

_REQUEST = struct.Struct("<HHI")
_REPLY = struct.Struct("<iI")


@dataclass(frozen=True)
class Request:
    """code: a value of APP_REQUESTS, see codes.request_code."""

    code: int
    payload: bytes = b""


@dataclass(frozen=True)
class Reply:
    """status: 0, or an error of sdfa.h or app.h, see codes.status_text; then the payload is empty."""

    status: int
    payload: bytes


class Target(Protocol):
    """A machine that runs the C runtime."""

    @property
    def name(self) -> str:
        """As in --target."""
        ...

    def execute(self, image: bytes, requests: Sequence[Request]) -> list[Reply]:
        """One reply per request, in order. Starts from a fresh machine each time.

        SdfaError when the program cannot be built, crashes, or exceeds the time limit. A refused request
        is no error here, but a status.
        """
        ...


def encode_requests(requests: Iterable[Request]) -> bytes:
    return b"".join(_REQUEST.pack(r.code, 0, len(r.payload)) + r.payload for r in requests)


def decode_replies(stream: bytes, n: int) -> list[Reply]:
    """The n replies in a stream; SdfaError unless it holds exactly these."""
    replies = []
    at = 0
    while at + _REPLY.size <= len(stream):
        status, length = _REPLY.unpack_from(stream, at)
        at += _REPLY.size + length
        replies.append(Reply(status, stream[at - length : at]))
    if at != len(stream) or len(replies) != n:
        raise SdfaError(f"the target answered {len(replies)} of {n} requests, in {len(stream)} bytes")
    return replies
