"""The link loses nothing and learns nothing twice: a sanitized device in C behind a line that damages bytes."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.errors import SdfaError
from sdfa.image.reader import read_image
from sdfa.image.records import STATE_LEN
from sdfa.link.client import REPLY, REQUEST, Link, LinkError
from sdfa.link.frame import Receiver, encode
from sdfa.link.remote import TAIL, Remote
from sdfa.targets.codes import error_value
from sdfa.twin.learn import Twin
from tests.linkkit import Line
from tests.samples import dense_image

IMAGE = dense_image()
Open = Callable[..., Line]


@pytest.fixture
def line(tmp_path: Path) -> Open:
    (tmp_path / "net.sdfa").write_bytes(IMAGE)
    return lambda damage=0.0, seed=0: Line(tmp_path / "net.sdfa", tmp_path / "flash.bin", damage, seed)


def _remote(line: Line, session: int = 1) -> Remote:
    return Remote(Link(line, number=session * 1000, attempts=200), session)


def _samples(n: int, input_len: int, class_n: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    return rng.integers(-128, 128, (n, input_len), np.int8), rng.integers(0, class_n, n)


def test_the_device_says_what_it_is(line: Open) -> None:
    image = read_image(IMAGE)
    with line() as wire:
        device = _remote(wire)
        assert device.info.model_id == image.model_id.hex()
        assert device.info.board == "test"
        assert device.info.features == {"learning", "store"}
        assert device.info.arena_len == int(image.header["arena_len"])
        assert device.info.state_len >= STATE_LEN  # which is that of a 32-bit core
        assert device.info.steps == 0
        assert device.image() == IMAGE
        assert device.tail() == image.tail


def test_ten_thousand_requests_over_a_bad_line_end_as_over_a_good_one(line: Open) -> None:
    twin = Twin(read_image(IMAGE))
    with line(0.01, seed=7) as wire:
        device = _remote(wire)
        x, labels = _samples(2500, device.info.input_len, device.info.class_n)
        expected, guesses = twin.run(x[:100]).output, []
        for i, (sample, label) in enumerate(zip(x, labels, strict=True)):
            output, guess = device.run(sample)  # three requests
            if i == 0:
                assert output.tobytes() == expected[0].tobytes()
            device.learn(int(label))
            guesses.append(guess)
        assert twin.learn_many(x, labels).tolist() == guesses
        assert device.tail() == twin.tail_bytes()
        state = device.state()
    assert vars(state.stats) == vars(twin.stats)
    assert state.random == twin.random
    assert device._link.repeats > 1000


def test_the_reply_to_a_repeated_request_comes_from_the_first(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        device.run(_samples(1, device.info.input_len, 2)[0][0])
        device.learn(1)
        device._link._number -= 1  # the same frame again
        device.steps = 0
        device.learn(1)
        assert device.state().stats.steps == 1


def test_nothing_is_learned_twice_across_a_restart(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        x, labels = _samples(6, device.info.input_len, device.info.class_n)
        for sample, label in zip(x[:3], labels[:3], strict=True):
            device.run(sample)
            device.learn(int(label))
        device.save()
        saved = device.tail()
        for sample, label in zip(x[3:], labels[3:], strict=True):
            device.run(sample)
            device.learn(int(label))
        wire.restart()
        with pytest.raises(SdfaError, match="has 3 steps behind it and this session 6: it was restarted"):
            device.learn(1)
        again = _remote(wire, 2)
        assert again.steps == 3
        assert again.tail() == saved
        with pytest.raises(SdfaError, match="has 3 steps behind it and this session 6"):
            device.learn(1)  # by the older session


def test_saving_loading_forgetting(line: Open) -> None:
    factory = read_image(IMAGE).tail
    with line() as wire:
        device = _remote(wire)
        with pytest.raises(LinkError, match="nothing has been saved: factory weights"):
            device.load()
        device.run(_samples(1, device.info.input_len, 2)[0][0])
        device.learn(1)
        learned = device.tail()
        device.save()
        device.reset()
        assert device.tail() == factory != learned
        assert (device.steps, device.state().stats.steps, device.stored().steps) == (0, 0, 1)
        device.run(_samples(1, device.info.input_len, 2)[0][0])
        device.learn(1)  # steps of the host and of the device agree
        device.load()
        assert device.tail() == learned
        assert (device.stored().sequence, device.stored().steps, device.steps) == (1, 1, 1)
        device.forget()
        assert device.tail() == factory
        assert (device.stored().sequence, device.stored().steps, device.steps) == (2, 0, 0)
        assert device.stored().foreign == 0
        wire.restart()
        device = _remote(wire, 2)
        assert device.tail() == factory
        device.format()
        with pytest.raises(LinkError, match="nothing has been saved"):
            device.load()


def test_settings_are_all_taken_or_none(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        device.set(12345 << 4, 77, 99)
        before = device.state()
        assert (before.rate_q24, before.tau_q15, before.random) == (12345 << 4, 77, 99)
        device.set(12345 << 4, 77, 99, steps=600)
        assert device.state().stats.steps == device.steps == 600
        device.set(12345 << 4, 77, 99, steps=0)
        for rate, tau, text in ((0, 5, "learning rate"), (99999, 40000, "threshold")):
            with pytest.raises(LinkError, match=text):
                device.set(rate, tau, 1)
        assert device.state() == before


@pytest.mark.parametrize(
    ("request_", "arguments", "error"),
    [
        ("HELLO", b"", "ARGUMENT"),
        ("HELLO", bytes(4), "ARGUMENT"),
        ("INPUT", struct.pack("<II", 1, 1 << 20) + b"x", "ARGUMENT"),
        ("INPUT", struct.pack("<II", 1, 0xFFFFFFFF) + b"xy", "ARGUMENT"),
        ("INPUT", struct.pack("<II", 2, 0) + b"x", "SESSION"),
        ("RUN", struct.pack("<I", 2), "SESSION"),
        ("READ", struct.pack("<II", 1, 9), "ARGUMENT"),
        ("READ", struct.pack("<II", 1, TAIL | len(IMAGE) << 8), "ARGUMENT"),
        ("READ", struct.pack("<II", 1, 0xFFFFFF00 | TAIL), "ARGUMENT"),
        ("WRITE", struct.pack("<II", 1, 1 << 20) + b"x", "ARGUMENT"),
        ("LEARN", struct.pack("<III", 1, 0, 1), "ORDER"),
        ("LEARN", struct.pack("<III", 2, 0, 1), "SESSION"),
        ("LEARN", struct.pack("<III", 1, 5, 1), "STEP"),
        ("LEARN_TARGET", struct.pack("<II2h", 1, 0, 1, 1), "ARGUMENT"),
        ("SAVE", struct.pack("<I", 2), "SESSION"),
        ("JUDGE", struct.pack("<I", 1), "REQUEST"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(
    line: Open, request_: str, arguments: bytes, error: str
) -> None:
    with line() as wire:
        device = _remote(wire)
        before = device.tail(), device.state()
        with pytest.raises(LinkError) as caught:
            device._link.request(request_, arguments)
        assert caught.value.status == error_value(error)
        assert (device.tail(), device.state()) == before


def test_an_unknown_request_is_refused(line: Open) -> None:
    for code in (0, 99, 200, 255):
        with line() as wire:
            wire.write(encode(struct.pack("<BBH", REQUEST, code, 7)))
            (body,) = Receiver().take(wire.read(0))
            assert body == struct.pack("<BBHh", REPLY, code, 7, error_value("REQUEST"))


def test_frames_that_are_no_requests_are_passed_over(line: Open) -> None:
    with line() as wire:
        for body in (b"x", struct.pack("<BBH", REPLY, 1, 7), struct.pack("<BBH", REPLY + 16, 1, 7), bytes([16, 1, 7])):
            wire.write(encode(body))
        assert wire.read(0) == b""


def test_a_request_of_another_version_is_told_the_devices(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        for first in (0, REQUEST + 16, 0xF0):
            wire.write(encode(struct.pack("<BBH", first, 5, 7) + b"what that version says"))
            (body,) = Receiver().take(wire.read(0))
            assert body == struct.pack("<BBHh", REPLY, 5, 7, error_value("LINK"))
        device.stats()  # the session goes on


def test_a_device_of_another_version_is_named_by_its_reply() -> None:
    class Other(_Silent):
        def read(self, timeout_s: float) -> bytes:
            return encode(struct.pack("<BBHh", REPLY + 16, 1, 2, error_value("LINK")))

    with pytest.raises(SdfaError, match=r"speaks version 2 of the link, this program version 1: flash firmware"):
        Remote(Link(Other(), number=1), 1)


def test_a_device_that_sends_something_else_is_told() -> None:
    class Noise(_Silent):
        left = 5

        def read(self, timeout_s: float) -> bytes:
            self.left -= 1
            return b"hello\0" if self.left >= 0 else b""

    with pytest.raises(SdfaError, match=r"it sends, but 5 frames came damaged: does the speed agree"):
        Remote(Link(Noise(), number=1), 1)


def test_a_device_without_a_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "net.sdfa").write_bytes(IMAGE)
    with Line(tmp_path / "net.sdfa", Path("none")) as wire:
        device = _remote(wire)
        assert "store" not in device.info.features
        for call in (device.save, device.load, device.forget, device.format, device.stored):
            with pytest.raises(LinkError, match="this device has no store"):
                call()


def test_four_fifths_of_the_wire_is_payload(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        before = wire.sent + wire.received
        n = len(device.image())
        assert n / (wire.sent + wire.received - before) >= 0.8


class _Silent:
    def write(self, data: bytes) -> None:
        assert data

    def read(self, timeout_s: float) -> bytes:
        return b""


def test_a_silent_device_is_an_error_that_says_what_to_look_at() -> None:
    with pytest.raises(SdfaError, match=r"does not answer .*is it flashed with the link"):
        _remote_silent()


def _remote_silent() -> Remote:
    return Remote(Link(_Silent(), number=1), 1)


@pytest.mark.parametrize(
    ("said", "message"),
    [
        (struct.pack("<HH", 9, 1) + bytes(60), r"speaks version 9 of the link and 1 of the image.*: flash it with"),
        (b"\x01", r"answer is too short: flash it with"),
    ],
)
def test_a_device_of_another_version_is_told(said: bytes, message: str) -> None:
    class Other(Link):
        def request(self, name: str, arguments: bytes = b"") -> bytes:
            return said

    with pytest.raises(SdfaError, match=message):
        Remote(Other(_Silent(), number=1), 1)
