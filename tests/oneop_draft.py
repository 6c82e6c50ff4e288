"""What the makers of random models share: a model under construction, random shapes, scales and weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from tests.tflite_format import OpDef, TensorDef, write_model
from tests.tflite_writer import out_size

Int8Array = npt.NDArray[np.int8]
Rng = np.random.Generator
Shape = tuple[int, ...]

# what an accumulator may become after its left shift and multiplier: more is undefined in the oracle
_ROOM = 2**30
_ACTIVATIONS = ("NONE", "RELU", "RELU6")


class Draft:
    """A model under construction: tensor 0 is the input, the last operation's output is the output."""

    def __init__(self, rng: Rng, shape: Shape) -> None:
        self.rng = rng
        self.tensors = [quantized(rng, "input", shape, random_scale(rng))]
        self.ops: list[OpDef] = []

    def tensor(self, tensor: TensorDef) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def emit(self, kind: str, inputs: Shape, out: TensorDef, **options: int | float | str) -> int:
        index = self.tensor(out)
        self.ops.append(OpDef(kind, inputs, (index,), options))
        return index

    def like_input(self, name: str, shape: Shape) -> TensorDef:
        source = self.tensors[0]
        return TensorDef(name, shape, scale=source.scale, zero_point=source.zero_point)

    def build(self) -> bytes:
        return write_model(self.tensors, self.ops, [0], self.ops[-1].outputs)


def pick(rng: Rng, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def between(rng: Rng, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def random_scale(rng: Rng) -> float:
    """Mostly of an everyday size."""
    low, high = (-2.5, -0.5) if rng.random() < 0.8 else (-5.0, 1.5)
    return float(np.float32(10 ** rng.uniform(low, high)))


def random_zero_point(rng: Rng) -> int:
    return int(pick(rng, -128, 127, 0, between(rng, -128, 127), between(rng, -128, 127)))


def quantized(rng: Rng, name: str, shape: Shape, scale: float) -> TensorDef:
    return TensorDef(name, shape, scale=(scale,), zero_point=random_zero_point(rng))


def random_picture(rng: Rng) -> Shape:
    """(1, h, w, c): small, or now and then larger."""
    if rng.random() < 0.12:
        return (1, between(rng, 8, 24), between(rng, 8, 24), between(rng, 1, 40))
    return (1, between(rng, 1, 9), between(rng, 1, 9), between(rng, 1, 9))


def random_window(
    rng: Rng, picture: Shape, dilations: tuple[int, ...] = (1,)
) -> tuple[dict[str, int | str], Shape, Shape]:
    """(padding, strides and dilations as options, kernel height and width, output height and width)."""
    while True:
        kernel = (between(rng, 1, 5), between(rng, 1, 5))
        stride = (between(rng, 1, 3), between(rng, 1, 3))
        dilation = (int(pick(rng, *dilations)), int(pick(rng, *dilations)))
        padding = str(pick(rng, "SAME", "VALID"))
        size = tuple(out_size(picture[1 + i], kernel[i], stride[i], padding, dilation[i]) for i in (0, 1))
        if min(size) >= 1:
            break
    options: dict[str, int | str] = {"padding": padding, "stride_h": stride[0], "stride_w": stride[1]}
    if max(dilations) > 1:
        options |= {"dilation_h": dilation[0], "dilation_w": dilation[1]}
    return options, kernel, size


def _weights(rng: Rng, shape: Shape) -> Int8Array:
    """Weights in -127 ... 127, sometimes all at the ends, sometimes with channels of zeros."""
    values = rng.integers(-127, 128, shape).astype(np.int8)
    how = rng.integers(10)
    if how == 0:
        return np.where(values > 0, 127, -127).astype(np.int8)
    if how == 1:
        return np.where(rng.random(shape) < 0.7, 0, values).astype(np.int8)
    return values


def random_layer(draft: Draft, source: int, shape: Shape, axis: int, absent: bool = True) -> tuple[Shape, float]:
    """Weights and bias that read tensor `source`: (the operation's inputs, the output's scale).

    absent: an absent bias may be written as input -1, too.
    """
    rng, channels = draft.rng, shape[axis]
    values = _weights(rng, shape)
    taps = int(np.prod(shape)) // channels
    spread = float(np.sqrt(taps)) * 73 * 100  # the everyday size of an accumulator
    per_channel = rng.random() < 0.5
    scale = np.float32(random_scale(rng)) * (rng.uniform(0.02, 1, channels) if per_channel else np.ones(1))
    scale = scale.astype(np.float32)
    weights = TensorDef("weights", shape, scale=_floats(scale), axis=axis if per_channel else 0, data=values)
    inputs: Shape = (source, draft.tensor(weights))
    bias_scale = (np.float32(draft.tensors[source].scale[0]) * scale).astype(np.float32)
    worst = taps * 255 * 127
    if rng.random() < 0.8:
        limit = int(pick(rng, spread, spread, 1, 2**26)) + 1
        worst += limit
        bias = TensorDef("bias", (channels,), "int32", _floats(bias_scale), 0, 0, _ints(rng, limit, channels))
        inputs += (draft.tensor(bias),)
    elif absent and rng.random() < 0.5:
        inputs += (-1,)
    return inputs, _out_scale(rng, float(bias_scale.max()), spread, worst)


def _floats(values: npt.NDArray[np.float32]) -> tuple[float, ...]:
    return tuple(float(v) for v in values)


def _ints(rng: Rng, limit: int, count: int) -> npt.NDArray[np.int32]:
    return rng.integers(-limit, limit + 1, count).astype(np.int32)


def _out_scale(rng: Rng, unit: float, spread: float, worst: int) -> float:
    """An output scale for accumulators in `unit`: fitting, or with a multiplier of 1 or more, or tiny."""
    how = rng.integers(12)
    if how == 0:  # shifts to the left
        multiplier = 2.0 ** rng.uniform(0, 6)
    elif how == 1:  # everything vanishes; at 2^-32 and below the multiplier becomes 0
        multiplier = 2.0 ** -rng.uniform(20, 34)
    elif how == 2:  # a power of two, where rounding has its ties
        multiplier = 2.0 ** -between(rng, 0, 12)
    else:
        multiplier = rng.uniform(30, 200) / spread
    multiplier = min(multiplier, _ROOM / worst / 2)
    return float(np.float32(unit / multiplier))


def random_activation(rng: Rng) -> str:
    return str(pick(rng, *_ACTIVATIONS))
