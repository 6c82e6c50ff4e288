"""A device behind a line that damages bytes, for tests of the link. No clock: what is not there at once never comes."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path
from types import TracebackType

from tests.cprogram import sanitized


class Line:
    """A stream to tests/c/link_device.c. damage: part of the bytes, each way, that are dropped, changed, doubled, or
    preceded by others; what comes after a cut of a chunk is lost with it. trace_len: the device offers all parts, and
    so many bytes for a trace (0: a copy of the weights and 300 bytes)."""

    def __init__(
        self, image: Path, flash: Path, damage: float = 0.0, seed: int = 0, trace_len: int | None = None
    ) -> None:
        more = [] if trace_len is None else [str(trace_len)]
        program = sanitized("link-device", "link_device.c", "api_net.c")
        self._command = [str(program), str(image), str(flash), *more]
        self._rng, self._damage = random.Random(seed), damage
        self._coming = b""
        self.sent = self.received = 0
        self._start()

    def _start(self) -> None:
        self._device = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def restart(self) -> None:
        """The device loses its power and comes up again."""
        self._device.kill()
        self._wait()
        self._coming = b""
        self._start()

    def _wait(self) -> None:
        for pipe in (self._device.stdin, self._device.stdout):
            assert pipe is not None
            pipe.close()
        self._device.wait(60)

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._device.stdin is not None
        self._device.stdin.close()
        self._device.wait(60)
        assert self._device.stdout is not None
        self._device.stdout.close()
        assert self._device.returncode == 0

    def write(self, data: bytes) -> None:
        self.sent += len(data)
        arriving = self._damaged(data)
        assert self._device.stdin is not None
        assert self._device.stdout is not None
        self._device.stdin.write(struct.pack("<H", len(arriving)) + arriving)
        self._device.stdin.flush()
        (n,) = struct.unpack("<H", self._device.stdout.read(2))
        answer = self._device.stdout.read(n)
        self.received += n
        self._coming += self._damaged(answer)

    def read(self, timeout_s: float) -> bytes:
        assert timeout_s >= 0
        data, self._coming = self._coming, b""
        return data

    def _damaged(self, data: bytes) -> bytes:
        rng, out = self._rng, bytearray()
        if not self._damage:
            return data
        for byte in data:
            if rng.random() >= self._damage:
                out.append(byte)
                continue
            kind = rng.randrange(5)
            if kind == 0:  # changed
                out.append(byte ^ rng.randrange(1, 256))
            elif kind == 1:  # doubled
                out += bytes([byte, byte])
            elif kind == 2:  # something in front
                out += bytes([rng.randrange(256), byte])
            elif kind == 3 and rng.random() < 0.1:  # the rest is lost
                break
            # else dropped
        return bytes(out)
