"""Each core family's own code yields the same bytes as the integer twin, and touches nothing else."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
import pytest

from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import read_image
from sdfa.image.records import LAYER_ZEROS
from sdfa.targets import Host, Qemu, Target
from sdfa.targets.base import Reply, Request
from sdfa.targets.codes import request_code
from sdfa.targets.machines import MACHINES
from sdfa.tflite.load import load_tflite
from tests.oneop import random_oneop
from tests.opbatch import GUARD, wrong_members
from tests.rawlayers import random_layer_image

BOARDS = ("mps3-an547", "mps2-an386", "mps2-an385", "microbit")
PACKINGS = ("plain", "dsp")
RUN = request_code("RUN")
LAYERS, OPERATIONS = 400, 200
SMALL = 3000
"""Bytes of arena that a model for every board may take."""


@functools.cache
def layers() -> tuple[tuple[bytes, str], ...]:
    made = [random_layer_image(np.random.default_rng(40_000 + seed)) for seed in range(LAYERS)]
    return tuple((data, description) for data, description in made if _arena_len(data) <= SMALL)


def layers_with_zeros() -> tuple[tuple[bytes, str], ...]:
    return tuple((data, name) for data, name in layers() if _zeros(data))


def _zeros(data: bytes) -> bool:
    return any(kind == "dense" and int(op["flags"]) & LAYER_ZEROS for kind, op in read_image(data).ops)


@functools.cache
def operations() -> tuple[tuple[bytes, str], ...]:
    """All kinds, as the exporter writes them."""
    found = []
    for seed in range(50_000, 50_000 + OPERATIONS):
        model, description = random_oneop(np.random.default_rng(seed))
        data = export_graph(load_tflite(model, "net"), "net", Options(train_last=0)).data
        if _arena_len(data) <= SMALL:
            found.append((data, description))
    return tuple(found)


def _arena_len(data: bytes) -> int:
    return int.from_bytes(data[24:28], "little")


def _wrong(target: Target, models: tuple[tuple[bytes, str], ...], arena_max: int) -> list[str]:
    images = [data for data, _ in models]
    return [models[i][1] for i in wrong_members(target, images, np.random.default_rng(1), arena_max)]


def _room(board: str) -> int:
    machine = MACHINES[board]
    return min((machine.ram.length - machine.stack_len) * 3 // 4, 200_000)


@pytest.mark.qemu
@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("board", BOARDS)
def test_layers(board: str, packing: str) -> None:
    """Any core reads any packing."""
    assert len(layers()) > LAYERS * 3 // 4
    assert len(layers_with_zeros()) > LAYERS // 8
    machine = dataclasses.replace(MACHINES[board], packing=packing)
    assert _wrong(Qemu(machine), layers(), _room(board)) == []


@pytest.mark.qemu
@pytest.mark.parametrize("board", ["mps2-an505", "riscv32"])
def test_layers_with_many_zeros(board: str) -> None:
    """The other cores."""
    assert _wrong(Qemu(MACHINES[board]), layers_with_zeros(), _room(board)) == []


@pytest.mark.qemu
@pytest.mark.parametrize("board", BOARDS)
def test_operations(board: str) -> None:
    assert len(operations()) > OPERATIONS * 3 // 4
    assert _wrong(Qemu(MACHINES[board]), operations(), _room(board)) == []


def test_layers_on_the_sanitized_host() -> None:
    assert _wrong(Host(sanitize=True), layers(), 1 << 20) == []


@dataclasses.dataclass(frozen=True)
class _Meddler:
    """The host, but for one byte of memory after each run."""

    at: int
    name: str = "meddler"

    def execute(self, image: bytes, requests: Sequence[Request]) -> list[Reply]:
        replies = Host().execute(image, requests)
        return [
            self._changed(reply) if request.code == RUN else reply
            for reply, request in zip(replies, requests, strict=True)
        ]

    def _changed(self, reply: Reply) -> Reply:
        memory = bytearray(reply.payload)
        memory[self.at] ^= 1
        return Reply(reply.status, bytes(memory))


def test_a_wrong_byte_is_seen() -> None:
    """The comparison itself: the last byte of the first output, and the first and last byte of the guard behind it."""
    some = layers()[:8]
    image = read_image(some[0][0])
    end = _arena_len(some[0][0])
    output = image.tensors[1]
    last = int(output["off"]) + int(output["h"]) * int(output["w"]) * int(output["c"]) - 1
    for at in (last, end, end + GUARD - 1):
        assert _wrong(_Meddler(at), some, 1 << 20) == [some[0][1]]
    assert _wrong(Host(), some, 1 << 20) == []
