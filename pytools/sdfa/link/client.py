"""The host's end of the device link: one request at a time, repeated until its reply comes (firmware/SPEC.md 6.2)."""

from __future__ import annotations

import struct
import time
from collections.abc import Iterator
from typing import Protocol

from sdfa.errors import SdfaError
from sdfa.link.frame import Receiver, encode
from sdfa.targets.codes import error_value, link_request, status_text

VERSION = 1
REQUEST, REPLY = VERSION << 4, VERSION << 4 | 1
BUSY = 1
_REPLY_HEAD = struct.Struct("<BBHh")


def _check_version(kind: int) -> None:
    """The first byte of a frame names the version of who sends it, whatever else that version changed."""
    if kind & 15 == REPLY & 15 and kind >> 4 != VERSION:
        raise SdfaError(
            f"the device speaks version {kind >> 4} of the link, this program version {VERSION}: flash firmware of "
            "this program's version, or take the pytools that its firmware was built with"
        )


class Stream(Protocol):
    """Bytes to and from a device: a pyserial port, or a stand-in."""

    def write(self, data: bytes, /) -> object:
        """Send all of data."""

    def read(self, timeout_s: float, /) -> bytes:
        """What has come, at least one byte; b"" when nothing comes in that time. SdfaError when the device is gone."""


_REMEDIES = {
    "STORE_MODEL": "; `pytools device reset --erase` empties the store, then save again",
    "STORE_GEOMETRY": "; the board's port has to give the store more flash",
}
"""What to do about an error."""


class LinkError(SdfaError):
    """The device refused a request. status: an error of sdfa.h. data: what it says beside."""

    def __init__(self, request: str, status: int, data: bytes) -> None:
        what = {error_value(name): what for name, what in _REMEDIES.items()}.get(status, "")
        super().__init__(f"the device refused {request}: {status_text(status)}{what}")
        self.request, self.status, self.data = request, status, data
        self.reason = status_text(status)

    def is_error(self, name: str) -> bool:
        """Whether it is this error of sdfa.h ("STEP")."""
        return self.status == error_value(name)


class Link:
    """Requests over a stream.

    timeout_s: how long a reply may take before the request is repeated. attempts: how often it is sent in all.
    busy_s: how long slow work may take once the device has said that it is busy. number: of the first request; let it
    be another one for each program, so that replies to an older one are told apart. repeats: requests sent again.
    """

    def __init__(
        self, stream: Stream, *, number: int, timeout_s: float = 0.5, attempts: int = 10, busy_s: float = 30.0
    ) -> None:
        self._stream, self._number = stream, number & 0xFFFF
        self._timeout_s, self._attempts, self._busy_s = timeout_s, attempts, busy_s
        self._receiver = Receiver()
        self._first = True
        self.repeats = 0

    def request(self, name: str, arguments: bytes = b"") -> bytes:
        """Data of the reply. LinkError when it is refused, SdfaError when the device stays silent."""
        code = link_request(name)
        self._number = (self._number + 1) & 0xFFFF
        wire = encode(struct.pack("<BBH", REQUEST, code, self._number) + arguments)
        attempt, patience = 0, time.monotonic()
        while attempt < self._attempts or time.monotonic() < patience:
            self.repeats += attempt > 0
            # a zero ends what noise may have left in the device's receiver
            self._stream.write(b"\0" + wire if attempt or self._first else wire)
            self._first = False
            attempt += 1
            for status, data in self._replies(code):
                if status == BUSY:
                    patience = time.monotonic() + self._busy_s
                    continue
                if status:
                    raise LinkError(name, status, data)
                return data
        raise SdfaError(f"the device does not answer ({attempt} times {name}): {self._silence()}")

    def _silence(self) -> str:
        if self._receiver.damage:
            return (
                f"it sends, but {self._receiver.damage} frames came damaged: does the speed agree (--baud), and is it "
                "the device link that is flashed?"
            )
        return (
            "is it flashed with the link, is the port the right one and used by nobody else, and does its speed agree?"
        )

    def _replies(self, code: int) -> Iterator[tuple[int, bytes]]:
        """Replies to the present request, until none comes for too long; longer once the device is busy, because what
        is sent meanwhile may fill its buffer."""
        deadline = time.monotonic() + self._timeout_s
        while True:
            data = self._stream.read(max(deadline - time.monotonic(), 0.0))
            for body in self._receiver.take(data):
                if len(body) < _REPLY_HEAD.size:
                    continue
                kind, request, number, status = _REPLY_HEAD.unpack_from(body)
                _check_version(kind)
                if (kind, request, number) != (REPLY, code, self._number):
                    continue
                if status == BUSY:
                    deadline = time.monotonic() + 4 * self._timeout_s
                yield status, body[_REPLY_HEAD.size :]
            if not data:
                return
