"""A real board, or an emulated one, behind the device link: serial:URL."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdfa.data import Samples
from sdfa.device.device import Stats
from sdfa.device.requests import NO_CLASS
from sdfa.errors import SdfaError
from sdfa.image.reader import Image, read_image
from sdfa.link.client import LinkError
from sdfa.link.gate import hold_out
from sdfa.link.remote import OUTPUT, Remote
from sdfa.link.stream import connected
from sdfa.link.work import bench
from sdfa.targets.base import Reply, Request
from sdfa.targets.codes import error_value, request_name
from sdfa.tflite.graph import Int8Array

_LEAVE = 0xFFFFFFFF
_STATS = ("steps", "correct", "loss", "weights_nonzero", "weights_updated", "moved", "saturated_weights",
          "saturated_activations", "saturated_logits")  # fmt: skip
_OPTIONS = {"CARE": "--replay, --guard, --decay, --balance or --freeze", "ADD_CLASS": "--add-class"}
_WIDE = ("loss", "weights_nonzero", "weights_updated", "moved")


@dataclass(frozen=True)
class Serial:
    """url: of the port. timeout_s: after so long a silence a request is repeated. Each execute is one session.

    A device has no second machine beside the one that runs: while it works on the requests, the weights of the image
    that is given take the place of what it has learned. Then that is put back, with its number of steps.
    """

    url: str
    timeout_s: float = 1.0

    @property
    def name(self) -> str:
        return f"serial:{self.url}"

    def execute(self, image: bytes, requests: Sequence[Request]) -> list[Reply]:
        parsed = read_image(image)
        with connected(self.url, timeout_s=self.timeout_s) as remote:
            check_model(remote, parsed)
            with kept_learning(remote):
                return _Batch(remote, parsed).answer(requests)

    def bench(self, image: Image, samples: Samples | None, n: int | None) -> dict[str, Any]:
        """The JSON of `pytools bench`: microseconds by the device's clock. Begins with the image's weights."""
        with connected(self.url, timeout_s=self.timeout_s) as remote:
            check_model(remote, image)
            with kept_learning(remote):
                begin_fresh(remote, image)
                return {"target": self.name} | bench(remote, image, samples, n)


def check_model(remote: Remote, image: Image) -> None:
    """SdfaError unless the device runs this model."""
    if remote.info.model_id != image.model_id.hex():
        raise SdfaError(
            f"the device runs the model {remote.info.model_id}, the image is {image.model_id.hex()}: flash its "
            "firmware, or push the image with `pytools device push`"
        )


@contextlib.contextmanager
def kept_learning(remote: Remote) -> Iterator[None]:
    """Afterwards the device has the weights, steps, settings and generator again that it had."""
    if "learning" not in remote.info.features:
        yield
        return
    state, tail = remote.state(), remote.tail()

    def put_back() -> None:
        remote.set_tail(tail)
        remote.set(state.rate_q24, state.tau_q15, state.random, state.stats.steps)

    try:
        yield
    except SdfaError:
        with contextlib.suppress(SdfaError):  # the reason of the first failure is what counts
            put_back()
        raise
    put_back()


def begin_fresh(remote: Remote, image: Image) -> None:
    """Weights and settings in RAM as they are when the image is opened."""
    learning, learned = image.learning, image.learned
    if learning is None or "learning" not in remote.info.features:
        return
    remote.reset()
    if image.learned_tail is not None:
        remote.set_tail(image.learned_tail)
    source = learning if learned is None else learned
    remote.set(int(source["rate_q24"]), int(source["tau_q15"]), int(source["seed" if learned is None else "random"]))


@dataclass(eq=False)
class _Batch:
    """One image's requests (firmware/app/app.h), carried out over the link."""

    remote: Remote
    image: Image
    start: Stats | None = None

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        return [self._reply(request) for request in requests]

    def _reply(self, request: Request) -> Reply:
        name = request_name(request.code)
        handler = _HANDLERS.get(name)
        if handler is None:
            raise SdfaError(
                f"{_OPTIONS.get(name, name)} goes not over the link: a device looks after its learning by its own "
                "program; leave that away, or take another target"
            )
        try:
            return Reply(0, handler(self, request.payload))
        except LinkError as error:
            return Reply(error.status, b"")

    def _samples(self, payload: bytes, more: int = 0) -> Iterator[tuple[Int8Array, bytes]]:
        """Each input, and the `more` bytes behind it."""
        length = self.remote.info.input_len
        if len(payload) % (length + more):
            raise SdfaError(f"{len(payload)} bytes are no whole number of samples of {length} values")
        for at in range(0, len(payload), length + more):
            yield np.frombuffer(payload, np.int8, length, at), payload[at + length : at + length + more]

    def open(self, payload: bytes) -> bytes:
        info = self.remote.info
        begin_fresh(self.remote, self.image)
        self.start = self.remote.stats()
        lengths = (info.arena_len, info.tail_len, info.state_len, info.input_len, info.output_len, info.class_n)
        return struct.pack("<6I", *lengths)

    def run(self, payload: bytes) -> bytes:
        out = []
        for x, _ in self._samples(payload):
            self.remote.classify(x)
            out.append(self.remote.read(OUTPUT, self.remote.info.output_len))
        return b"".join(out)

    def classify(self, payload: bytes) -> bytes:
        if not self.remote.info.class_n:
            raise LinkError("CLASSIFY", error_value("FROZEN"), b"")
        return b"".join(struct.pack("<H", self.remote.classify(x)) for x, _ in self._samples(payload))

    def learn(self, payload: bytes) -> bytes:
        out = []
        for x, label in self._samples(payload, 2):
            guess = self.remote.classify(x)
            try:
                self.remote.learn(int.from_bytes(label, "little"))
            except LinkError as error:
                if not error.is_error("LABEL"):
                    raise
                guess = NO_CLASS
            out.append(struct.pack("<H", guess))
        return b"".join(out)

    def learn_target(self, payload: bytes) -> bytes:
        for x, target in self._samples(payload, 2 * self.remote.info.class_n):
            self.remote.classify(x)
            self.remote.learn_target(np.frombuffer(target, "<i2"))
        return b""

    def set(self, payload: bytes) -> bytes:
        wanted = struct.unpack("<3I", payload)
        now = self.remote.state()
        present = (now.rate_q24, now.tau_q15, now.random)
        self.remote.set(*(p if w == _LEAVE else w for w, p in zip(wanted, present, strict=True)))
        return b""

    def state(self, payload: bytes) -> bytes:
        """Counters since OPEN: a device goes on counting."""
        state = self.remote.state()
        assert self.start is not None
        values = []
        for name in _STATS:
            bits = 64 if name in _WIDE else 32
            values.append((getattr(state.stats, name) - getattr(self.start, name)) % (1 << bits))
        return struct.pack("<2I4Q6I", *values, state.random, state.rate_q24, state.tau_q15)

    def tail(self, payload: bytes) -> bytes:
        if not self.remote.info.tail_len:
            raise LinkError("TAIL", error_value("FROZEN"), b"")
        return self.remote.tail()

    def reset(self, payload: bytes) -> bytes:
        self.remote.reset()
        return b""

    def memory(self, payload: bytes) -> bytes:
        return bytes(8)  # the device does not know

    def hold_out(self, payload: bytes) -> bytes:
        kept = hold_out(self.remote, ((x, int.from_bytes(y, "little")) for x, y in self._samples(payload, 2)))
        return b"".join(struct.pack("<H", 1 if k else NO_CLASS) for k in kept)

    def judge(self, payload: bytes) -> bytes:
        return self.remote.request("JUDGE")


_HANDLERS: dict[str, Callable[[_Batch, bytes], bytes]] = {
    "OPEN": _Batch.open, "RUN": _Batch.run, "CLASSIFY": _Batch.classify, "LEARN": _Batch.learn,
    "LEARN_TARGET": _Batch.learn_target, "SET": _Batch.set, "STATE": _Batch.state, "TAIL": _Batch.tail,
    "RESET": _Batch.reset, "MEMORY": _Batch.memory, "HOLD_OUT": _Batch.hold_out, "JUDGE": _Batch.judge,
}  # fmt: skip
