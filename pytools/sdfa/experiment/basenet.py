"""Dense networks trained on this computer with numpy: Adam, ReLU, softmax cross-entropy, float32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.tflite.dense_model import DenseNet, he_net

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.int64]

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8


@dataclass(frozen=True)
class Training:
    """noise: standard deviation added to the inputs of each batch. decay: weight decay."""

    hidden: tuple[int, ...] = (128, 64)
    epochs: int = 25
    batch: int = 64
    rate: float = 1e-3
    noise: float = 0.1
    decay: float = 1e-4


def train(x: FloatArray, y: IntArray, classes: int, how: Training, rng: np.random.Generator) -> DenseNet:
    """A network of x[n, features], y[n] in 0 ... classes - 1."""
    net = he_net((x.shape[1], *how.hidden, classes), rng)
    adam = Adam(parameters(net), how.rate)
    for _ in range(how.epochs):
        adam_epoch(net, adam, x, y, how, rng)
    return net


def adam_epoch(net: DenseNet, adam: Adam, x: FloatArray, y: IntArray, how: Training, rng: np.random.Generator) -> None:
    """Every sample once, in batches, in random order; changes the net in place."""
    order = rng.permutation(len(x))
    for at in range(0, len(order), how.batch):
        rows = order[at : at + how.batch]
        batch = x[rows]
        if how.noise:
            batch = batch + np.float32(how.noise) * rng.standard_normal(batch.shape, np.float32)
        adam.step(gradients(net, batch, y[rows], how.decay))


def parameters(net: DenseNet) -> list[FloatArray]:
    """Weights and bias of each layer, first layer first: the net's own arrays."""
    return [p for pair in zip(net.weights, net.biases, strict=True) for p in pair]


def gradients(net: DenseNet, x: FloatArray, y: IntArray, decay: float) -> list[FloatArray]:
    """Of the mean cross-entropy and decay / 2 * |W|^2, in the order of `parameters`."""
    outs = net.forward(x)
    delta = softmax(outs[-1])
    delta[np.arange(len(y)), y] -= 1
    delta /= len(y)
    found: list[FloatArray] = []
    for i in reversed(range(len(outs))):
        below = outs[i - 1] if i else x
        found = [delta.T @ below + np.float32(decay) * net.weights[i], delta.sum(axis=0), *found]
        if i:
            delta = (delta @ net.weights[i]) * (below > 0)
    return found


def softmax(z: FloatArray) -> FloatArray:
    """Over the last dimension."""
    p = np.exp(z - z.max(axis=-1, keepdims=True))
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


class Adam:
    """Kingma and Ba 2015; changes the parameters in place."""

    def __init__(self, parameters: Sequence[FloatArray], rate: float) -> None:
        self.parameters, self.rate, self.steps = parameters, rate, 0
        self.mean = [np.zeros_like(p) for p in parameters]
        self.square = [np.zeros_like(p) for p in parameters]

    def step(self, gradient: Sequence[FloatArray]) -> None:
        self.steps += 1
        fix1, fix2 = 1 - _BETA1**self.steps, 1 - _BETA2**self.steps
        for p, g, m, v in zip(self.parameters, gradient, self.mean, self.square, strict=True):
            m += np.float32(1 - _BETA1) * (g - m)
            v += np.float32(1 - _BETA2) * (g * g - v)
            p -= np.float32(self.rate / fix1) * m / (np.sqrt(v / np.float32(fix2)) + np.float32(_EPSILON))


def accuracy(net: DenseNet, x: FloatArray, y: IntArray) -> float:
    """Share of samples whose largest logit is the label's."""
    return float(np.mean(net.forward(x)[-1].argmax(axis=1) == y))
