"""What a device may offer beside: self-test, gate, pushed images, trace; with a sanitized device in C."""

from __future__ import annotations

import os
import random
import re
import struct
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.device.care import VERDICTS
from sdfa.errors import SdfaError
from sdfa.image.reader import read_image
from sdfa.link.client import Link, LinkError
from sdfa.link.gate import hold_out, judge, roll_back
from sdfa.link.push import drop, pull, push, slots
from sdfa.link.remote import Remote
from sdfa.link.trace import Trace, pull_trace, read_trace, replay, start_trace, trace_bytes
from sdfa.targets.codes import link_requests
from sdfa.twin.gate import Gate
from sdfa.twin.learn import Twin
from tests.cprogram import sanitized
from tests.linkkit import Line
from tests.samples import bare, dense_image, learned

IMAGE, OTHER = dense_image(), dense_image("bp", seed=1)
Open = Callable[..., Line]


@pytest.fixture
def line(tmp_path: Path) -> Open:
    (tmp_path / "net.sdfa").write_bytes(IMAGE)

    def start(trace_len: int = 4000, damage: float = 0.0, seed: int = 0) -> Line:
        return Line(tmp_path / "net.sdfa", tmp_path / "flash.bin", damage, seed, trace_len)

    return start


def _remote(line: Line, session: int = 1) -> Remote:
    return Remote(Link(line, number=session * 1000, attempts=200), session)


def _samples(n: int) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(3)
    return rng.integers(-128, 128, (n, 12), np.int8), rng.integers(0, 4, n)


def _teach(device: Remote, x: npt.NDArray[np.int8], y: npt.NDArray[np.int64]) -> None:
    for sample, label in zip(x, y, strict=True):
        device.classify(sample)
        device.learn(int(label))


# --- clock, self-test ---


def test_the_device_says_what_it_offers_and_how_long_it_takes(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        assert device.info.features == {"learning", "store", "selftest", "gate", "trace", "slots", "clock"}
        _teach(device, *_samples(1))
        assert (device.run_us, device.learn_us, device.selftest()) == (5, 5, 5)


def test_the_self_test_leaves_what_was_learned(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        _teach(device, *_samples(5))
        before = device.tail(), device.state()
        device.classify(_samples(1)[0][0])
        device.selftest()
        assert (device.tail(), device.state()) == before
        with pytest.raises(LinkError, match="learn needs a run before it"):
            device.learn(1)
        _teach(device, *_samples(1))


# --- gate ---


def test_the_gate_judges_as_the_twin(line: Open) -> None:
    twin = Twin(read_image(IMAGE))
    gate, (x, y) = Gate(twin), _samples(200)
    with line(damage=0.01, seed=4) as wire:
        device = _remote(wire)
        assert hold_out(device, [*zip(x[:9], map(int, y[:9]), strict=True), (x[9], 99)]) == [True] * 9 + [False]
        for features, label in zip(twin.features(x[:9]), y[:9], strict=True):
            gate.put(features, int(label))
        gate.mark()
        for part in range(10, 200, 19):
            _teach(device, x[part : part + 19], y[part : part + 19])
            twin.learn_many(x[part : part + 19], y[part : part + 19])
            found = judge(device)
            assert found.verdict == VERDICTS[gate.judge()]
            assert (found.n, found.right, found.loss) == (9, gate.judged.correct, gate.judged.loss / 4096)
            assert device.tail() == twin.tail_bytes()


def test_the_way_back_is_the_mark_and_else_what_was_saved(line: Open) -> None:
    x, y = _samples(30)
    with line() as wire:
        device = _remote(wire)
        with pytest.raises(SdfaError, match="holds no samples out yet"):
            judge(device)
        _teach(device, x[:5], y[:5])
        device.save()
        saved = device.tail()
        _teach(device, x[5:9], y[5:9])
        assert roll_back(device) == "saved"
        assert (device.tail(), device.steps) == (saved, 5)
        _teach(device, x[5:9], y[5:9])
        marked = device.tail()
        hold_out(device, zip(x[:3], map(int, y[:3]), strict=True))
        _teach(device, x[9:], y[9:])
        assert roll_back(device) == "mark"
        assert device.tail() == marked
        with pytest.raises(SdfaError, match="has room for 73 held-out samples"):
            hold_out(device, [(x[0], 1)] * 74)


# --- push, pull ---


def test_a_pushed_image_runs_and_learns(line: Open) -> None:
    told: list[int] = []
    with line(damage=0.01, seed=5) as wire:
        device = _remote(wire)
        _teach(device, *_samples(3))
        assert replace(slots(device), room=0).running == 0
        push(device, OTHER, told.append)
        assert told[-1] == len(OTHER)
        assert device.info.model_id == read_image(OTHER).model_id.hex()
        assert (slots(device).running, slots(device).len) == (1, (len(OTHER), 0))
        twin, (x, y) = Twin(read_image(OTHER)), _samples(50)
        _teach(device, x, y)
        twin.learn_many(x, y)
        assert device.tail() == twin.tail_bytes()
        back = read_image(pull(device))
        assert back.learned_tail == twin.tail_bytes()
        assert back.learned is not None
        assert int(back.learned["steps"]) == 50
        assert pull(device, OTHER) == pull(device)
        push(device, learned(IMAGE))
        assert (device.tail(), slots(device).running) == (read_image(learned(IMAGE)).learned_tail, 2)


def test_a_pushed_image_can_be_dropped(line: Open) -> None:
    own = read_image(IMAGE).model_id.hex()
    with line(damage=0.01, seed=6) as wire:
        device = _remote(wire)
        drop(device)  # nothing was pushed: nothing is written
        assert slots(device).sequence == (0, 0)
        push(device, OTHER)
        assert device.info.model_id != own
        _teach(device, *_samples(3))
        drop(device)
        assert (device.info.model_id, device.steps) == (own, 0)
        assert (slots(device).running, slots(device).sequence) == (0, (1, 2))
        assert slots(device).len == (len(OTHER), 0)
        _teach(device, *_samples(3))
        push(device, OTHER)
        assert (device.info.model_id != own, slots(device).sequence) == (True, (3, 2))


def test_what_is_not_to_be_run_is_refused_and_the_old_image_learns_on(line: Open) -> None:
    with line() as wire:
        device = _remote(wire)
        _teach(device, *_samples(3))
        before = device.tail()
        with pytest.raises(SdfaError, match=r"the image has 40000 bytes, a slot of this device 16352"):
            push(device, OTHER.ljust(40000, b"\0"))
        wrong = bytearray(OTHER)
        at = OTHER.index(b"GOLD")
        wrong[int.from_bytes(OTHER[at + 4 : at + 8], "little") + 5] ^= 1
        wrong[4:8] = zlib.crc32(bytes(wrong[8:])).to_bytes(4, "little")
        with pytest.raises(SdfaError, match="the old one runs on: self-test failed"):
            push(device, bytes(wrong))
        with pytest.raises(LinkError, match="out of turn"):
            device.request("PUSH_DATA", struct.pack("<H", 0) + b"x")
        assert device.tail() == before
        assert device.info.model_id == read_image(IMAGE).model_id.hex()
        _teach(device, *_samples(3))


def test_four_fifths_of_the_wire_are_payload(line: Open) -> None:
    """Of an image of the size of the digits', and with what was learned."""
    image = dense_image(sizes=(12, 60, 40, 4), seed=2)
    assert 6_000 < len(image) < 9_000
    with line() as wire:
        device = _remote(wire)
        before = wire.sent + wire.received
        push(device, image)
        assert len(image) / (wire.sent + wire.received - before) >= 0.8
        before = wire.sent + wire.received
        assert pull(device)
        assert (len(image) + device.info.tail_len) / (wire.sent + wire.received - before) >= 0.8


# --- trace ---


def _check_replay(device: Remote, first: int, steps: int, image: bytes = IMAGE, lost: int = 0) -> Trace:
    trace = read_trace(trace_bytes(pull_trace(device)), "trace.npz")
    assert (trace.first, len(trace.labels), trace.lost) == (first, steps, lost)
    result = replay(trace, read_image(image))
    assert result["mismatching_bytes"] == (None if lost else 0)
    return trace


def test_a_trace_gives_the_weights_again(line: Open) -> None:
    x, y = _samples(60)
    with line(damage=0.01, seed=6) as wire:
        device = _remote(wire)
        _check_replay(device, 0, 0)
        device.set(50_000, 300, 12)
        _teach(device, x[:20], y[:20])
        trace = _check_replay(device, 0, 20)
        assert trace.labels.tolist() == y[:20].tolist()
        state = device.state()
        device.set(20_000, 100, 77)  # settings may change in between
        _teach(device, x[20:30], y[20:30])
        device.set(state.rate_q24, 100, 78)
        _teach(device, x[30:], y[30:])
        trace = _check_replay(device, 0, 60)
        assert trace.settings[:, 0].tolist() == [0, 20, 30]
        assert trace.settings[:, 3].tolist() == [12, 77, 78]


def test_a_trace_begins_anew_where_the_weights_were_changed(line: Open) -> None:
    x, y = _samples(60)
    with line() as wire:
        device = _remote(wire)
        _teach(device, x[:20], y[:20])
        device.save()
        _teach(device, x[20:30], y[20:30])
        device.load()
        _teach(device, x[30:40], y[30:40])
        trace = pull_trace(device)
        assert (trace.first, len(trace.labels)) == (20, 10)
        with pytest.raises(SdfaError, match="begins with weights after 20 steps that are not in this image"):
            replay(trace, read_image(IMAGE))
        device.reset()
        _teach(device, x[40:], y[40:])
        _check_replay(device, 0, 20)
        parent = pull(device)
        start_trace(device)
        _teach(device, x, y)
        _check_replay(device, 20, 60, parent)
        with pytest.raises(SdfaError, match="the trace is of the model"):
            replay(pull_trace(device), read_image(OTHER))


def test_a_full_trace_keeps_its_first_steps(line: Open) -> None:
    x, y = _samples(60)
    with line(trace_len=300) as wire:  # 21 steps of 14 bytes
        device = _remote(wire)
        _teach(device, x[:21], y[:21])
        _check_replay(device, 0, 21)
        _teach(device, x[21:], y[21:])
        _check_replay(device, 0, 21, lost=39)


def test_a_full_trace_with_a_copy_goes_on_with_the_last_steps(line: Open) -> None:
    x, y = _samples(60)
    with line(trace_len=0) as wire:
        device = _remote(wire)
        _teach(device, x, y)
        trace = _check_replay(device, 42, 18)
        assert trace.start
        assert trace.start != read_image(IMAGE).tail


def test_what_is_no_trace_is_refused() -> None:
    for data in (b"", b"PK\x03\x04", trace_bytes(_empty())[:-40]):
        with pytest.raises(SdfaError, match="is no trace: pull one"):
            read_trace(data, "x.npz")


def _empty() -> Trace:
    return Trace("0" * 16, 0, 0, 0, 0, np.zeros((1, 4), np.uint32), np.zeros(0, np.uint16),
                 np.zeros((0, 12), np.int8), b"", b"")  # fmt: skip


# --- anything ---


def test_any_request_is_answered_and_the_device_lives(line: Open) -> None:
    """Random arguments for each request, right session or not; then the device still does its work."""
    rng = random.Random(9)
    with line() as wire:
        device = _remote(wire)
        for _ in range(3000):
            name = rng.choice([name for name in link_requests() if name != "HELLO"])
            arguments = rng.randbytes(rng.choice((0, 1, 4, 5, 8, 9, 12, rng.randrange(132))))
            if rng.random() < 0.5 and len(arguments) > 3:
                arguments = struct.pack("<I", rng.choice((0, 1, 2, 0xFFFFFFFF))) + arguments[4:]
            _try(device, name, arguments)
        again = _remote(wire, 7)
        push(again, IMAGE)
        again.selftest()
        twin, (x, y) = Twin(read_image(IMAGE)), _samples(20)
        again.reset()
        again.set(twin.rate_q24, twin.tau_q15, twin.random)
        _teach(again, x, y)
        twin.learn_many(x, y)
        assert again.tail() == twin.tail_bytes()


def _try(device: Remote, name: str, arguments: bytes) -> Any:
    try:
        return device.request(name, arguments)
    except SdfaError as error:
        return error


def test_no_request_makes_the_device_stumble(tmp_path: Path) -> None:
    """libFuzzer, with every block of memory exactly as long as the device says."""
    program = sanitized(
        "fuzz-link", "fuzz_link.c", "flash_sim.c", "api_net.c", sanitize="fuzzer,address,undefined"
    )  # fmt: skip
    (tmp_path / "net.sdfa").write_bytes(bare(IMAGE))
    done = subprocess.run(
        [program, "-seed=1", "-runs=20000", "-max_len=600", "-verbosity=0"], capture_output=True, text=True,
        timeout=300, check=False, env=os.environ | {"SDFA_FUZZ_IMAGE": str(tmp_path / "net.sdfa")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    found = re.search(r"^requests (\d+) done (\d+)$", done.stderr, re.MULTILINE)
    assert found
    assert int(found[1]) > 20_000
    assert int(found[2]) > 10_000
