"""Dense nets in float -> full-integer int8 .tflite files: our own post-training quantization, without TensorFlow.

The file is a chain of FULLY_CONNECTED operations, ReLU between them, that ends in logits. It goes through `load` and
`export` like any other, and `merge` puts learned weights back into it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.tflite import schema as schema
from sdfa.tflite.flatbuffer_writer import Node, Number, Numbers, Table, write_flatbuffer
from sdfa.tflite.graph import FloatArray

RAW_SCALE = 1 / 128
"""Real value of one unit where inputs are int8 already; their zero point is 0."""

_WEIGHTS_MAX = 1 << 26
_SMALLEST_ROW = 1 / 32  # of the largest row, for scales
_FC_VERSION = 4  # of FULLY_CONNECTED, the first with int8


@dataclass(frozen=True, eq=False)
class DenseNet:
    """weights: float (out, in) per layer, first to last. biases: float (out,) per layer. ReLU between the layers."""

    weights: Sequence[npt.NDArray[Any]]
    biases: Sequence[npt.NDArray[Any]]

    def __post_init__(self) -> None:
        sizes = [w.shape for w in self.weights]
        chain = all(a[0] == b[1] for a, b in itertools.pairwise(sizes))
        fits = len(self.biases) == len(sizes) and all(
            len(w) == 2 and b.shape == w[:1] for w, b in zip(sizes, self.biases, strict=False)
        )
        if not (sizes and chain and fits):
            raise SdfaError(f"layers of weights {sizes} and biases {[b.shape for b in self.biases]} are no chain")
        if not all(np.all(np.isfinite(a)) for a in (*self.weights, *self.biases)):
            raise SdfaError("the net has weights or biases that are not finite: training diverged; lower its rate")

    def forward(self, x: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """Outputs (n, out) of every layer for inputs (n, in); the last are the logits."""
        found, h = [], x
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            h = h @ w.T + b
            h = np.maximum(h, 0) if i < len(self.weights) - 1 else h
            found.append(h)
        return found


def parse_sizes(text: str) -> tuple[int, ...]:
    """ "64-32-10" -> (64, 32, 10). SdfaError unless it is at least two sizes of a net that can be."""
    parts = text.split("-")
    if len(parts) < 2 or not all(part.isascii() and part.isdecimal() and 0 < len(part) < 6 for part in parts):
        raise SdfaError(f"sizes {text!r}: give the width of the input and of each layer, such as 64-32-10")
    sizes = tuple(int(part) for part in parts)
    if min(sizes) < 1 or math.prod(sizes[:2]) > _WEIGHTS_MAX or max(sizes) > 65535:
        raise SdfaError(f"sizes {text!r}: each must be 1 to 65535, and a layer at most 2^26 weights")
    return sizes


def he_net(sizes: Sequence[int], rng: np.random.Generator) -> DenseNet:
    """Normally distributed weights of variance 2 / in (He et al. 2015, for ReLU), float32; biases 0."""
    pairs = list(itertools.pairwise(sizes))
    weights = [rng.normal(0, math.sqrt(2 / k), (n, k)).astype(np.float32) for k, n in pairs]
    return DenseNet(weights, [np.zeros(n, np.float32) for _, n in pairs])


def with_aligned_start(net: DenseNet, k: int, share: float, rng: np.random.Generator) -> DenseNet:
    """The same net, with weights behind its hidden layers that feedback with k errors per neuron fits from the start.

    Every hidden neuron is given k outputs, alternately + and -. The output layer has these weights and no others.
    Between hidden layers a `share` (0 to 1) of the weights' squared size connects neurons by how alike their outputs
    are, so that what a neuron does to the outputs, summed over all ways up, is near to its own k. Squared sizes of
    layers stay as they were.
    """
    classes = len(net.biases[-1])
    given = [_given(w.shape[0], classes, min(k, classes), rng) for w in net.weights[:-1]]
    weights = [net.weights[0]]
    for i, w in enumerate(net.weights[1:]):
        last = i + 2 == len(net.weights)
        alike = given[i].T if last else given[i + 1] @ given[i].T
        part = 1.0 if last else share
        size = float(np.linalg.norm(w)) / (float(np.linalg.norm(alike)) or 1.0)
        weights.append((math.sqrt(1 - part) * w + math.sqrt(part) * size * alike).astype(w.dtype))
    return DenseNet(weights, net.biases)


def _given(n: int, classes: int, k: int, rng: np.random.Generator) -> FloatArray:
    """(n, classes): k entries +1 or -1 in each row; every column has about as many, and sets are drawn evenly."""
    order = np.concatenate([rng.permutation(classes) for _ in range(-(-n * k // classes) + 1)])
    found = np.zeros((n, classes))
    at = 0
    for row in range(n):
        chosen: list[int] = []
        while len(chosen) < k:  # the next outputs in turn that this neuron does not have yet
            skip = next(i for i in range(at, len(order)) if order[i] not in chosen)
            order[at], order[skip] = order[skip], order[at]
            chosen.append(int(order[at]))
            at += 1
        found[row, chosen] = [(-1) ** (t + row) for t in range(k)]
    return found


@dataclass(frozen=True)
class Range:
    """Quantization of one tensor of activations: real = scale · (q − zero_point)."""

    scale: float
    zero_point: int


def input_range(x: npt.NDArray[Any]) -> Range:
    """Of the inputs x: their smallest and largest value and 0 just fit; int8 is taken as it is."""
    if x.dtype == np.int8:
        return Range(RAW_SCALE, 0)
    low, high = min(float(x.min()), 0.0), max(float(x.max()), 0.0)
    scale = _single((high - low) / 255)
    return Range(scale, round(-128 - low / scale))


def real_inputs(x: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """Inputs in real units, flattened to (n, in)."""
    real = x.reshape(len(x), -1).astype(np.float32)
    return real * np.float32(RAW_SCALE) if x.dtype == np.int8 else real


FROZEN_HEADROOM = 1.25
"""Room for inputs that were not seen. Weights that stay need none, and to outputs of more bits shorter steps belong."""


@dataclass(frozen=True)
class Scaling:
    """How the int8 ranges are chosen.

    headroom: how many times the largest value that was seen fits into the range, for weights, hidden outputs and
    logits; of the first `frozen` layers, which do not learn, at most FROZEN_HEADROOM. per_channel: a scale for each
    row of weights, or one for all. output_peak: the largest absolute output to make room for, where the net itself
    does not show it (targets of a regression).
    """

    headroom: float = 1.25
    per_channel: bool = True
    output_peak: float | None = None
    frozen: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.headroom <= 64:
            raise SdfaError(f"headroom {self.headroom:g}: from 1 to 64")

    def of_layer(self, i: int) -> Scaling:
        """For layer i alone."""
        return replace(self, headroom=min(self.headroom, FROZEN_HEADROOM)) if i < self.frozen else self


def quantize_dense(net: DenseNet, calibration: npt.NDArray[Any], scaling: Scaling) -> bytes:
    """The net as a .tflite file.

    calibration: inputs, float (n, *input) in real units, or int8 as they are; they say the shape of the input too.
    """
    if calibration.ndim < 2 or not len(calibration) or calibration[0].size != net.weights[0].shape[1]:
        shape = calibration.shape
        raise SdfaError(f"calibration inputs of shape {shape}: the net takes (n, {net.weights[0].shape[1]})")
    outputs = net.forward(real_inputs(calibration))
    ranges = [input_range(calibration)]
    ranges += [_hidden_range(h, scaling.of_layer(i).headroom) for i, h in enumerate(outputs[:-1])]
    ranges.append(_output_range(outputs[-1], scaling))
    return _write(net, tuple(calibration.shape[1:]), ranges, scaling)


def _single(value: float) -> float:
    """A scale as the file holds it; 1 / 255 for what is always 0, or as good as that."""
    return float(np.float32(value)) if value > 1e-30 else float(np.float32(1 / 255))


def _hidden_range(h: npt.NDArray[Any], headroom: float) -> Range:
    return Range(_single(headroom * float(h.max()) / 255), -128)


def _output_range(z: npt.NDArray[Any], scaling: Scaling) -> Range:
    peak = float(np.abs(z).max()) if scaling.output_peak is None else scaling.output_peak
    return Range(_single(scaling.headroom * peak / 127), 0)


def _weight_scale(w: FloatArray, scaling: Scaling) -> npt.NDArray[np.float32]:
    """float32 (out,) or (1,). A row of zeros gets the scale of the largest row, so that it can learn.

    A row of tiny weights (weight decay leaves them at neurons that are never active) gets a larger unit than it needs:
    a step in units of its own weights would limit the learning rate of the whole net.
    """
    top = np.abs(w).max(axis=1)
    largest = float(top.max()) or 1.0
    useful = np.where(top > 0, np.maximum(top, _SMALLEST_ROW * largest), largest)
    top = useful if scaling.per_channel else np.array([largest])
    return (scaling.headroom * top / 127).astype(np.float32)


def quantized_rows(w: FloatArray, b: FloatArray, a_scale: float, scaling: Scaling) -> tuple[Any, Any, Any]:
    """(scale float32 (out,) or (1,), weights int8 (out, in), bias int32 (out,))."""
    scale = _weight_scale(w, scaling)
    weights = np.clip(np.rint(w / scale[:, None].astype(np.float64)), -127, 127).astype(np.int8)
    bias = np.rint(b / (a_scale * scale.astype(np.float64)))
    return scale, weights, np.clip(bias, -(2**30), 2**30).astype(np.int32)


# --- the file ---


class _File:
    """Tensors, operations and buffers while they are collected."""

    def __init__(self) -> None:
        self.tensors: list[Table] = []
        self.ops: list[Table] = []
        self.buffers: list[Table] = [Table({})]  # the customary empty one

    def tensor(self, name: str, shape: Sequence[int], dtype: str, scale: Any, zero_point: int, data: Any = None) -> int:
        """Append a tensor; returns its index."""
        scales = np.atleast_1d(np.asarray(scale, "<f4"))
        quantization = Table(
            {2: Numbers(scales), 3: Numbers(np.full(len(scales), zero_point, "<i8"), 8), 6: Number("i", 0)}
        )
        buffer = 0
        if data is not None:
            buffer = len(self.buffers)
            self.buffers.append(Table({0: Numbers(np.frombuffer(data.tobytes(), np.uint8), 16)}))
        fields: dict[int, Number | Node] = {
            0: Numbers(np.asarray(shape, "<i4")),
            1: Number("b", schema.TYPES.index(dtype)),
            2: Number("I", buffer),
            3: name,
            4: quantization,
        }
        self.tensors.append(Table(fields))
        return len(self.tensors) - 1

    def dense(self, inputs: Sequence[int], output: int, activation: str) -> None:
        """Append a FULLY_CONNECTED operation."""
        union, options = schema.OPTIONS["FULLY_CONNECTED"]
        slot = next(number for name, number, _, _ in options if name == "activation")
        chosen = Table({slot: Number("b", schema.ENUMS["activation"].index(activation))})
        wires: dict[int, Number | Node] = {
            1: Numbers(np.asarray(inputs, "<i4")),
            2: Numbers(np.asarray([output], "<i4")),
        }
        self.ops.append(Table({0: Number("I", 0), **wires, 3: Number("B", union), 4: chosen}))

    def bytes(self, first: int, last: int) -> bytes:
        code = schema.OPERATORS.index("FULLY_CONNECTED")
        graph: dict[int, Number | Node] = {
            0: self.tensors, 1: Numbers(np.asarray([first], "<i4")), 2: Numbers(np.asarray([last], "<i4")),
            3: self.ops, 4: "main",
        }  # fmt: skip
        codes = [Table({0: Number("b", code), 2: Number("i", _FC_VERSION), 3: Number("i", code)})]
        model: dict[int, Number | Node] = {0: Number("I", 3), 1: codes, 2: [Table(graph)], 3: "sdfa", 4: self.buffers}
        return write_flatbuffer(Table(model), schema.IDENTIFIER)


def _write(net: DenseNet, shape: tuple[int, ...], ranges: Sequence[Range], scaling: Scaling) -> bytes:
    """ranges: of the input and of each layer's output."""
    file = _File()
    first = at = file.tensor("input", (1, *shape), "int8", ranges[0].scale, ranges[0].zero_point)
    for i, (w, b) in enumerate(zip(net.weights, net.biases, strict=True)):
        a, out, last = ranges[i], ranges[i + 1], i == len(net.weights) - 1
        real = np.asarray(w, np.float64), np.asarray(b, np.float64)
        scale, weights, bias = quantized_rows(*real, a.scale, scaling.of_layer(i))
        inputs = [
            at,
            file.tensor(f"dense{i}/weights", w.shape, "int8", scale, 0, weights),
            file.tensor(f"dense{i}/bias", b.shape, "int32", np.float32(a.scale) * scale, 0, bias),
        ]
        at = file.tensor("logits" if last else f"dense{i}", (1, len(b)), "int8", out.scale, out.zero_point)
        file.dense(inputs, at, "NONE" if last else "RELU")
    return file.bytes(first, at)
