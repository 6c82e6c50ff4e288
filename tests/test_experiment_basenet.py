"""The numpy trainer: gradients against differences, Adam against its formula, a task that it must learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.experiment.basenet import Adam, Training, accuracy, gradients, parameters, softmax, train
from sdfa.tflite.dense_model import DenseNet, he_net

Array = npt.NDArray[Any]


def _loss(net: DenseNet, x: Array, y: Array, decay: float) -> float:
    p = softmax(net.forward(x)[-1])
    ridge = sum(float(np.sum(w**2)) for w in net.weights)
    return float(-np.mean(np.log(p[np.arange(len(y)), y]))) + decay / 2 * ridge


def test_gradients_are_those_of_the_loss() -> None:
    rng = np.random.default_rng(3)
    made = he_net((5, 7, 4, 3), rng)
    net = DenseNet([w.astype(np.float64) for w in made.weights], [b + 0.1 for b in made.biases])
    x, y = rng.standard_normal((6, 5)), rng.integers(0, 3, 6)
    for p, g in zip(parameters(net), gradients(net, x, y, 0.01), strict=True):
        for place in np.ndindex(p.shape):
            kept = p[place]
            p[place] = kept + 1e-4
            up = _loss(net, x, y, 0.01)
            p[place] = kept - 1e-4
            down = _loss(net, x, y, 0.01)
            p[place] = kept
            assert abs((up - down) / 2e-4 - g[place]) < 2e-3


def test_the_first_step_of_adam_is_the_rate() -> None:
    """Kingma and Ba: with bias correction the first step is rate · g / |g|."""
    p = np.array([1.0, 2.0], np.float32)
    Adam([p], 0.1).step([np.array([0.5, -3.0], np.float32)])
    np.testing.assert_allclose(p, [0.9, 2.1], rtol=1e-5)


def test_it_learns_and_a_seed_repeats_it() -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((400, 6), np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(np.int64)
    how = Training(hidden=(32, 16), epochs=40, rate=3e-3, noise=0.0)
    nets = [train(x[:300], y[:300], 2, how, np.random.default_rng(5)) for _ in range(2)]
    assert accuracy(nets[0], x[300:], y[300:]) > 0.85
    assert all(np.array_equal(a, b) for a, b in zip(nets[0].weights, nets[1].weights, strict=True))
