"""Random networks with channels that are constant or unread, as converters write them, and inputs that reach far."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from sdfa.tflite.graph import Int8Array
from tests.tflite_format import Array
from tests.tflite_writer import Net

Rng = np.random.Generator
_WEIGHTED = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


def kill(net: Net, op: int, channels: Array, bias: int = 0, scale: float | None = None) -> None:
    """These output channels of operation `op` get no weights, this bias, and this weight scale."""
    _, w, b = net.ops[op].inputs
    axis, weights = _WEIGHTED[str(net.ops[op].kind)], net.tensors[w]
    data, biases = np.array(weights.data), np.array(net.tensors[b].data)
    np.moveaxis(data, axis, 0)[channels] = 0
    biases[channels] = bias
    net.tensors[w], net.tensors[b] = replace(weights, data=data), replace(net.tensors[b], data=biases)
    if scale is not None:
        rescale(net, op, channels, scale)


def rescale(net: Net, op: int, channels: Array, scale: float) -> None:
    """Another weight scale, of weights that are scaled per channel."""
    a, w, b = net.ops[op].inputs
    scales = np.array(net.tensors[w].scale, np.float32)
    scales[channels] = scale
    flat = tuple(float(s) for s in scales)
    products = tuple(float(np.float32(net.tensors[a].scale[0]) * s) for s in scales)
    net.tensors[w], net.tensors[b] = replace(net.tensors[w], scale=flat), replace(net.tensors[b], scale=products)


def drown(net: Net, op: int, channels: Array, bias: int) -> None:
    """A bias that no input overcomes: the activation makes the channels constant."""
    b = net.ops[op].inputs[2]
    biases = np.array(net.tensors[b].data)
    biases[channels] = bias
    net.tensors[b] = replace(net.tensors[b], data=biases)


def ignore(net: Net, op: int, channels: Array) -> None:
    """Operation `op` (no depthwise one) reads these channels with weights of zero."""
    w = net.ops[op].inputs[1]
    data = np.array(net.tensors[w].data)
    data[..., channels] = 0
    net.tensors[w] = replace(net.tensors[w], data=data)


def pass_through(net: Net, kind: str) -> None:
    """A PAD, MEAN, LEAKY_RELU or RELU of the present picture."""
    like, (n, h, w, c) = (net.scale, net.tensors[net.at].zero_point), net.shape
    if kind == "PAD":
        pads = np.array([[0, 0], [1, 0], [0, 2], [0, 0]], np.int32)
        net.emit(kind, (net.at, net.constant("pads", pads)), (n, h + 1, w + 2, c), like)
    elif kind == "MEAN":
        axes = net.constant("axes", np.array([1, 2], np.int32))
        net.emit(kind, (net.at, axes), (n, 1, 1, c), like, keep_dims=1)
    else:
        net.emit(kind, (net.at,), net.shape, like)


def _block(net: Net, rng: Rng) -> None:
    """One random operation on a picture."""
    activation = str(rng.choice(["NONE", "RELU", "RELU", "RELU6"]))
    how: dict[str, Any] = {
        "stride": int(rng.integers(1, 3)), "padding": str(rng.choice(["SAME", "VALID"])), "activation": activation,
    }  # fmt: skip
    k = int(rng.integers(1, 4)) if min(net.shape[1:3]) > 2 else 1
    channels = int(rng.integers(3, 41))
    pool = "MAX_POOL_2D" if rng.random() < 0.5 else "AVERAGE_POOL_2D"
    blocks: list[Callable[[], object]] = [
        lambda: net.conv(channels, 1, 1, activation=activation, per_channel=True),
        lambda: net.conv(channels, k, **how, per_channel=True),
        lambda: net.depthwise(k, **how, per_channel=True),
        lambda: net.depthwise(k, **how, per_channel=True, multiplier=2) if net.shape[3] < 21 else None,
        lambda: net.pool(pool, min(k, 2), str(how["padding"])),
        lambda: net.add(net.at) if rng.random() < 0.5 else pass_through(net, "PAD"),
        lambda: pass_through(net, "RELU" if rng.random() < 0.5 else "LEAKY_RELU"),
    ]
    weights = np.array([4, 3, 5, 1, 2, 1, 1])
    blocks[int(rng.choice(len(blocks), p=weights / weights.sum()))]()


def _some(rng: Rng, n: int) -> Array:
    return np.flatnonzero(rng.random(n) < rng.choice([0.0, 0.2, 0.4, 0.7]))


def _damage(net: Net, rng: Rng, op: int) -> None:
    """Dead, drowned and unread channels at random places of one operation."""
    axis = _WEIGHTED[str(net.ops[op].kind)]
    w = net.tensors[net.ops[op].inputs[1]]
    n, per_channel = w.shape[axis], len(w.scale) > 1
    # mostly the zero point: constants far from it drown what the next layer says
    bias = int(rng.choice([0, 0, 0, -(2**30), rng.integers(-500, 500), rng.integers(-(2**31), 2**31)]))
    scale = float(rng.choice([1e-12, 1e-7, 1e-3, 1e4])) if per_channel and rng.random() < 0.6 else None
    kill(net, op, _some(rng, n), bias, scale)
    if rng.random() < 0.4:
        drown(net, op, _some(rng, n), int(rng.choice([-(2**30), -(2**30), 2**30])))
    if axis == 0 and rng.random() < 0.3:
        ignore(net, op, _some(rng, w.shape[-1]))
    if axis == 0 and per_channel and rng.random() < 0.1:
        rescale(net, op, _some(rng, n)[:1], float(rng.choice([1e-9, 1e5])))


def dead_net(rng: Rng, hidden: int = 1, learns: int = 0) -> Net:
    """A network of convolutions and the like, then `hidden` + 1 dense layers, of which the last `learns` are sound."""
    net = Net(rng, (int(rng.integers(2, 8)), int(rng.integers(2, 8)), int(rng.integers(1, 4))), zero_point=-5)
    net.conv(int(rng.integers(8, 33)), int(rng.integers(1, 3)), per_channel=True)
    for _ in range(int(rng.integers(2, 6))):
        _block(net, rng)
    if rng.random() < 0.6:
        pass_through(net, "MEAN")
    net.flatten()
    for _ in range(hidden):
        net.dense(int(rng.integers(8, 33)), per_channel=True)
    net.dense(5, "NONE", sigma=2.0)
    for i, op in enumerate(net.ops):
        if str(op.kind) in _WEIGHTED and i < len(net.ops) - max(learns, 1):
            if rng.random() < 0.6:
                _damage(net, rng, i)
            _dilate(net, rng, i)
    return net.softmax() if rng.random() < 0.5 else net


def _dilate(net: Net, rng: Rng, op: int) -> None:
    """Holes in the window, where the output keeps its size."""
    options = dict(net.ops[op].options or {})
    if options.get("padding") == "SAME" and options.get("stride_w") == 1 and rng.random() < 0.2:
        net.ops[op] = replace(net.ops[op], options=options | {"dilation_w": 2, "dilation_h": 2})


def far_inputs(rng: Rng, shape: tuple[int, ...], n: int) -> Int8Array:
    """int8 (n + 6, *shape): n random ones, then both ends everywhere, frames, and a checkerboard with its inverse."""
    h, w, c = shape
    frame = np.ones((h, w, c), np.bool_)
    frame[1:-1, 1:-1] = False
    board = (np.add.outer(np.arange(h), np.arange(w))[..., None] + np.arange(c)) % 2 == 0
    full = [np.ones(shape, np.bool_), frame, board]
    ends = [np.where(mask, low, -1 - low) for mask in full for low in (-128, 127)]
    mixed = rng.integers(-128, 128, (n, *shape))
    return np.asarray(np.concatenate([mixed, np.stack(ends)]), np.int8)
