"""A net on a device behind a link: run, taught, saved and read (firmware/SPEC.md 6.3)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.device.device import State, Stats
from sdfa.errors import SdfaError
from sdfa.image.records import VERSION as IMAGE_VERSION
from sdfa.link.client import VERSION, Link, LinkError
from sdfa.tflite.graph import Int8Array

DATA_MAX = 128
OUTPUT, TAIL, IMAGE = range(3)
FEATURES = ("learning", "store", "selftest", "gate", "trace", "slots", "clock")
"""enum sdfa_link_flag, from bit 0 on."""
_INFO = struct.Struct("<HH8sIIIIIIIIHHII")
_STATS = struct.Struct("<QQQQIIIIII")
_STORED = struct.Struct("<IIIIIII")


@dataclass(frozen=True)
class Info:
    """What a device says of itself. *_len: bytes. class_n: 0 if nothing learns. steps: of these weights, in all.

    features: of FEATURES, what its program offers.
    """

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
    features: frozenset[str]
    arena_len: int
    state_len: int
    board: str


@dataclass(frozen=True)
class Stored:
    """What the store holds, struct sdfa_stored. foreign: 1 if that is of another model, and nothing can be saved."""

    sequence: int
    steps: int
    erases: int
    broken: int
    saves_n: int
    free_n: int
    foreign: int


class Remote:
    """A session with a device. session: not 0, and another one for each session.

    run_us, learn_us: what the last inference and the last step took on the device, None where it has no clock.
    """

    def __init__(self, link: Link, session: int) -> None:
        self._link, self._session = link, struct.pack("<I", session)
        self.info = self._hello()
        self.steps = self.info.steps
        self.run_us: int | None = None
        self.learn_us: int | None = None

    def request(self, name: str, arguments: bytes = b"") -> bytes:
        """One request of this session; data of the reply. SdfaError, LinkError."""
        try:
            return self._link.request(name, self._session + arguments)
        except LinkError as error:
            if error.is_error("SESSION") or error.is_error("STEP"):
                (steps,) = struct.unpack_from("<I", error.data)
                raise SdfaError(
                    f"the device has {steps} steps behind it and this session {self.steps}: it was restarted or is "
                    "used by another program; begin a new session from its weights"
                ) from None
            raise

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
        _, _, model_id, image_n, input_n, output_n, class_n, tail_n, steps, random, rate, tau, flags, arena, state = (
            _INFO.unpack_from(data)
        )
        return Info(
            model_id.hex(), image_n, input_n, output_n, class_n, tail_n, steps, random, rate, tau,
            frozenset(name for bit, name in enumerate(FEATURES) if flags >> bit & 1), arena, state,
            data[_INFO.size :].decode("ascii", "replace"),
        )  # fmt: skip

    def begin_again(self) -> None:
        """After the device has taken another image."""
        self.info = self._hello()
        self.steps = self.info.steps

    def selftest(self) -> int | None:
        """Let the device compute its golden output; microseconds, None without a clock. SdfaError when it is wrong."""
        if "selftest" not in self.info.features:
            raise SdfaError("the device's program has no self-test: build it with one (sdfa_link_selftest)")
        data = self.request("SELFTEST")
        return int.from_bytes(data, "little") if data else None

    # --- inference ---

    def run(self, x: Int8Array) -> tuple[Int8Array, int]:
        """One inference of int8[input_len]: the output, and the class (-1 where nothing learns)."""
        guess = self.classify(x)
        return np.frombuffer(self.read(OUTPUT, self.info.output_len), np.int8), guess

    def classify(self, x: Int8Array) -> int:
        """The same without its output."""
        data = np.ascontiguousarray(x, np.int8).tobytes()
        if len(data) != self.info.input_len:
            raise SdfaError(f"the input has {len(data)} values, the device's model takes {self.info.input_len}")
        end = (len(data) - 1) // DATA_MAX * DATA_MAX
        self._put("INPUT", data[:end])
        guess, self.run_us = _timed("<i", self.request("RUN", struct.pack("<I", end) + data[end:]))
        return max(guess, -1)

    def _put(self, name: str, data: bytes) -> None:
        for off in range(0, len(data), DATA_MAX):
            self.request(name, struct.pack("<I", off) + data[off : off + DATA_MAX])

    def read(self, block: int, length: int) -> bytes:
        """The first bytes of the output, the weights that learn, or the image."""
        return self.read_block("READ", block, length)

    def read_block(self, name: str, block: int, length: int) -> bytes:
        """The same with READ or TRACE_READ."""
        data = b""
        while len(data) < length:
            data += self.request(name, struct.pack("<I", len(data) << 8 | block))
        return data

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

    def _step(self, name: str, answer: bytes) -> None:
        reply = self.request(name, struct.pack("<I", self.steps) + answer)
        self.steps, self.learn_us = _timed("<I", reply)

    def state(self) -> State:
        """Counters since the start, and settings."""
        info = self._hello()
        return State(self.stats(), info.random, info.rate_q24, info.tau_q15)

    def stats(self) -> Stats:
        """Counters since the start; after a load, steps are those of the weights."""
        loss, nonzero, updated, moved, steps, correct, weights, activations, logits, _ = _STATS.unpack(
            self.request("STATS")
        )
        return Stats(steps, correct, loss, nonzero, updated, moved, weights, activations, logits)

    def set(self, rate_q24: int, tau_q15: int, random: int, steps: int | None = None) -> None:
        """Rate, threshold and generator, and the steps behind the weights; all or none."""
        self.request("SET", struct.pack("<III", rate_q24, tau_q15, random) + _u32(steps))
        self.steps = self.steps if steps is None else steps

    def set_tail(self, tail: bytes) -> None:
        """These bytes (SPEC.md 1.5) as the weights in RAM."""
        if len(tail) != self.info.tail_len:
            raise SdfaError(f"{len(tail)} bytes of weights, the device has {self.info.tail_len}")
        self._put("WRITE", tail)

    # --- keeping ---

    def stored(self) -> Stored:
        """What is saved."""
        return Stored(*_STORED.unpack(self.request("STORED")))

    def save(self) -> None:
        """Into flash, safe against a power cut."""
        self.request("SAVE")

    def load(self) -> None:
        """The last saved weights; LinkError, and factory weights, when there are none."""
        try:
            self.request("LOAD")
        finally:
            self.steps = self._hello().steps

    def reset(self) -> None:
        """Factory weights in RAM; what is saved stays."""
        self.request("RESET")
        self.steps = 0

    def forget(self) -> None:
        """Factory weights, after a restart too."""
        self.request("FORGET")
        self.steps = 0

    def format(self) -> None:
        """Erase the store, whatever it holds."""
        self.request("FORMAT")


def _u32(value: int | None) -> bytes:
    return b"" if value is None else struct.pack("<I", value)


def _timed(number: str, data: bytes) -> tuple[int, int | None]:
    """A number, and microseconds where the device has a clock."""
    (value,) = struct.unpack_from(number, data)
    return value, int.from_bytes(data[4:8], "little") if len(data) == 8 else None
