"""The convolutional net of experiments: its gradient is the slope of the loss, sparse feedback has k entries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdfa.experiment.convnet import Layer, Shape, accuracy, forward, new_net, sparse_feedback, step

SHAPE = Shape(((3, 1), (4, 2), (4, 2)), (6, 5))


def _problem(seed: int = 0) -> tuple[list[Layer], Any, Any]:
    rng = np.random.default_rng(seed)
    return new_net((7, 6, 2), SHAPE, rng), rng.random((3, 7, 6, 2)).astype(np.float32), rng.integers(0, 5, 3)


def _loss(net: list[Layer], x: Any, y: Any) -> float:
    z = forward(net, x).outputs[-1].astype(np.float64)
    return float(np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(y)), y]))


@pytest.mark.parametrize("place", range(5))
def test_back_propagation_is_the_slope_of_the_loss(place: int) -> None:
    net, x, y = _problem()
    double: list[Any] = [(layer.w.astype(np.float64), layer.b.astype(np.float64), layer.stride) for layer in net]
    net = [Layer(*parts) for parts in double]
    before = [layer.w.copy() for layer in net]
    step(net, x, y, None, 1.0)
    moved = before[place] - net[place].w
    for layer, w in zip(net, before, strict=True):
        layer.w[...] = w
    for layer in net:
        layer.b[...] = 0
    rng = np.random.default_rng(1)
    for _ in range(5):
        at = tuple(int(rng.integers(n)) for n in before[place].shape)
        slopes = []
        for sign in (1, -1):
            net[place].w[at] += sign * 1e-4
            slopes.append(sign * _loss(net, x, y))
            net[place].w[at] -= sign * 1e-4
        assert moved[at] == pytest.approx(sum(slopes) / 2e-4, abs=1e-4)


@pytest.mark.parametrize("k", [1, 2])
def test_feedback_is_sparse_and_reaches_every_unit(k: int) -> None:
    net, x, _ = _problem()
    trace = forward(net, x)
    for b, out in zip(sparse_feedback(net, trace, k, np.random.default_rng(0)), trace.outputs, strict=False):
        assert b.shape == (out[0].size, 5)
        assert np.all(np.count_nonzero(b, axis=1) == k)


def test_frozen_layers_stay() -> None:
    net, x, y = _problem()
    before = [layer.w.copy() for layer in net]
    step(net, x, y, None, 0.1, frozen=3)
    assert [bool(np.any(layer.w != w)) for layer, w in zip(net, before, strict=True)] == [False] * 3 + [True] * 2
    assert 0 <= accuracy(net, x, y) <= 1
