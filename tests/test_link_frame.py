"""Frames of the link: C and Python agree, damage is noticed, and any stream is survived."""

from __future__ import annotations

import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdfa.link.frame import BODY_MAX, WIRE_MAX, Receiver, decode, encode
from tests.cprogram import sanitized

bodies = st.binary(min_size=1, max_size=BODY_MAX)


def _c(case: str, data: bytes) -> list[str]:
    program = sanitized("frame", "frame.c")
    done = subprocess.run([program, case], input=data, capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return done.stdout.decode().splitlines()


def _some_bodies(rng: random.Random) -> list[bytes]:
    """Every length, with many zeros in some."""
    lengths = [*range(1, BODY_MAX + 1)] * 2
    return [bytes(rng.choice((0, 0, 1, 255, rng.randrange(256))) for _ in range(n)) for n in lengths]


@given(bodies)
def test_a_frame_gives_its_body_back(body: bytes) -> None:
    wire = encode(body)
    assert len(wire) <= len(body) + 6 <= WIRE_MAX
    assert wire.index(0) == len(wire) - 1
    assert decode(wire[:-1]) == body
    assert Receiver().take(wire) == [body]


@given(bodies, st.integers(0), st.integers(1, 255))
def test_a_changed_byte_is_noticed(body: bytes, at: int, flip: int) -> None:
    wire = bytearray(encode(body))
    wire[at % len(wire)] ^= flip
    assert Receiver().take(bytes(wire) + b"\0") == []


def test_c_and_python_code_alike() -> None:
    found = _some_bodies(random.Random(1))
    lines = _c("encode", b"".join(body.hex().encode() + b"\n" for body in found))
    assert lines == [encode(body).hex() for body in found]


def test_a_body_of_the_wrong_length_is_refused() -> None:
    assert _c("encode", b"\n" + b"00" * (BODY_MAX + 1) + b"\n") == ["", ""]
    for n in (0, BODY_MAX + 1):
        with pytest.raises(ValueError, match="1 to 144"):
            encode(bytes(n))


def test_c_and_python_find_the_same_frames_in_a_damaged_stream() -> None:
    rng = random.Random(2)
    stream = bytearray()
    for body in _some_bodies(rng):
        wire = bytearray(encode(body))
        for _ in range(rng.choice((0, 0, 1, 3))):
            at = rng.randrange(len(wire))
            wire[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
        stream += wire
    stream += rng.randbytes(1000) + bytes(3) + b"\x01" * 2000 + b"\0"
    receiver = Receiver()
    python = [body.hex() for i in range(0, len(stream), 7) for body in receiver.take(bytes(stream[i : i + 7]))]
    assert 100 < len(python) < 288
    assert _c("decode", bytes(stream)) == [*python, f"damage {receiver.damage}"]


def test_the_codec_survives_a_fuzzer(tmp_path: Path) -> None:
    program = sanitized("fuzz-frame", "fuzz_frame.c", sanitize="fuzzer,address,undefined")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i, body in enumerate((b"\0", b"abc", bytes(range(BODY_MAX)))):
        (corpus / str(i)).write_bytes(encode(body))
    options = ("-seed=1", "-runs=100000", "-max_len=400", "-verbosity=0")
    done = subprocess.run([program, *options, corpus], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
