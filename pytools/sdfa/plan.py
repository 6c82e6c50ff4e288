"""Where each tensor lives in the arena, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

ALIGN = 4
TRIES = 200


def align(n: int, to: int = ALIGN) -> int:
    """n rounded up to a multiple of `to`."""
    return -(-n // to) * to


@dataclass(frozen=True)
class Block:
    """Bytes that are in use from step `first` to `last`, both included. Step i is operation i; the last is learning."""

    name: str
    len: int
    first: int
    last: int


@dataclass(frozen=True)
class Plan:
    """offsets: arena offset by block name. arena_len: bytes. minimum: no plan can do with less."""

    blocks: tuple[Block, ...]
    offsets: dict[str, int]
    arena_len: int
    minimum: int


def live_minimum(blocks: Iterable[Block]) -> int:
    """Largest sum of the (aligned) sizes that are in use at one step."""
    blocks = list(blocks)
    steps = {b.first for b in blocks}
    return max((sum(align(b.len) for b in blocks if b.first <= t <= b.last) for t in steps), default=0)


def _place(order: Sequence[Block]) -> dict[str, int]:
    """First fit: each block at the lowest offset that is free during its life."""
    placed: list[tuple[Block, int]] = []
    for block in order:
        busy = sorted(
            (off, off + align(other.len))
            for other, off in placed
            if other.first <= block.last and block.first <= other.last
        )
        at = 0
        for start, stop in busy:
            if at + align(block.len) <= start:
                break
            at = max(at, stop)
        placed.append((block, at))
    return {b.name: off for b, off in placed}


def _height(blocks: Sequence[Block], offsets: dict[str, int]) -> int:
    return max((offsets[b.name] + align(b.len) for b in blocks), default=0)


def plan_memory(blocks: Sequence[Block], rng: np.random.Generator) -> Plan:
    """Offsets for all blocks: several sensible orders, then random ones until the minimum is met or TRIES are spent."""
    minimum = live_minimum(blocks)
    orders = [
        sorted(blocks, key=lambda b: (-b.len, b.first)),
        sorted(blocks, key=lambda b: (b.first, -b.len)),
        sorted(blocks, key=lambda b: (-(b.last - b.first), -b.len)),
    ]
    best: dict[str, int] = {}
    for i in range(TRIES):
        order = orders[i] if i < len(orders) else [blocks[j] for j in rng.permutation(len(blocks))]
        offsets = _place(order)
        if not best or _height(blocks, offsets) < _height(blocks, best):
            best = offsets
        if _height(blocks, best) == minimum:
            break
    return Plan(tuple(blocks), best, _height(blocks, best), minimum)
