"""The planner: blocks that live together lie apart, and the arena is as small as it says."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sdfa.plan import Block, Plan, align, live_minimum, plan_memory


@st.composite
def block_lists(draw: st.DrawFn) -> list[Block]:
    lives = draw(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 9), st.integers(0, 4)), max_size=14))
    return [Block(f"b{i}", length, first, first + more) for i, (length, first, more) in enumerate(lives)]


def _plan(blocks: list[Block], seed: int = 0) -> Plan:
    return plan_memory(blocks, np.random.default_rng(seed))


@given(block_lists())
def test_live_blocks_never_overlap(blocks: list[Block]) -> None:
    plan = _plan(blocks)
    for i, a in enumerate(blocks):
        assert plan.offsets[a.name] % 4 == 0
        assert 0 <= plan.offsets[a.name] <= plan.arena_len - a.len
        for b in blocks[:i]:
            together = a.first <= b.last and b.first <= a.last
            at, bt = plan.offsets[a.name], plan.offsets[b.name]
            assert not together or at + a.len <= bt or bt + b.len <= at


@given(block_lists())
def test_the_arena_is_between_the_minimum_and_everything(blocks: list[Block]) -> None:
    plan = _plan(blocks)
    assert plan.minimum == live_minimum(blocks)
    assert plan.minimum <= plan.arena_len <= sum(align(b.len) for b in blocks)
    ends = [plan.offsets[b.name] + align(b.len) for b in blocks]
    assert plan.arena_len == max(ends, default=0)


@given(block_lists())
def test_the_minimum_is_the_fullest_step(blocks: list[Block]) -> None:
    steps = range(20)
    fullest = max(sum(align(b.len) for b in blocks if b.first <= t <= b.last) for t in steps)
    assert live_minimum(blocks) == fullest


@given(block_lists(), st.integers(0, 5))
def test_a_plan_is_repeatable(blocks: list[Block], seed: int) -> None:
    assert _plan(blocks, seed) == _plan(blocks, seed)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_a_chain_of_layers_meets_the_minimum(sizes: list[int]) -> None:
    blocks = [Block(f"t{i}", n, i, i + 1) for i, n in enumerate(sizes)]
    plan = _plan(blocks)
    assert plan.arena_len == plan.minimum


def test_no_blocks_no_arena() -> None:
    assert (_plan([]).arena_len, _plan([]).offsets) == (0, {})
