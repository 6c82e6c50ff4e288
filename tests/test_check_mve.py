"""The vector extension's checks of tensors and channels refuse what the plain ones refuse, in every lane."""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np
import pytest

from sdfa.image.reader import sections_of
from sdfa.image.records import DENSE, HEADER, LAYER_FAST, TENSOR
from sdfa.targets import Request, Target, find_target
from sdfa.targets.codes import error_value, request_code
from tests.imagekit import Data, op_image, pack

CHANNELS, TENSORS = 21, 7
"""No multiples of what one instruction checks: 16 and 4."""
SHAPES = [(1, 1, 5), *[(1, 2, 3)] * (TENSORS - 2), (1, 1, CHANNELS)]
BOARD = "qemu:mps3-an547"


def dense(mult: Mapping[int, int] | None = None, shift: Mapping[int, int] | None = None) -> bytes:
    """One dense operation of 21 channels among seven tensors; mult, shift: of some channels."""
    mults, shifts = np.full(CHANNELS, 1 << 30, np.int64), np.full(CHANNELS, -20)
    mults[1::2], shifts[::3] = (1 << 31) - 1, -1  # both ends of what is allowed
    for i, value in (mult or {}).items():
        mults[i] = value
    for i, value in (shift or {}).items():
        shifts[i] = value
    data = Data()
    parts = {
        "weights": data.add(np.ones((CHANNELS, 5)), np.int8), "bias": data.add(np.zeros(CHANNELS), "<i4"),
        "mult": data.add(mults, "<u4"), "shift": data.add(shifts, np.int8),
    }  # fmt: skip
    return op_image(
        DENSE, data, SHAPES, [-128, 127, *[0] * (TENSORS - 2)], kind=1, in_n=5, out_n=CHANNELS, rows=1,
        flags=LAYER_FAST, act_min=-128, act_max=127, **parts,
    )  # fmt: skip


def tensor(i: int, **values: int) -> bytes:
    """The image with another tensor i."""
    data = dense()
    header, sections = np.frombuffer(data, HEADER, 1)[0], dict(sections_of(data))
    tensors = np.frombuffer(sections[b"TENS"], TENSOR).copy()
    for name, value in values.items():
        tensors[i][name] = value
    sections[b"TENS"] = tensors.tobytes()
    kept = ("arena_len", "op_n", "tensor_n", "input", "output", "kernels")
    return pack(sections, **{name: int(header[name]) for name in kept})


def arena_len() -> int:
    return int(np.frombuffer(dense(), HEADER, 1)[0]["arena_len"])


# tensors 1 to 5 are used by no operation: only these checks can refuse them
REFUSED_TENSORS = {
    "h is 0": (1, {"h": 0}),
    "w is 0": (2, {"w": 0}),
    "c is 0": (3, {"c": 0}),
    "off is odd": (4, {"off": 1}),
    "off is even": (5, {"off": 2}),
    "off behind the arena": (1, {"off": arena_len() + 4}),
    "off near 2^32": (2, {"off": 0xFFFFFFFC}),
    "ends behind the arena": (3, {"off": arena_len() - 4}),
    "2^32 + 4 bytes": (4, {"h": 20, "w": 5, "c": 42949673}),
    "2^32 bytes": (5, {"h": 256, "w": 256, "c": 65536}),
    "zero point 128": (1, {"zero_point": 128}),
    "zero point -129": (2, {"zero_point": -129}),
    "zero point -32768": (TENSORS - 1, {"zero_point": -32768}),
}
REFUSED_CHANNELS = {
    "mult below 2^30": ({0: (1 << 30) - 1}, None),
    "mult 0": ({15: 0}, None),
    "mult below 0": ({16: 1 << 31}, None),
    "mult -1": ({20: (1 << 32) - 1}, None),
    "shift 0": (None, {0: 0}),
    "shift -21": (None, {15: -21}),
    "shift 30": (None, {16: 30}),
    "shift -128": (None, {20: -128}),
}
ACCEPTED = {
    "as it is": dense(),
    "to the arena's end": tensor(3, off=arena_len() - 8),
    "a whole arena": tensor(4, off=0, h=1, w=1, c=arena_len()),
    "reserved": tensor(5, reserved=0xFFFF, zero_point=-1),
}


@functools.cache
def images() -> dict[str, tuple[str, bytes]]:
    """By name: what is to be said, "" for success, and the image."""
    found = {name: ("", data) for name, data in ACCEPTED.items()}
    found |= {name: ("TENSOR", tensor(i, **values)) for name, (i, values) in REFUSED_TENSORS.items()}
    return found | {name: ("OP", dense(*values)) for name, values in REFUSED_CHANNELS.items()}


def answers(target: Target) -> dict[str, int]:
    return {
        name: target.execute(data, [Request(request_code("OPEN"))])[0].status for name, (_, data) in images().items()
    }


WANTED = {name: error_value(error) if error else 0 for name, (error, _) in images().items()}


def test_the_host_refuses() -> None:
    assert answers(find_target("host")) == WANTED


@pytest.mark.qemu
def test_the_board_refuses_the_same() -> None:
    assert answers(find_target(BOARD)) == WANTED
