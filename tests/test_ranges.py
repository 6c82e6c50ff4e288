"""The intervals of sdfa.lower.ranges hold for every input; where they can be exact, they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.image.reader import Image, read_image
from sdfa.image.writer import build_image, memory_blocks
from sdfa.lower import Channels, QGraph, QOp, QTensor, lower
from sdfa.lower.plan import plan_memory
from sdfa.lower.ranges import FULL, Span, reads_padding, value_ranges
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.load import load_tflite
from sdfa.twin import infer
from sdfa.twin.fixedpoint import i64
from tests.dead_nets import dead_net, far_inputs
from tests.oneop import random_oneop

Rng = np.random.Generator
CHANNELS = 250
EVERY_PAIR = np.stack(np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)), axis=-1).reshape(-1, 2).astype(np.int8)


def lowered(model: bytes) -> QGraph:
    return lower(fold_shapes(load_tflite(model, "net")))


def image_of(qgraph: QGraph) -> Image:
    """As it is: nothing left out, nothing learns."""
    plan = plan_memory(memory_blocks(qgraph, None), np.random.default_rng(0))
    return read_image(build_image(qgraph, plan, None, {}))


def assert_sound(qgraph: QGraph, x: npt.NDArray[np.int8]) -> int:
    """Every value of every operation lies in its interval; how many intervals are not the whole of int8."""
    ranges, image = value_ranges(qgraph, ()), image_of(qgraph)
    tight = 0
    for i, op in enumerate(qgraph.ops):
        t = qgraph.tensors[op.output]
        span = ranges.get(t.storage, FULL).seen(t.c)
        y = infer.run_until(image, x, i + 1, op.output).reshape(-1, t.c)
        assert (y >= span.low).all(), (i, op.kind)
        assert (y <= span.high).all(), (i, op.kind)
        tight += int((span.high - span.low < 255).sum())
    return tight


def dense_graph(rng: Rng, shift: tuple[int, int], bias: int) -> QGraph:
    """Two inputs, CHANNELS outputs, any multipliers; shift, bias: how far they go."""
    n = CHANNELS
    weights = rng.choice([-128, -7, -1, 0, 0, 1, 2, 127], (n, 2)).astype(np.int8)
    mult = np.where(rng.random(n) < 0.1, 0, rng.integers(1 << 20, 1 << 31, n))
    channels = Channels(
        weights, rng.integers(-bias, bias, n).astype(np.int32), mult.astype(np.int32),
        rng.integers(*shift, n).astype(np.int8), np.ones(n), weights.astype(np.int64).sum(axis=1),
    )  # fmt: skip
    act_min, act_max = int(rng.integers(-128, -20)), int(rng.integers(20, 128))
    fields = {"in_n": 2, "out_n": n, "rows": 1, "act_min": act_min, "act_max": act_max}
    z_in, z_out = (int(v) for v in rng.integers(-128, 128, 2))
    tensors = QTensor("a", (1, 2), 1, 1, 2, 1.0, z_in, 0), QTensor("b", (1, n), 1, 1, n, 1.0, z_out, 1)
    return QGraph("net", tensors, (QOp("dense", 0, (0,), 1, fields, channels),), 0, 1, "")


@pytest.mark.parametrize("seed", range(4))
def test_ends_are_exact_where_nothing_overflows(seed: int) -> None:
    """All inputs, all ordinary shifts: the lowest and the highest value occur."""
    qgraph = dense_graph(np.random.default_rng(seed), (-20, 0), 1 << 20)
    y = infer.run(image_of(qgraph), None, EVERY_PAIR).output
    span = value_ranges(qgraph, ())[1]
    assert (y.min(axis=0) == span.low).all()
    assert (y.max(axis=0) == span.high).all()
    assert 0 < span.constant.sum() < CHANNELS


@pytest.mark.parametrize("seed", range(4))
def test_all_inputs_with_every_shift_and_bias(seed: int) -> None:
    """Sums, shifts to the left and the zero point may leave 32 bits: everything can come out then."""
    qgraph = dense_graph(np.random.default_rng(seed), (-31, 31), (1 << 31) - 1)
    y = infer.run(image_of(qgraph), None, EVERY_PAIR).output
    span = value_ranges(qgraph, ())[1]
    assert ((y >= span.low) & (y <= span.high)).all()
    # a rule that took the ends alone would be wrong for some
    ends = infer.run(image_of(qgraph), None, np.array([[a, b] for a in (-128, 127) for b in (-128, 127)], np.int8))
    assert ((y < ends.output.min(axis=0)) | (y > ends.output.max(axis=0))).any()


@pytest.mark.parametrize("block", range(4))
def test_random_operations(block: int) -> None:
    """Every kind of operation, extreme inputs among others."""
    tight = 0
    for seed in range(80 * block, 80 * block + 80):
        rng = np.random.default_rng(30_000 + seed)
        qgraph = lowered(random_oneop(rng)[0])
        x = far_inputs(rng, qgraph.tensors[qgraph.input].cells, 10)
        tight += assert_sound(qgraph, x.reshape(len(x), -1))
    assert tight > 50


@pytest.mark.parametrize("block", range(3))
def test_random_networks(block: int) -> None:
    """Intervals of intervals, over aliases, padding and passing operations."""
    tight = 0
    for seed in range(12 * block, 12 * block + 12):
        rng = np.random.default_rng(40_000 + seed)
        qgraph = lowered(dead_net(rng).build())
        x = far_inputs(rng, qgraph.tensors[qgraph.input].cells, 6)
        tight += assert_sound(qgraph, x.reshape(len(x), -1))
    assert tight > 300


@pytest.mark.parametrize(("z_out", "bias", "whole"), [(127, 2**31 - 600, True), (-128, 2**31 - 600, False)])
def test_the_zero_point_may_overflow(z_out: int, bias: int, whole: bool) -> None:
    """A multiplier of nearly 1 leaves an accumulator near 2^31, and the zero point goes beyond."""
    qgraph = dense_graph(np.random.default_rng(0), (0, 1), 2)
    a, b, ch = replace(qgraph.tensors[0], zero_point=0), replace(qgraph.tensors[1], zero_point=z_out), qgraph.ops[0]
    assert ch.channels is not None
    n = len(ch.channels.bias)
    weights = np.tile(np.array([4, 0], np.int8), (n, 1))
    channels = replace(
        ch.channels, weights=weights, sums=np.full(n, 4), bias=np.full(n, bias, np.int32),
        mult=np.full(n, 2**31 - 1, np.int32),
    )  # fmt: skip
    extreme = replace(qgraph, tensors=(a, b), ops=(replace(ch, channels=channels),))
    y = infer.run(image_of(extreme), None, EVERY_PAIR).output
    span = value_ranges(extreme, ())[1]
    assert ((y >= span.low) & (y <= span.high)).all()
    assert (len(np.unique(y)) > 1) == whole == (not span.constant.all())


def test_the_same_values_with_other_channels() -> None:
    span = Span(i64([0, 1, 2, 3]), i64([9, 8, 7, 3]))
    assert span.constant.tolist() == [False, False, False, True]
    assert span.seen(8).low.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert (span.seen(2).low.tolist(), span.seen(2).high.tolist()) == ([0, 1], [9, 8])
    assert (span.seen(3).low.tolist(), span.seen(3).high.tolist()) == ([0] * 3, [9] * 3)
    assert (span.with_value(5).low.tolist(), span.with_value(5).high.tolist()) == ([0, 1, 2, 3], [9, 8, 7, 5])


def test_what_learns_and_what_several_write_is_full() -> None:
    qgraph = dense_graph(np.random.default_rng(0), (-20, 0), 1 << 20)
    assert set(value_ranges(qgraph, ())) == {1}
    assert value_ranges(qgraph, {0}) == {}
    assert value_ranges(replace(qgraph, ops=qgraph.ops * 2), ()) == {}


@pytest.mark.parametrize(
    ("fields", "outside"),
    [
        ({}, False),
        ({"pad_top": 1}, True),
        ({"pad_left": 1}, True),
        ({"kh": 4}, True),
        ({"kw": 2, "dil_w": 2}, False),
        ({"kw": 2, "dil_w": 3}, True),
        ({"stride_h": 2}, True),
    ],
)
def test_taps_outside_the_picture(fields: dict[str, int], outside: bool) -> None:
    """A picture of 4 x 4, two cells out along each axis, windows of 3 x 3 unless said otherwise."""
    small = {"kh": 3, "kw": 3, "stride_h": 1, "stride_w": 1, "dil_h": 1, "dil_w": 1, "pad_top": 0, "pad_left": 0}
    a, out = (QTensor("t", (1, n, n, 1), n, n, 1, 1.0, 0, 0) for n in (4, 2))
    assert reads_padding(QOp("conv", 0, (0,), 1, small | fields), a, out) == outside


def test_a_loose_interval_is_noticed() -> None:
    """The comparison itself: an image of other weights is not sound."""
    qgraph = dense_graph(np.random.default_rng(1), (-20, 0), 1 << 20)
    span = value_ranges(qgraph, ())[1]
    other = dense_graph(np.random.default_rng(2), (-20, 0), 1 << 20)
    y = infer.run(image_of(other), None, EVERY_PAIR).output
    assert not ((y >= span.low) & (y <= span.high)).all()
