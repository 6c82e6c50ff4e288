"""A small convolutional net in float32 numpy that learns by any rule: for the paper's claims about convolutions.

Pictures are (n, h, w, channels). Convolutions are 3x3, padded SAME, with a stride; ReLU everywhere but at the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.experiment.scratch import errors

FloatArray = npt.NDArray[np.float32]
KERNEL = 3


@dataclass(frozen=True)
class Shape:
    """convs: (channels, stride) of each. dense: widths, the last one is the number of classes."""

    convs: tuple[tuple[int, int], ...]
    dense: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Layer:
    """w: (inputs, outputs); inputs are 9 · channels of a window for a convolution. stride: 0 for a dense layer."""

    w: FloatArray
    b: FloatArray
    stride: int


@dataclass(frozen=True, eq=False)
class Trace:
    """What one forward pass leaves: per layer its inputs as rows (windows or vectors), and its outputs."""

    rows: list[FloatArray]
    outputs: list[FloatArray]


def new_net(picture: tuple[int, int, int], shape: Shape, rng: np.random.Generator) -> list[Layer]:
    """He weights, biases 0. picture: (h, w, channels) of the input."""
    h, w, c = picture
    layers = []
    for channels, stride in shape.convs:
        layers.append(_layer(KERNEL * KERNEL * c, channels, stride, rng))
        h, w, c = -(-h // stride), -(-w // stride), channels
    return layers + new_dense(h * w * c, shape.dense, rng)


def new_dense(inputs: int, widths: Sequence[int], rng: np.random.Generator) -> list[Layer]:
    """Dense layers alone."""
    layers = []
    for n in widths:
        layers.append(_layer(inputs, n, 0, rng))
        inputs = n
    return layers


def _layer(inputs: int, outputs: int, stride: int, rng: np.random.Generator) -> Layer:
    w = rng.normal(0, np.sqrt(2 / inputs), (inputs, outputs)).astype(np.float32)
    return Layer(w, np.zeros(outputs, np.float32), stride)


def forward(net: Sequence[Layer], x: FloatArray) -> Trace:
    """x: (n, h, w, c), or (n, inputs) for dense layers alone."""
    trace = Trace([], [])
    for i, layer in enumerate(net):
        rows = _windows(x, layer.stride) if layer.stride else x.reshape(len(x), -1)
        z = rows @ layer.w + layer.b
        x = np.maximum(z, 0) if i < len(net) - 1 else z
        trace.rows.append(rows)
        trace.outputs.append(x)
    return trace


def _windows(x: FloatArray, stride: int) -> FloatArray:
    """(n, oh, ow, 9 · c)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    h, w = x.shape[1:3]
    parts = [padded[:, dy : dy + h : stride, dx : dx + w : stride] for dy in range(KERNEL) for dx in range(KERNEL)]
    return np.concatenate(parts, axis=3)


def _spread(d: FloatArray, shape: tuple[int, ...], stride: int) -> FloatArray:
    """Transpose of _windows: (n, oh, ow, 9 · c) back to pictures of this shape."""
    n, h, w, c = shape
    padded = np.zeros((n, h + 2, w + 2, c), np.float32)
    for i, part in enumerate(np.split(d, KERNEL * KERNEL, axis=3)):
        dy, dx = divmod(i, KERNEL)
        padded[:, dy : dy + h : stride, dx : dx + w : stride] += part
    return padded[:, 1:-1, 1:-1]


def sparse_feedback(net: Sequence[Layer], trace: Trace, k: int, rng: np.random.Generator) -> list[FloatArray]:
    """B (units, classes) of each hidden layer, k entries per unit; rows as long as those of the output weights."""
    classes = len(net[-1].b)
    length = float(np.sqrt(np.mean(np.sum(net[-1].w ** 2, axis=1))))
    found = []
    for out in trace.outputs[:-1]:
        n = out[0].size
        b = np.zeros((n, classes), np.float32)
        index = np.argsort(rng.random((n, classes)), axis=1)[:, :k]
        np.put_along_axis(b, index, (rng.uniform(-1, 1, (n, k)) * length * np.sqrt(3 / k)).astype(np.float32), axis=1)
        found.append(b)
    return found


def step(
    net: Sequence[Layer],
    x: FloatArray,
    y: npt.NDArray[np.int64],
    feedback: Sequence[FloatArray] | None,
    rate: float,
    frozen: int = 0,
) -> None:
    """One batch, mean of its samples. feedback: None for back-propagation. frozen: first layers that do not learn."""
    trace = forward(net, x)
    e = errors(trace.outputs[-1], y, 0.0)
    d = e
    for i in reversed(range(frozen, len(net))):
        layer, rows = net[i], trace.rows[i]
        below = _below(net, trace, i, d, e, feedback, x) if i > frozen else d
        flat, grad = rows.reshape(-1, rows.shape[-1]), d.reshape(-1, d.shape[-1])
        layer.w[...] -= np.float32(rate / len(x)) * (flat.T @ grad)
        layer.b[...] -= np.float32(rate / len(x)) * grad.sum(axis=0)
        d = below


def _below(
    net: Sequence[Layer],
    trace: Trace,
    i: int,
    d: FloatArray,
    e: FloatArray,
    feedback: Sequence[FloatArray] | None,
    x: FloatArray,
) -> FloatArray:
    """The error of layer i - 1, in the form of its outputs, from the weights before the step."""
    out = trace.outputs[i - 1]
    if feedback is not None:
        found = e @ feedback[i - 1].T
    elif net[i].stride:
        found = _spread(d @ net[i].w.T, out.shape, net[i].stride)
    else:
        found = d @ net[i].w.T
    return np.asarray(found.reshape(out.shape) * (out > 0), np.float32)


def accuracy(net: Sequence[Layer], x: FloatArray, y: npt.NDArray[np.int64]) -> float:
    """Share of pictures whose largest logit is the label's."""
    parts = [forward(net, x[at : at + 500]).outputs[-1].argmax(axis=1) for at in range(0, len(x), 500)]
    return float(np.mean(np.concatenate(parts) == y))
