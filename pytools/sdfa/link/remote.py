"""A net on a device behind a link: run, taught, saved and read (firmware/SPEC.md 6.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.device import State, Stats
from sdfa.errors import SdfaError
from sdfa.graph import Int8Array
from sdfa.link.client import VERSION, Link, LinkError
from sdfa.records import VERSION as IMAGE_VERSION

DATA_MAX = 128
OUTPUT, TAIL, IMAGE = range(3)
_INFO = struct.Struct("<HH8sIIIIIIIIHH")
_STATS = struct.Struct("<QQQQIIIIII")
_STORED = struct.Struct("<IIIIII")


@dataclass(frozen=True)
class Info:
    """What a device says of itself. *_len: bytes. class_n: 0 if nothing learns. steps: of these weights, in all."""

    model_id: str
    image_len: int
    input_len: int
    output_len: int
    class_n: int
    tail_len: int
    steps: int
    random: int
    rate_q24: int
    tau_q15: int
    learns: bool
    saves: bool
    board: str


@dataclass(frozen=True)
class Stored:
    """What the store holds, struct sdfa_stored."""

    sequence: int
    steps: int
    erases: int
    broken: int
    saves_n: int
    free_n: int


class Remote:
    """A session with a device. session: not 0, and another one for each session."""

    def __init__(self, link: Link, session: int) -> None:
        self._link, self._session = link, struct.pack("<I", session)
        self.info = self._hello()
        self.steps = self.info.steps

    def _hello(self) -> Info:
        data = self._link.request("HELLO", self._session)
        if len(data) < 4:
            raise SdfaError("the device's answer is too short: flash it with firmware of this version")
        link, image = struct.unpack_from("<HH", data)
        if (link, image) != (VERSION, IMAGE_VERSION) or len(data) < _INFO.size:
            raise SdfaError(
                f"the device speaks version {link} of the link and {image} of the image, this program {VERSION} and "
                f"{IMAGE_VERSION}: flash it with firmware of this version"
            )
        _, _, model_id, image_n, input_n, output_n, class_n, tail_n, steps, random, rate, tau, flags = (
            _INFO.unpack_from(data)
        )
        return Info(
            model_id.hex(), image_n, input_n, output_n, class_n, tail_n, steps, random, rate, tau,
            learns=bool(flags & 1), saves=bool(flags & 2), board=data[_INFO.size :].decode("ascii", "replace"),
        )  # fmt: skip

    # --- inference ---

    def run(self, x: Int8Array) -> tuple[Int8Array, int]:
        """One inference of int8[input_len]: the output, and the class (-1 where nothing learns)."""
        data = np.ascontiguousarray(x, np.int8).tobytes()
        if len(data) != self.info.input_len:
            raise SdfaError(f"the input has {len(data)} values, the device's model takes {self.info.input_len}")
        for off in range(0, len(data), DATA_MAX):
            self._link.request("INPUT", struct.pack("<I", off) + data[off : off + DATA_MAX])
        (guess,) = struct.unpack("<i", self._link.request("RUN"))
        return np.frombuffer(self.read(OUTPUT, self.info.output_len), np.int8), max(guess, -1)

    def read(self, block: int, length: int) -> bytes:
        """The first bytes of the output, the weights that learn, or the image."""
        parts = []
        for off in range(0, length, DATA_MAX):
            parts.append(self._link.request("READ", struct.pack("<IBB", off, block, min(DATA_MAX, length - off))))
        return b"".join(parts)

    def tail(self) -> bytes:
        """The weights that learn, as they lie in RAM."""
        return self.read(TAIL, self.info.tail_len)

    def image(self) -> bytes:
        """The image that the device runs, without what it has learned."""
        return self.read(IMAGE, self.info.image_len)

    # --- learning ---

    def learn(self, label: int) -> None:
        """One step from the last run."""
        self._step("LEARN", struct.pack("<I", label))

    def learn_target(self, target: npt.ArrayLike) -> None:
        """One step from the last run and its targets, int16[class_n]."""
        values = np.asarray(target, "<i2")
        if values.shape != (self.info.class_n,) or 2 * self.info.class_n > DATA_MAX:
            raise SdfaError(f"targets: {self.info.class_n} values, and at most {DATA_MAX // 2} go over the link")
        self._step("LEARN_TARGET", values.tobytes())

    def _step(self, request: str, answer: bytes) -> None:
        try:
            data = self._link.request(request, self._session + struct.pack("<I", self.steps) + answer)
        except LinkError as error:
            if error.is_error("SESSION") or error.is_error("STEP"):
                (steps,) = struct.unpack_from("<I", error.data)
                raise SdfaError(
                    f"the device has {steps} steps behind it and this session {self.steps}: it was restarted or is "
                    "used by another program; begin a new session from its weights"
                ) from None
            raise
        (self.steps,) = struct.unpack("<I", data)

    def state(self) -> State:
        """Counters since the start, and settings."""
        loss, nonzero, updated, moved, steps, correct, weights, activations, logits, _ = _STATS.unpack(
            self._link.request("STATS")
        )
        info = self._hello()
        stats = Stats(steps, correct, loss, nonzero, updated, moved, weights, activations, logits)
        return State(stats, info.random, info.rate_q24, info.tau_q15)

    def set(self, rate_q24: int, tau_q15: int, random: int) -> None:
        """Rate, threshold and generator, all or none."""
        self._link.request("SET", self._session + struct.pack("<III", rate_q24, tau_q15, random))

    # --- keeping ---

    def stored(self) -> Stored:
        """What is saved."""
        return Stored(*_STORED.unpack(self._link.request("STORED")))

    def save(self) -> None:
        """Into flash, safe against a power cut."""
        self._link.request("SAVE", self._session)

    def load(self) -> None:
        """The last saved weights; LinkError, and factory weights, when there are none."""
        try:
            self._link.request("LOAD", self._session)
        finally:
            self.steps = self._hello().steps

    def reset(self) -> None:
        """Factory weights in RAM; what is saved stays."""
        self._link.request("RESET", self._session)

    def forget(self) -> None:
        """Factory weights, after a restart too."""
        self._link.request("FORGET", self._session)

    def format(self) -> None:
        """Erase the store, whatever it holds."""
        self._link.request("FORMAT", self._session)
