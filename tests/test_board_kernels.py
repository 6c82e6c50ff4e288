"""Each core family's own code yields the same bytes as the integer twin, and touches nothing else."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from sdfa.export import Options, export_graph
from sdfa.load import load_tflite
from sdfa.targets import Host, Qemu, Target
from sdfa.targets.machines import MACHINES
from tests.imagekit import resealed
from tests.opbatch import wrong_members
from tests.oneop import random_oneop
from tests.rawlayers import random_layer_image

BOARDS = ("mps3-an547", "mps2-an386", "mps2-an385", "microbit")
LAYERS, OPERATIONS = 400, 200
SMALL = 3000
"""Bytes of arena that a model for every board may take."""


@functools.cache
def layers() -> tuple[tuple[bytes, str], ...]:
    made = [random_layer_image(np.random.default_rng(40_000 + seed)) for seed in range(LAYERS)]
    return tuple((data, description) for data, description in made if _arena_len(data) <= SMALL)


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
@pytest.mark.parametrize("board", BOARDS)
def test_layers(board: str) -> None:
    assert len(layers()) > LAYERS * 3 // 4
    assert _wrong(Qemu(MACHINES[board]), layers(), _room(board)) == []


@pytest.mark.qemu
@pytest.mark.parametrize("board", BOARDS)
def test_operations(board: str) -> None:
    assert len(operations()) > OPERATIONS * 3 // 4
    assert _wrong(Qemu(MACHINES[board]), operations(), _room(board)) == []


def test_layers_on_the_sanitized_host() -> None:
    assert _wrong(Host(sanitize=True), layers(), 1 << 20) == []
