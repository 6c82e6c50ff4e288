"""Sensible random networks as .tflite files, for tests of inference and of learning."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.tflite_format import Array, OpDef, TensorDef, write_model

__all__ = ["Net", "OpDef", "TensorDef", "cnn", "dense_net", "out_size", "write_model"]

Range = tuple[float, int]  # scale, zero point


class Net:
    """A chain of layers with random weights, and scales that neither saturate nor waste the range.

    `at` is the tensor that the next layer reads, `power` the expected square of its values. Layers aim at
    normally distributed pre-activations and give them a range of four standard deviations.
    """

    def __init__(
        self, rng: np.random.Generator, shape: tuple[int, ...], scale: float = 1 / 64, zero_point: int = 0
    ) -> None:
        self.rng = rng
        self.tensors = [TensorDef("input", (1, *shape), scale=(scale,), zero_point=zero_point)]
        self.ops: list[OpDef] = []
        self.at = 0
        self.power = float(np.mean((np.arange(-128, 128) - zero_point) ** 2)) * scale**2

    @property
    def shape(self) -> tuple[int, ...]:
        return self.tensors[self.at].shape

    @property
    def scale(self) -> float:
        return self.tensors[self.at].scale[0]

    def tensor(self, tensor: TensorDef) -> int:
        """Append a tensor; returns its index."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def constant(self, name: str, values: Array, dtype: str = "int32") -> int:
        return self.tensor(TensorDef(f"{name}{len(self.tensors)}", values.shape, dtype, data=values))

    def emit(
        self,
        kind: str,
        inputs: tuple[int, ...],
        shape: tuple[int, ...],
        like: Range,
        **options: int | str,
    ) -> None:
        """Append an operation whose output has this shape and (scale, zero point), and go on from there."""
        name = f"{kind.lower()}{len(self.ops)}"
        out = self.tensor(TensorDef(name, shape, scale=(like[0],), zero_point=like[1]))
        self.ops.append(OpDef(kind, inputs, (out,), options))
        self.at = out

    def weigh(
        self,
        shape: tuple[int, ...],
        axis: int,
        *,
        activation: str,
        per_channel: bool = False,
        bias: bool = True,
        sigma: float | None = None,
        headroom: float = 1.0,
    ) -> tuple[tuple[int, ...], Range]:
        """Weights and bias of a layer: (the operation's inputs, the output's scale and zero point).

        sigma: standard deviation of the pre-activation; without it power stays as it is (He).
        headroom: how many times the largest weight fits into the weights' range.
        """
        channels = shape[axis]
        fan_in = int(np.prod(shape)) // channels
        rectified = activation != "NONE"
        sigma = sigma or float(np.sqrt(self.power * (2 if rectified else 1)))
        real = self.rng.normal(0, sigma / np.sqrt(fan_in * self.power), shape)
        rest = tuple(i for i in range(len(shape)) if i != axis)
        top = np.abs(real).max(rest, keepdims=True) if per_channel else np.abs(real).max()
        scale = np.maximum(np.asarray(headroom * top / 127, np.float32), np.float32(1e-8))
        name = f"weights{len(self.tensors)}"
        values = np.clip(np.rint(real / scale), -127, 127).astype(np.int8)
        flat = tuple(float(s) for s in scale.reshape(-1))
        weights = self.tensor(TensorDef(name, shape, scale=flat, axis=axis, data=values))
        inputs: tuple[int, ...] = (self.at, weights)
        if bias:
            inputs += (self._bias(flat, channels, 0.1 * sigma),)
        self.power = sigma**2 / (2 if rectified else 1)
        return inputs, _range(sigma, activation)

    def _bias(self, weight_scale: tuple[float, ...], channels: int, sigma: float) -> int:
        scale = np.float32(self.scale) * np.asarray(weight_scale, np.float32)
        values = np.rint(self.rng.normal(0, sigma, channels) / scale).astype(np.int32)
        flat = tuple(float(s) for s in scale)
        return self.tensor(TensorDef(f"bias{len(self.tensors)}", (channels,), "int32", flat, data=values))

    def dense(self, n: int, activation: str = "RELU", **how: Any) -> Net:
        """A fully connected layer over the last dimension; `how` as in weigh."""
        inputs, like = self.weigh((n, self.shape[-1]), 0, activation=activation, **how)
        shape = (*self.shape[:-1], n)
        self.emit("FULLY_CONNECTED", inputs, shape, like, activation=activation, keep_num_dims=int(len(shape) > 2))
        return self

    def conv(
        self, n: int, k: int = 3, stride: int = 1, padding: str = "SAME", activation: str = "RELU", **how: Any
    ) -> Net:
        inputs, like = self.weigh((n, k, k, self.shape[-1]), 0, activation=activation, **how)
        self._slide("CONV_2D", inputs, like, n, k, stride, padding, activation=activation)
        return self

    def depthwise(
        self,
        k: int = 3,
        stride: int = 1,
        padding: str = "SAME",
        activation: str = "RELU",
        multiplier: int = 1,
        **how: Any,
    ) -> Net:
        n = self.shape[-1] * multiplier
        inputs, like = self.weigh((1, k, k, n), 3, activation=activation, **how)
        options: dict[str, int | str] = {"activation": activation, "depth_multiplier": multiplier}
        self._slide("DEPTHWISE_CONV_2D", inputs, like, n, k, stride, padding, **options)
        return self

    def pool(self, kind: str = "MAX_POOL_2D", k: int = 2, padding: str = "VALID") -> Net:
        like = (self.scale, self.tensors[self.at].zero_point)
        self._slide(kind, (self.at,), like, self.shape[-1], k, k, padding, filter_h=k, filter_w=k)
        return self

    def _slide(
        self,
        kind: str,
        inputs: tuple[int, ...],
        like: Range,
        n: int,
        k: int,
        stride: int,
        padding: str,
        **more: int | str,
    ) -> None:
        """Append an operation that moves a k x k window."""
        size = [out_size(s, k, stride, padding) for s in self.shape[1:3]]
        self.emit(kind, inputs, (1, *size, n), like, padding=padding, stride_w=stride, stride_h=stride, **more)

    def add(self, other: int, activation: str = "NONE") -> Net:
        """The sum of the present tensor and that of index `other`."""
        sigma = float(np.sqrt(2 * self.power))
        self.power *= 2
        self.emit("ADD", (self.at, other), self.shape, _range(sigma, activation), activation=activation)
        return self

    def flatten(self, open_batch: bool = False) -> Net:
        """A RESHAPE to (1, n); with an open batch as Keras does it, by SHAPE, STRIDED_SLICE and PACK."""
        n = int(np.prod(self.shape))
        like = (self.scale, self.tensors[self.at].zero_point)
        target = self._batch_shape(n) if open_batch else self.constant("shape", np.array([1, n], np.int32))
        self.emit("RESHAPE", (self.at, target), (1, n), like)
        return self

    def _batch_shape(self, n: int) -> int:
        size = self.tensor(TensorDef("size", (len(self.shape),), "int32"))
        self.ops.append(OpDef("SHAPE", (self.at,), (size,), {"out_type": "int32"}))
        values = (("begin", 0), ("end", 1), ("stride", 1))
        parts = [self.constant(name, np.array([value], np.int32)) for name, value in values]
        batch = self.tensor(TensorDef("batch", (), "int32"))
        self.ops.append(OpDef("STRIDED_SLICE", (size, *parts), (batch,), {"shrink_axis_mask": 1}))
        width = self.constant("width", np.array(n, np.int32))
        packed = self.tensor(TensorDef("packed", (2,), "int32"))
        self.ops.append(OpDef("PACK", (batch, width), (packed,), {"values_count": 2, "axis": 0}))
        return packed

    def softmax(self) -> Net:
        out = self.tensor(TensorDef("softmax", self.shape, scale=(1 / 256,), zero_point=-128))
        self.ops.append(OpDef("SOFTMAX", (self.at,), (out,), {"beta": 1.0}))
        self.at = out
        return self

    def build(self) -> bytes:
        return write_model(self.tensors, self.ops, [0], [self.at])


def out_size(size: int, k: int, stride: int, padding: str, dilation: int = 1) -> int:
    """How many windows of k taps fit; below 1 for VALID windows that are larger than the picture."""
    return -(-size // stride) if padding == "SAME" else (size - (k - 1) * dilation - 1) // stride + 1


def _range(sigma: float, activation: str) -> Range:
    """(scale, zero point) for normally distributed pre-activations."""
    if activation == "NONE":
        return 8 * sigma / 255, 3
    return (min(6.0, 4 * sigma) if activation == "RELU6" else 4 * sigma) / 255, -128


def dense_net(
    rng: np.random.Generator,
    sizes: Sequence[int],
    *,
    softmax: bool,
    per_channel: bool,
    hidden_activation: str = "RELU",
    logit_sigma: float = 2.0,
    headroom: float = 1.0,
    bias: bool = True,
    input_scale: float = 1 / 64,
    input_zero_point: int = 0,
) -> bytes:
    """Dense layers sizes[0] - ... - sizes[-1]; the logits have the standard deviation `logit_sigma`."""
    net = Net(rng, (sizes[0],), input_scale, input_zero_point)
    how: dict[str, Any] = {"per_channel": per_channel, "headroom": headroom, "bias": bias}
    for n in sizes[1:-1]:
        net.dense(n, hidden_activation, **how)
    net.dense(sizes[-1], "NONE", sigma=logit_sigma, **how)
    return net.softmax().build() if softmax else net.build()


def cnn(
    rng: np.random.Generator,
    shape: tuple[int, int, int] = (12, 12, 2),
    *,
    channels: int = 8,
    hidden: Sequence[int] = (16,),
    classes: int = 10,
    softmax: bool = True,
    per_channel: bool = True,
    residual: bool = True,
    open_batch: bool = False,
    activation: str = "RELU",
) -> bytes:
    """Conv, depthwise, (conv and ADD,) both poolings, RESHAPE, dense layers, softmax."""
    net = Net(rng, shape)
    how: dict[str, Any] = {"per_channel": per_channel}
    net.conv(channels, activation=activation, **how).depthwise(multiplier=2, activation=activation, **how)
    net.conv(channels, k=1, activation=activation, **how).pool("MAX_POOL_2D")
    if residual:
        skip = net.at
        net.conv(channels, activation="NONE", **how).add(skip, activation)
    net.pool("AVERAGE_POOL_2D").flatten(open_batch)
    for n in hidden:
        net.dense(n, activation)
    net.dense(classes, "NONE", sigma=2.0)
    return net.softmax().build() if softmax else net.build()
