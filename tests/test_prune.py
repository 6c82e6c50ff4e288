"""Channels that are left out: the same output bytes from less work, and nothing that learns is touched."""

from __future__ import annotations

import io
import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sdfa.data import Samples
from sdfa.device.adapt import Settings, adapt
from sdfa.device.device import Device
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.exporter.merge import merge
from sdfa.image.reader import read_image
from sdfa.image.records import LAYER_FAST
from sdfa.image.writer import is_fast
from sdfa.lower import QGraph, QOp, lower
from sdfa.lower.prune import channels_left_out, prune
from sdfa.show.export_tables import export_tables
from sdfa.show.inspect import describe_image, show
from sdfa.targets import Host
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite, read_model
from sdfa.twin import infer
from sdfa.twin.fixedpoint import mbqm
from tests.dead_nets import dead_net, drown, far_inputs, ignore, kill, pass_through, rescale
from tests.oneop import oracle_run
from tests.tflite_writer import Net

FROZEN = Options(train_last=0)
CHUNKS, CHUNK = 6, 12


def both(net: Net, options: Options = FROZEN) -> tuple[Export, Export]:
    """(the whole model, the pruned one)."""
    graph = load_tflite(net.build(), "net")
    return export_graph(graph, "net", options, whole=True), export_graph(graph, "net", options)


def assert_equal(whole: Export, small: Export, x: Int8Array) -> Int8Array:
    """Both images yield the same bytes in the twin and in C; returns them."""
    wanted = infer.run(whole.image, None, x).output
    for export in (whole, small):
        assert (Device(Host(), export.data).run(x).reshape(wanted.shape) == wanted).all()
    assert (infer.run(small.image, None, x).output == wanted).all()
    return wanted


def widths(export: Export) -> list[int]:
    """Channels of every operation's output."""
    return [int(op["out"][-1]) for op in export.report["ops"]]


def lowered(net: Net) -> QGraph:
    return lower(fold_shapes(load_tflite(net.build(), "net")))


# --- random networks ---


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_networks(chunk: int) -> None:
    """Dead channels at random places, with and without layers that learn."""
    left_out = varied = 0
    for seed in range(50_000 + CHUNK * chunk, 50_000 + CHUNK * (chunk + 1)):
        rng = np.random.default_rng(seed)
        hidden = int(rng.integers(0, 3))
        learns = int(rng.integers(0, hidden + 2))
        net = dead_net(rng, hidden, learns)
        whole, small = both(net, Options(train_last=learns, feedback="random" if learns > 1 else None, rate=0.05))
        wanted = assert_equal(whole, small, far_inputs(rng, net.tensors[0].shape[1:], 12))
        left_out += small.report["left_out"]["channels"]
        varied += len(np.unique(wanted, axis=0)) > 2
        assert small.report["macs"] <= whole.report["macs"]
        assert small.image.tail == whole.image.tail
    assert left_out > 50
    assert varied > CHUNK / 2


@pytest.mark.parametrize("seed", range(60_000, 60_012))
def test_random_networks_equal_the_oracle(seed: int) -> None:
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    rng = np.random.default_rng(seed)
    net = dead_net(rng)
    _, small = both(net)
    x = far_inputs(rng, net.tensors[0].shape[1:], 4)
    wanted = np.stack([oracle_run(net.build(), sample[None]).ravel() for sample in x])
    assert (infer.run(small.image, None, x).output == wanted).all()


def test_every_input_of_a_small_network() -> None:
    """65,536 inputs through three layers with every kind of dead channel."""
    net = Net(np.random.default_rng(0), (1, 1, 2), zero_point=-9)
    net.conv(24, 1, per_channel=True).depthwise(3, per_channel=True).conv(24, 1, per_channel=True).flatten()
    net.dense(5, "NONE", sigma=2.0)
    kill(net, 0, np.arange(0, 7), scale=1e-9)
    kill(net, 1, np.arange(5, 9), bias=40)
    drown(net, 0, np.array([20]), 2**30)
    kill(net, 2, np.arange(3, 9), bias=-700)
    drown(net, 2, np.arange(10, 15), -(2**30))
    ignore(net, 3, np.array([0, 1]))
    whole, small = both(net)
    pairs = np.array(list(itertools.product(range(-128, 128), repeat=2)), np.int8)
    wanted = assert_equal(whole, small, pairs)
    assert len(np.unique(wanted, axis=0)) > 200
    assert widths(small) == [16, 16, 16, 5]


# --- what goes and what stays ---


def _chain(padding: str, bias: int, **how: Any) -> Net:
    """A 1x1 convolution of 32 channels, 24 of which are constant, and a 3x3 one that reads them."""
    net = Net(np.random.default_rng(1), (6, 6, 3)).conv(32, 1, **({"per_channel": True} | how))
    net.conv(16, 3, padding=padding, per_channel=True).pool().flatten().dense(4, "NONE", sigma=2.0)
    kill(net, 0, np.arange(24), bias)
    return net


@pytest.mark.parametrize(
    ("padding", "bias", "left"),
    [("VALID", 0, 8), ("VALID", 2000, 8), ("SAME", 0, 8), ("SAME", -(2**30), 8), ("SAME", 2000, 32)],
)
def test_padding_needs_the_zero_point(padding: str, bias: int, left: int) -> None:
    """Taps outside the picture read z_in: another constant is no constant there."""
    net = _chain(padding, bias)
    whole, small = both(net)
    assert widths(small)[0] == left
    wanted = assert_equal(whole, small, far_inputs(np.random.default_rng(2), (6, 6, 3), 20))
    assert len(np.unique(wanted, axis=0)) > 10


@pytest.mark.parametrize(("alive", "left"), [(0, 8), (1, 8), (8, 8), (9, 16), (24, 24), (25, 32), (32, 32)])
def test_whole_groups_remain(alive: int, left: int) -> None:
    net = Net(np.random.default_rng(3), (4, 4, 3)).conv(32, 1).conv(8, 1).flatten().dense(4, "NONE")
    kill(net, 0, np.random.default_rng(4).permutation(32)[alive:])
    whole, small = both(net)
    assert widths(small)[0] == left
    assert_equal(whole, small, far_inputs(np.random.default_rng(5), (4, 4, 3), 10))


@pytest.mark.parametrize(("channels", "left"), [(5, 5), (8, 8), (12, 8), (20, 8)])
def test_never_more_than_there_were(channels: int, left: int) -> None:
    net = Net(np.random.default_rng(3), (4, 4, 3)).conv(channels, 1).conv(8, 1).flatten().dense(4, "NONE")
    kill(net, 0, np.arange(channels - 2))
    whole, small = both(net)
    assert widths(small)[0] == left
    assert_equal(whole, small, far_inputs(np.random.default_rng(5), (4, 4, 3), 10))


def test_a_whole_chain_goes_through_passing_operations() -> None:
    """Unread behind depthwise, both poolings, PAD, LEAKY_RELU and MEAN: nothing of the channels remains."""
    net = Net(np.random.default_rng(6), (12, 12, 2)).conv(24, 3, per_channel=True).depthwise(3, per_channel=True)
    net.pool("MAX_POOL_2D", 2)
    pass_through(net, "PAD")
    net.pool("AVERAGE_POOL_2D", 2)
    pass_through(net, "LEAKY_RELU")
    pass_through(net, "MEAN")
    net.flatten().dense(16, per_channel=True).dense(4, "NONE", sigma=2.0)
    ignore(net, 8, np.arange(16))
    whole, small = both(net)
    assert widths(small) == [8] * 7 + [16, 4]
    wanted = assert_equal(whole, small, far_inputs(np.random.default_rng(7), (12, 12, 2), 20))
    assert len(np.unique(wanted, axis=0)) > 10


def test_one_removal_makes_another_possible() -> None:
    """A layer's constant channels no longer read the layer before, whose channels then go too."""
    net = Net(np.random.default_rng(8), (4, 4, 3)).conv(32, 1).conv(32, 1).conv(32, 1).flatten().dense(4, "NONE")
    ignore(net, 1, np.arange(16))
    assert widths(both(net)[1]) == [16, 32, 32, 4]
    read = np.array(net.tensors[w := net.ops[1].inputs[1]].data)
    read[:24, ..., :16] = 1
    net.tensors[w] = replace(net.tensors[w], data=read)
    assert widths(both(net)[1]) == [32, 32, 32, 4]
    drown(net, 1, np.arange(24), -(2**30))
    whole, small = both(net)
    assert widths(small) == [16, 8, 32, 4]
    assert_equal(whole, small, far_inputs(np.random.default_rng(9), (4, 4, 3), 10))


def _skip() -> Net:
    net = Net(np.random.default_rng(10), (4, 4, 3)).conv(24, 1)
    skip = net.at
    return net.conv(24, 1).add(skip, "RELU").flatten().dense(4, "NONE")


def _flat() -> Net:
    return Net(np.random.default_rng(11), (4, 4, 3)).conv(24, 1).flatten().dense(4, "NONE")


def _output() -> Net:
    return Net(np.random.default_rng(12), (4, 4, 3)).conv(24, 1)


def _multiplied() -> Net:
    return Net(np.random.default_rng(13), (4, 4, 3)).conv(24, 1).depthwise(1, multiplier=2).pool().flatten().dense(4)


@pytest.mark.parametrize("make", [_skip, _flat, _output, _multiplied])
def test_what_somebody_needs_stays(make: Any) -> None:
    """ADD, a flat view of a picture, the model's output, a depth multiplier: constant channels stay, but are fast."""
    net = make()
    kill(net, 0, np.arange(16), -50)
    whole, small = both(net)
    assert widths(small) == widths(whole)
    assert small.report["left_out"] == {"channels": 0, "macs": 0, "flash": 0, "arena": 0}
    assert_equal(whole, small, far_inputs(np.random.default_rng(14), (4, 4, 3), 10))


def test_absurd_scales_do_not_slow_the_operation() -> None:
    net = Net(np.random.default_rng(12), (4, 4, 3)).conv(24, 1, per_channel=True)
    kill(net, 0, np.array([3, 9]), 0, 1e-12)
    kill(net, 0, np.array([5]), 7, 3e4)
    whole, small = both(net)
    assert [int(export.image.ops[0][1]["flags"]) & LAYER_FAST for export in (whole, small)] == [0, LAYER_FAST]
    assert_equal(whole, small, far_inputs(np.random.default_rng(14), (4, 4, 3), 10))


def test_the_canonical_form() -> None:
    """Multiplier 2^30 and shift -1 make every difference of two int8 values from four times itself."""
    value = np.arange(-255, 256)
    assert (mbqm(4 * value, 1 << 30, -1) == value).all()


def test_a_bias_that_would_overflow_is_refused() -> None:
    """The sum is right modulo 2^32, but the file's bias is not to wrap."""
    net = Net(np.random.default_rng(15), (4, 4, 3)).conv(24, 1).conv(8, 1).flatten().dense(4, "NONE")
    kill(net, 0, np.arange(16), 2**30)
    qgraph = lowered(net)
    assert channels_left_out(qgraph, prune(qgraph, ()))[0] == 16
    ch = qgraph.ops[1].channels
    assert ch is not None
    # 16 constants of 127 times 100 overshoot what is left to 2^31
    for room, left_out in ((16 * 127 * 100 - 1, 0), (16 * 127 * 100, 16)):
        weights, bias = ch.weights.copy(), ch.bias.copy()
        weights[0, 0, 0, :16] = 100
        sums = weights.astype(np.int64).sum(axis=(1, 2, 3))
        bias[0] = 2**31 - 1 - room + qgraph.tensors[1].zero_point * sums[0]
        full = replace(qgraph.ops[1], channels=replace(ch, weights=weights, bias=bias, sums=sums))
        near = replace(qgraph, ops=(qgraph.ops[0], full, *qgraph.ops[2:]))
        assert channels_left_out(near, prune(near, ()))[0] == left_out


def test_a_tensor_that_two_operations_write_stays() -> None:
    """No model file has one; the condition is that of the graph, not of the file."""
    net = _chain("VALID", 0).softmax()
    ignore(net, 1, np.arange(24))
    qgraph = lowered(net)
    assert channels_left_out(qgraph, prune(qgraph, ()))[0] == 24
    twice = replace(qgraph, ops=(*qgraph.ops, replace(qgraph.ops[-1], output=qgraph.ops[0].output)))
    assert channels_left_out(twice, prune(twice, ()))[0] == 0


def test_nothing_to_do_is_the_same_graph() -> None:
    net = Net(np.random.default_rng(16), (4, 4, 3)).conv(24, 1, activation="NONE").flatten().dense(4, "NONE")
    qgraph = lowered(net)
    small = prune(qgraph, ())
    assert all(a is b for a, b in zip(qgraph.ops, small.ops, strict=True))
    assert small.tensors == qgraph.tensors
    assert len({export.data for export in both(net)}) == 1


def test_pruning_twice_changes_nothing_more() -> None:
    for seed in range(8):
        small = prune(lowered(dead_net(np.random.default_rng(70_000 + seed))), ())
        assert not any(channels_left_out(small, prune(small, ())))


def test_sums_belong_to_the_weights() -> None:
    def sums(op: QOp) -> Any:
        assert op.channels is not None
        w = op.channels.weights.astype(np.int64)
        return w.sum(axis=(0, 1) if op.kind == "depthwise" else tuple(range(1, w.ndim)))

    small = prune(lowered(dead_net(np.random.default_rng(70_001))), ())
    layers = [op for op in small.ops if op.channels is not None]
    assert len(layers) > 3
    assert all((op.channels.sums == sums(op)).all() for op in layers if op.channels is not None)


# --- what learns ---


def _adaptive() -> Net:
    net = Net(np.random.default_rng(20), (6, 6, 2)).conv(32, 3, per_channel=True).conv(32, 1, per_channel=True)
    pass_through(net, "MEAN")
    net.flatten().dense(12, per_channel=True).dense(5, "NONE", sigma=2.0).softmax()
    kill(net, 0, np.arange(20), 0, 1e-9)
    kill(net, 1, np.arange(9), 30)
    return net


def test_the_tail_and_what_it_reads_stay() -> None:
    whole, small = both(_adaptive(), Options(train_last=2))
    assert widths(small)[0] == 16
    assert widths(small)[1:] == widths(whole)[1:]
    assert small.image.tail == whole.image.tail
    assert small.report["learning"] == whole.report["learning"]
    assert widths(both(_adaptive())[1])[1:3] == [24, 24]


def test_learning_and_merging_are_the_same() -> None:
    """Learned on the pruned image, merged into the model, run by the oracle: the device's bytes."""
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    net = _adaptive()
    rng = np.random.default_rng(21)
    x = far_inputs(rng, (6, 6, 2), 40)
    samples = Samples(x, rng.integers(0, 5, len(x)))
    exports = both(net, Options(train_last=2))
    learned = [adapt(Host(), e.data, samples, None, Settings(3, rate=0.1)).image for e in exports]
    tails = [read_image(data).learned_tail for data in learned]
    assert tails[0] == tails[1] != exports[0].image.tail
    merged = [merge(read_image(data), net.build()) for data in learned]
    assert merged[0] == merged[1] != net.build()
    wanted = np.stack([oracle_run(merged[1], sample[None]).ravel() for sample in x])
    assert (Device(Host(), learned[1]).run(x).reshape(wanted.shape) == wanted).all()


# --- report ---


def test_the_report_says_what_was_left_out() -> None:
    whole, small = both(_adaptive())
    saved = small.report["left_out"]
    assert [op["left_out"] for op in small.report["ops"]] == [16, 8, 8, 0, 0, 0]
    assert saved["channels"] == 24
    assert saved["macs"] == whole.report["macs"] - small.report["macs"]
    assert saved["flash"] == len(whole.data) - len(small.data)
    assert saved["arena"] == whole.report["ram"]["arena"] - small.report["ram"]["arena"]
    assert small.report["macs"] == 6 * 6 * (16 * 9 * 2 + 24 * 16) + 24 * 12 + 12 * 5
    text = _text(*export_tables(small.report))
    assert (
        f"24 constant or unread channels left out, exactly: -{100 * saved['macs'] / whole.report['macs']:.1f} %" in text
    )
    assert "left out" not in _text(*export_tables(whole.report))


def _text(*parts: Any) -> str:
    file = io.StringIO()
    for part in parts:
        Console(file=file, width=200).print(part)
    return file.getvalue()


def test_inspect_says_what_was_left_out() -> None:
    whole, small = both(_adaptive())
    assert [op["left_out"] for op in describe_image(small.image)["ops"]] == [16, 8, 8, 0, 0, 0]
    for export, said in ((whole, False), (small, True)):
        file = io.StringIO()
        show(describe_image(export.image), Console(file=file, width=80))
        assert ("left out" in file.getvalue()) == said


@pytest.mark.parametrize("said", [None, 3, [1], ["a"] * 6, [True] * 6, [None] * 6])
def test_a_strange_image_is_shown_too(said: Any) -> None:
    assert replace(both(_adaptive())[1].image, meta={"left_out": said}).left_out == [0] * 6


# --- the public model ---


@pytest.mark.shared
def test_the_person_detector(shared: Path) -> None:
    """Half of it is dead. What is left is fast everywhere, and says what TensorFlow Lite Micro said."""
    graph, _ = read_model(shared / "models" / "vww_96_int8.tflite")
    whole, small = (export_graph(graph, "vww", FROZEN, whole=w) for w in (True, False))
    for name, export in (("whole", whole), ("pruned", small)):
        report = export.report
        print(f"{name}: {report['macs']} MACs, image {len(export.data)}, arena {report['ram']['arena']} bytes")
    with np.load(shared / "models" / "vww_96_int8.golden.npz") as golden:
        x = np.concatenate([golden["X_rand"], golden["X_real"]])
        wanted = np.concatenate([golden["tflm_rand"], golden["tflm_real"]]).reshape(len(x), 2)
    extreme = far_inputs(np.random.default_rng(0), (96, 96, 3), 2)
    assert (Device(Host(), small.data).run(x).reshape(wanted.shape) == wanted).all()
    assert (infer.run(small.image, None, x[-3:]).output == wanted[-3:]).all()
    assert (Device(Host(), small.data).run(extreme) == Device(Host(), whole.data).run(extreme)).all()
    qgraph = lower(fold_shapes(graph))
    for g, fast in ((qgraph, False), (prune(qgraph, ()), True)):
        assert all(is_fast(op) for op in g.ops if op.channels is not None) == fast
    assert (small.report["macs"], whole.report["macs"]) == (3873360, 7489664)
    assert len(small.data) < 0.2 * len(whole.data)
    assert small.report["ram"]["arena"] <= whole.report["ram"]["arena"]


def test_rescaled_channels_are_not_taken_for_constants() -> None:
    """An absurd scale alone: as long as weights remain, only proof counts."""
    net = Net(np.random.default_rng(22), (4, 4, 3)).conv(24, 1, activation="NONE", per_channel=True)
    rescale(net, 0, np.arange(16), 1e4)
    net.conv(8, 1, per_channel=True).flatten().dense(4, "NONE")
    whole, small = both(net)
    assert widths(small)[0] == 24
    assert_equal(whole, small, far_inputs(np.random.default_rng(23), (4, 4, 3), 10))
