"""Where each tensor lives in the arena, and when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ALIGN = 4
TRIES = 400
IN_PLACE = frozenset({"add", "mul", "table"})
"""Kinds whose output element i depends on the inputs' elements i alone: the output may take an input's place."""


def align(n: int, to: int = ALIGN) -> int:
    """n rounded up to a multiple of `to`."""
    return -(-n // to) * to


@dataclass(frozen=True)
class Block:
    """Bytes that are in use from step `first` to `last`, both included. Step i is operation i; the last is learning.

    over: names of blocks of the same length that die at step `first`, of which this one may take the exact place.
    """

    name: str
    len: int
    first: int
    last: int
    over: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """offsets: arena offset by block name. arena_len: bytes. minimum: no plan can do with less."""

    blocks: tuple[Block, ...]
    offsets: dict[str, int]
    arena_len: int
    minimum: int


@dataclass(frozen=True)
class Use:
    """One operation as the planner sees it. inputs, output: numbers of storages, each a piece of memory."""

    kind: str
    inputs: tuple[int, ...]
    output: int


def storage_blocks(
    uses: Sequence[Use], lengths: dict[int, int], begun: Iterable[int], kept: Iterable[int]
) -> list[Block]:
    """The blocks `tensor n` of all storages n. lengths: bytes. begun: in use from step 0; kept: until the end."""
    first: dict[int, int] = dict.fromkeys(begun, 0)
    last: dict[int, int] = {}
    for i, use in enumerate(uses):
        first.setdefault(use.output, i)
        last |= dict.fromkeys((*use.inputs, use.output), i)
    last |= dict.fromkeys(kept, len(uses))
    over = {use.output: _dying(use, i, lengths, last) for i, use in enumerate(uses) if first[use.output] == i}
    return [
        Block(f"tensor {s}", lengths[s], first[s], last.get(s, 0), tuple(f"tensor {t}" for t in over.get(s, ())))
        for s in first
    ]


def _dying(use: Use, i: int, lengths: dict[int, int], last: dict[int, int]) -> list[int]:
    """Inputs whose place the output may take: nobody needs them after operation i."""
    if use.kind not in IN_PLACE:
        return []
    fit = [s for s in use.inputs if last[s] == i and s != use.output and lengths[s] == lengths[use.output]]
    return sorted(set(fit))


def live(blocks: Iterable[Block], step: int) -> list[Block]:
    """The blocks that need memory of their own at a step: one that can take a dying one's place needs none yet."""
    return [b for b in blocks if b.first <= step <= b.last and not (b.over and step == b.first)]


def live_minimum(blocks: Iterable[Block]) -> int:
    """Largest sum of the (aligned) sizes that are in use at one step."""
    blocks = list(blocks)
    # a block counts from its second step on when it can take another's place
    steps = {b.first for b in blocks} | {b.first + 1 for b in blocks if b.over}
    return max((sum(align(b.len) for b in live(blocks, t)) for t in steps), default=0)


def _meet(a: Block, b: Block) -> bool:
    return a.first <= b.last and b.first <= a.last


def _first_fit(size: int, busy: Iterable[tuple[int, int]]) -> int:
    """The lowest offset with `size` free bytes; busy: (start, stop)."""
    at = 0
    for start, stop in sorted(busy):
        if at + size <= start:
            break
        at = max(at, stop)
    return at


def _place(order: Sequence[Block]) -> dict[str, int]:
    """Each block on a block whose place it may share, else at the lowest offset that is free during its life."""
    placed: list[tuple[Block, int]] = []
    for block in order:
        size = align(block.len)
        near = [(other, off) for other, off in placed if _meet(block, other)]
        busy = [(off, off + align(other.len)) for other, off in near]
        at = _first_fit(size, busy)
        for other, off in near:
            if other.name in block.over or block.name in other.over:
                rest = [span for (b, _), span in zip(near, busy, strict=True) if b is not other]
                if all(off + size <= start or stop <= off for start, stop in rest):
                    at = off
                    break
        placed.append((block, at))
    return {b.name: off for b, off in placed}


def _height(blocks: Sequence[Block], offsets: dict[str, int]) -> int:
    return max((offsets[b.name] + align(b.len) for b in blocks), default=0)


def missed(blocks: Sequence[Block], offsets: Mapping[str, int], minimum: int) -> str:
    """By how much a plan misses the minimum and which blocks found no lower place, for people; "" if it does not."""
    above = [b for b in blocks if offsets[b.name] + align(b.len) > minimum]
    if not above:
        return ""
    height = max(offsets[b.name] + align(b.len) for b in above)
    names = ", ".join(f"{b.name} ({b.len} bytes, operations {b.first} to {b.last})" for b in above)
    return f"the arena is {height - minimum} bytes above its minimum of {minimum}: no lower place for {names}"


def _other_order(order: list[Block], offsets: dict[str, int], rng: np.random.Generator) -> list[Block]:
    """Any order, or the same but for one of the blocks that stick out highest, which is placed earlier."""
    if rng.random() < 0.5:
        return [order[j] for j in rng.permutation(len(order))]
    height = _height(order, offsets)
    top = [b for b in order if offsets[b.name] + align(b.len) == height]
    block = top[int(rng.integers(len(top)))]
    rest = [b for b in order if b is not block]
    rest.insert(int(rng.integers(order.index(block) + 1)), block)
    return rest


def plan_memory(blocks: Sequence[Block], rng: np.random.Generator) -> Plan:
    """Offsets for all blocks: sensible orders, then changes of the best one until the minimum is met or TRIES spent."""
    minimum = live_minimum(blocks)
    orders = [
        sorted(blocks, key=lambda b: (-b.len, b.first)),
        sorted(blocks, key=lambda b: (b.first, -b.len)),
        sorted(blocks, key=lambda b: (-(b.last - b.first), -b.len)),
    ]
    best_order, best = orders[0], _place(orders[0])
    for i in range(1, TRIES):
        if _height(blocks, best) == minimum:
            break
        order = orders[i] if i < len(orders) else _other_order(best_order, best, rng)
        offsets = _place(order)
        if _height(blocks, offsets) <= _height(blocks, best):
            best_order, best = order, offsets
    return Plan(tuple(blocks), best, _height(blocks, best), minimum)
