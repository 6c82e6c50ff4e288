"""The planner: blocks that live together lie apart unless in place, and the arena is as small as it says."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdfa.device.device import Device
from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import Image, read_image
from sdfa.image.writer import build_image, memory_blocks
from sdfa.lower import QGraph, lower
from sdfa.lower.plan import Block, Plan, Use, align, live_minimum, missed, plan_memory, storage_blocks
from sdfa.targets import Host
from sdfa.tflite.load import load_tflite
from sdfa.twin import infer
from tests.oneop import oracle_run
from tests.oneop_draft import Draft
from tests.tflite_format import TensorDef


@st.composite
def block_lists(draw: st.DrawFn) -> list[Block]:
    lives = draw(st.lists(st.tuples(st.integers(1, 300), st.integers(0, 9), st.integers(0, 4)), max_size=14))
    return [Block(f"b{i}", length, first, first + more) for i, (length, first, more) in enumerate(lives)]


@st.composite
def programs(draw: st.DrawFn) -> tuple[list[Use], dict[int, int], list[int]]:
    """(operations, lengths by storage, storages kept to the end): storage 0 is the input, operation i makes i + 1."""
    n = draw(st.integers(1, 12))
    lengths, uses = {0: draw(st.integers(1, 300))}, []
    for i in range(n):
        kind = draw(st.sampled_from(["conv", "add", "mul", "table"]))
        count = 2 if kind in ("add", "mul") else 1
        near = st.integers(max(0, i - 3), i)
        inputs = tuple(draw(near) for _ in range(count))
        lengths[i + 1] = draw(st.integers(1, 300)) if kind == "conv" else lengths[inputs[0]]
        uses.append(Use(kind, inputs, i + 1))
    kept = draw(st.lists(st.integers(0, n), max_size=2))
    return uses, lengths, [n, *kept]


def _plan(blocks: list[Block], seed: int = 0) -> Plan:
    return plan_memory(blocks, np.random.default_rng(seed))


def check_apart(plan: Plan) -> None:
    """Blocks that live together share no byte, but exactly the same ones where one of them may stand on the other."""
    for i, a in enumerate(plan.blocks):
        assert plan.offsets[a.name] % 4 == 0
        assert 0 <= plan.offsets[a.name] <= plan.arena_len - a.len
        for b in plan.blocks[:i]:
            together = a.first <= b.last and b.first <= a.last
            at, bt = plan.offsets[a.name], plan.offsets[b.name]
            in_place = (a.name in b.over or b.name in a.over) and at == bt and a.len == b.len
            assert not together or in_place or at + a.len <= bt or bt + b.len <= at


@given(block_lists())
def test_live_blocks_never_overlap(blocks: list[Block]) -> None:
    check_apart(_plan(blocks))


@given(programs())
def test_only_declared_overlays_overlap(program: tuple[list[Use], dict[int, int], list[int]]) -> None:
    uses, lengths, kept = program
    blocks = storage_blocks(uses, lengths, [0], kept)
    plan = _plan(blocks)
    check_apart(plan)
    by_name = {b.name: b for b in blocks}
    for b in blocks:
        for name in b.over:
            dying = by_name[name]
            use = uses[b.first]
            assert use.kind in ("add", "mul", "table")
            assert f"tensor {use.output}" == b.name
            assert (dying.last, dying.len) == (b.first, b.len)
            assert int(name.split()[1]) in use.inputs
    # what an interpreter with no planner would find: whoever is read later is still there
    readers = {s: [i for i, use in enumerate(uses) if s in use.inputs] for s in lengths}
    for s, block in ((int(b.name.split()[1]), b) for b in blocks):
        assert block.last >= max([*readers[s], block.first, *([len(uses)] if s in kept else [])])


@given(programs())
def test_a_program_simulated_in_its_plan_keeps_every_value(
    program: tuple[list[Use], dict[int, int], list[int]],
) -> None:
    """Every operation writes its own mark into each byte; whoever reads finds the mark of the one that made it."""
    uses, lengths, kept = program
    plan = _plan(storage_blocks(uses, lengths, [0], kept))
    arena = np.full(plan.arena_len, -1)

    def span(s: int) -> slice:
        return slice(plan.offsets[f"tensor {s}"], plan.offsets[f"tensor {s}"] + lengths[s])

    arena[span(0)] = 0
    for use in uses:
        elementwise = use.kind != "conv"
        for e in range(lengths[use.output]) if elementwise else ():  # upwards, as the kernels do
            assert all(arena[span(s)][e] == s for s in use.inputs if e < lengths[s])
            arena[span(use.output).start + e] = use.output
        if not elementwise:
            arena[span(use.output)] = use.output
            assert all((arena[span(s)] == s).all() for s in use.inputs)  # a convolution may read to its very end
    assert all((arena[span(s)] == s).all() for s in kept)


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


@given(programs())
def test_in_place_never_needs_more(program: tuple[list[Use], dict[int, int], list[int]]) -> None:
    uses, lengths, kept = program
    blocks = storage_blocks(uses, lengths, [0], kept)
    apart = [Block(b.name, b.len, b.first, b.last) for b in blocks]
    assert live_minimum(blocks) <= live_minimum(apart)


@settings(max_examples=50)
@given(block_lists(), st.integers(0, 5))
def test_a_plan_is_repeatable(blocks: list[Block], seed: int) -> None:
    assert _plan(blocks, seed) == _plan(blocks, seed)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=20))
def test_a_chain_of_layers_meets_the_minimum(sizes: list[int]) -> None:
    blocks = [Block(f"t{i}", n, i, i + 1) for i, n in enumerate(sizes)]
    plan = _plan(blocks)
    assert plan.arena_len == plan.minimum


@given(st.lists(st.sampled_from(["table", "add", "mul"]), min_size=1, max_size=15), st.integers(1, 500))
def test_a_chain_of_pointwise_operations_needs_one_block(kinds: list[str], n: int) -> None:
    uses = [Use(kind, (i, i) if kind != "table" else (i,), i + 1) for i, kind in enumerate(kinds)]
    plan = _plan(storage_blocks(uses, dict.fromkeys(range(len(kinds) + 1), n), [0], [len(kinds)]))
    assert plan.arena_len == plan.minimum == align(n)


def random_network(rng: np.random.Generator, n: int) -> list[Block]:
    """n operations, half of them convolutions, that read what is up to five operations old."""
    lengths, uses = {0: int(rng.integers(1, 300))}, []
    for i in range(n):
        kind = str(rng.choice(["conv", "conv", "add", "table"]))
        back = rng.choice([0, 0, 0, 1, 2, 4], 2 if kind == "add" else 1)
        inputs = tuple(int(max(0, i - d)) for d in back)
        lengths[i + 1] = int(rng.integers(1, 300)) if kind == "conv" else lengths[inputs[0]]
        uses.append(Use(kind, inputs, i + 1))
    return storage_blocks(uses, lengths, [0], [n])


@pytest.mark.parametrize(("n", "least"), [(12, 60), (30, 60), (80, 56)])
def test_random_networks_meet_the_minimum(n: int, least: int) -> None:
    met = 0
    for seed in range(60):
        plan = _plan(random_network(np.random.default_rng(seed), n))
        check_apart(plan)
        met += plan.arena_len == plan.minimum
        assert plan.arena_len <= 1.1 * plan.minimum
        assert (missed(plan.blocks, plan.offsets, plan.minimum) == "") == (plan.arena_len == plan.minimum)
    assert met >= least


def test_a_missed_minimum_names_the_block() -> None:
    blocks = [Block("a", 8, 0, 1), Block("b", 8, 1, 2)]
    assert missed(blocks, {"a": 0, "b": 8}, 16) == ""
    text = missed(blocks, {"a": 0, "b": 12}, 16)
    assert text == "the arena is 4 bytes above its minimum of 16: no lower place for b (8 bytes, operations 1 to 2)"


def test_no_blocks_no_arena() -> None:
    assert (_plan([]).arena_len, _plan([]).offsets) == (0, {})


# --- in place, on the machine ---

SHAPE = (1, 4, 4, 3)


def pointwise_model(again: bool) -> bytes:
    """t = LOGISTIC(x), u = TANH(x), v = t * u, w = v - t, then SUB of x if `again`: x dies early, or lives on."""
    draft = Draft(np.random.default_rng(3), SHAPE)
    draft.tensors[0] = TensorDef("x", SHAPE, scale=(0.03,), zero_point=4)
    t = draft.emit("LOGISTIC", (0,), TensorDef("t", SHAPE, scale=(1 / 256,), zero_point=-128))
    u = draft.emit("TANH", (0,), TensorDef("u", SHAPE, scale=(1 / 128,)))
    v = draft.emit("MUL", (t, u), TensorDef("v", SHAPE, scale=(1 / 128,), zero_point=5), activation="NONE")
    w = draft.emit("SUB", (v, t), TensorDef("w", SHAPE, scale=(1 / 256,), zero_point=-3), activation="NONE")
    if again:
        draft.emit("ADD", (w, 0), TensorDef("y", SHAPE, scale=(0.05,), zero_point=1), activation="NONE")
    return draft.build()


def planned(qgraph: QGraph, offsets: dict[str, int] | None = None) -> tuple[bytes, Image, Plan]:
    """The image for inference, with the planner's offsets or others for some blocks."""
    plan = plan_memory(memory_blocks(qgraph, None), np.random.default_rng(0))
    plan = Plan(plan.blocks, plan.offsets | (offsets or {}), plan.arena_len, plan.minimum)
    data = build_image(qgraph, plan, None, {})
    return data, read_image(data), plan


@pytest.mark.parametrize("again", [False, True])
def test_in_place_is_exact(again: bool) -> None:
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    model = pointwise_model(again)
    export = export_graph(load_tflite(model, "net"), "net", Options(train_last=0))
    size = int(np.prod(SHAPE))
    assert export.report["ram"]["arena"] == (3 if again else 2) * size
    x = np.random.default_rng(0).integers(-128, 128, (20, size)).astype(np.int8)
    wanted = np.stack([oracle_run(model, row.reshape(SHAPE)).ravel() for row in x])
    assert len(np.unique(wanted)) > 50
    assert np.array_equal(Device(Host(), export.data).run(x), wanted)
    assert np.array_equal(infer.run(export.image, None, x).output, wanted)


def test_a_wrong_overlay_is_noticed() -> None:
    """The output of an operation on an input that is read later: the twin refuses to read it."""
    qgraph = lower(load_tflite(pointwise_model(True), "net"))
    _, image, plan = planned(qgraph)
    x = np.zeros((1, int(np.prod(SHAPE))), np.int8)
    infer.run(image, None, x)
    first = plan.offsets["tensor 0"]
    _, wrong, _ = planned(qgraph, {"tensor 1": first})
    with pytest.raises(SdfaError, match="reads tensor 0 after it is overwritten"):
        infer.run(wrong, None, x)


def test_a_shifted_overlay_is_noticed() -> None:
    """Not exactly on the input, but on a part of it: C and twin differ."""
    qgraph = lower(load_tflite(pointwise_model(False), "net"))
    data, _, plan = planned(qgraph)
    assert plan.offsets["tensor 0"] == plan.offsets["tensor 2"]
    x = np.random.default_rng(0).integers(-128, 128, (5, int(np.prod(SHAPE)))).astype(np.int8)
    assert np.array_equal(Device(Host(), data).run(x), infer.run(read_image(data), None, x).output)
    wrong = Plan(plan.blocks, plan.offsets | {"tensor 2": plan.offsets["tensor 0"] + 4}, plan.arena_len + 4, 0)
    data = build_image(qgraph, wrong, None, {})
    assert not np.array_equal(Device(Host(), data).run(x), infer.run(read_image(data), None, x).output)
