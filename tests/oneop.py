"""Random models of one operation, and the oracle that says what they yield."""

from __future__ import annotations

from collections.abc import Callable
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


class _Draft:
    """A model under construction: tensor 0 is the input, the last operation's output is the output."""

    def __init__(self, rng: Rng, shape: Shape) -> None:
        self.rng = rng
        self.tensors = [_quantized(rng, "input", shape, _scale(rng))]
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


def random_oneop(rng: Rng) -> tuple[bytes, str]:
    """(a .tflite model with one int8 input and one int8 output, what it is).

    All operations of the first set, shapes small and odd, quantization ordinary and extreme. ADD may come with
    a 1x1 convolution that makes its second operand. The oracle accepts every one.
    """
    maker = _MAKERS[int(rng.integers(len(_MAKERS)))]
    draft, description = maker(rng)
    return draft.build(), description


def oracle_run(model: bytes, x: Int8Array) -> Int8Array:
    """What TensorFlow Lite Micro yields for the input x, of the model's input shape."""
    from tflite_micro import runtime

    # the default, ten times the file, is too small for large activations
    interpreter = runtime.Interpreter.from_bytes(model, arena_size=len(model) * 10 + 40 * x.size + 400_000)
    interpreter.set_input(np.ascontiguousarray(x), 0)
    interpreter.invoke()
    return np.array(interpreter.get_output(0), np.int8)


def random_input(rng: Rng, shape: Shape) -> Int8Array:
    """int8 values of this shape: mostly uniform, at times all at one end, or both ends only."""
    how = rng.integers(8)
    if how == 0:
        return np.full(shape, rng.choice([-128, 127, 0]), np.int8)
    if how == 1:
        return rng.choice(np.array([-128, 127], np.int8), shape)
    return rng.integers(-128, 128, shape, dtype=np.int8)


def _pick(rng: Rng, *choices: Any) -> Any:
    return choices[int(rng.integers(len(choices)))]


def _between(rng: Rng, low: int, high: int) -> int:
    return int(rng.integers(low, high + 1))


def _scale(rng: Rng) -> float:
    """Mostly of an everyday size."""
    low, high = (-2.5, -0.5) if rng.random() < 0.8 else (-5.0, 1.5)
    return float(np.float32(10 ** rng.uniform(low, high)))


def _zero_point(rng: Rng) -> int:
    return int(_pick(rng, -128, 127, 0, _between(rng, -128, 127), _between(rng, -128, 127)))


def _quantized(rng: Rng, name: str, shape: Shape, scale: float) -> TensorDef:
    return TensorDef(name, shape, scale=(scale,), zero_point=_zero_point(rng))


def _picture(rng: Rng) -> Shape:
    """(1, h, w, c): small, or now and then larger."""
    if rng.random() < 0.12:
        return (1, _between(rng, 8, 24), _between(rng, 8, 24), _between(rng, 1, 40))
    return (1, _between(rng, 1, 9), _between(rng, 1, 9), _between(rng, 1, 9))


def _window(rng: Rng, picture: Shape, dilations: tuple[int, ...] = (1,)) -> tuple[dict[str, int | str], Shape, Shape]:
    """(padding, strides and dilations as options, kernel height and width, output height and width)."""
    while True:
        kernel = (_between(rng, 1, 5), _between(rng, 1, 5))
        stride = (_between(rng, 1, 3), _between(rng, 1, 3))
        dilation = (int(_pick(rng, *dilations)), int(_pick(rng, *dilations)))
        padding = str(_pick(rng, "SAME", "VALID"))
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


def _layer(draft: _Draft, source: int, shape: Shape, axis: int, absent: bool = True) -> tuple[Shape, float]:
    """Weights and bias that read tensor `source`: (the operation's inputs, the output's scale).

    absent: an absent bias may be written as input -1, too.
    """
    rng, channels = draft.rng, shape[axis]
    values = _weights(rng, shape)
    taps = int(np.prod(shape)) // channels
    spread = float(np.sqrt(taps)) * 73 * 100  # the everyday size of an accumulator
    per_channel = rng.random() < 0.5
    scale = np.float32(_scale(rng)) * (rng.uniform(0.02, 1, channels) if per_channel else np.ones(1))
    scale = scale.astype(np.float32)
    weights = TensorDef("weights", shape, scale=_floats(scale), axis=axis if per_channel else 0, data=values)
    inputs: Shape = (source, draft.tensor(weights))
    bias_scale = (np.float32(draft.tensors[source].scale[0]) * scale).astype(np.float32)
    worst = taps * 255 * 127
    if rng.random() < 0.8:
        limit = int(_pick(rng, spread, spread, 1, 2**26)) + 1
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
        multiplier = 2.0 ** -_between(rng, 0, 12)
    else:
        multiplier = rng.uniform(30, 200) / spread
    multiplier = min(multiplier, _ROOM / worst / 2)
    return float(np.float32(unit / multiplier))


def _activation(rng: Rng) -> str:
    return str(_pick(rng, *_ACTIVATIONS))


def _conv(rng: Rng) -> tuple[_Draft, str]:
    draft = _Draft(rng, _picture(rng))
    shape = draft.tensors[0].shape
    options, kernel, size = _window(rng, shape, (1, 1, 1, 2))
    channels = _between(rng, 1, 9) if rng.random() < 0.85 else _between(rng, 10, 40)
    inputs, scale = _layer(draft, 0, (channels, *kernel, shape[3]), 0)
    options["activation"] = _activation(rng)
    draft.emit("CONV_2D", inputs, _quantized(rng, "output", (1, *size, channels), scale), **options)
    return draft, f"CONV_2D {shape} kernel {kernel} channels {channels} {options}"


def _depthwise(rng: Rng) -> tuple[_Draft, str]:
    draft = _Draft(rng, _picture(rng))
    shape = draft.tensors[0].shape
    options, kernel, size = _window(rng, shape)
    multiplier = _between(rng, 1, 4)
    channels = shape[3] * multiplier
    # the oracle crashes on a depthwise bias of index -1
    inputs, scale = _layer(draft, 0, (1, *kernel, channels), 3, absent=False)
    options |= {"activation": _activation(rng), "depth_multiplier": multiplier}
    draft.emit("DEPTHWISE_CONV_2D", inputs, _quantized(rng, "output", (1, *size, channels), scale), **options)
    return draft, f"DEPTHWISE_CONV_2D {shape} kernel {kernel} {options}"


def _dense(rng: Rng) -> tuple[_Draft, str]:
    in_n, out_n = _between(rng, 1, _pick(rng, 12, 200)), _between(rng, 1, _pick(rng, 12, 200))
    lead: Shape = _pick(rng, (1,), (1,), (1,), (1, _between(rng, 1, 5)), (1, _between(rng, 1, 4), _between(rng, 1, 4)))
    keep = len(lead) > 1 and rng.random() < 0.7
    draft = _Draft(rng, (*lead, in_n))
    inputs, scale = _layer(draft, 0, (out_n, in_n), 0)
    shape = (*lead, out_n) if keep else (int(np.prod(lead)), out_n)
    options: dict[str, int | str] = {"activation": _activation(rng), "keep_num_dims": int(keep)}
    draft.emit("FULLY_CONNECTED", inputs, _quantized(rng, "output", shape, scale), **options)
    return draft, f"FULLY_CONNECTED {(*lead, in_n)} to {shape} {options}"


def _pool(rng: Rng) -> tuple[_Draft, str]:
    kind = str(_pick(rng, "AVERAGE_POOL_2D", "MAX_POOL_2D"))
    draft = _Draft(rng, _picture(rng))
    shape = draft.tensors[0].shape
    options, kernel, size = _window(rng, shape)
    if rng.random() < 0.1:  # global
        options, kernel, size = {"padding": "VALID", "stride_h": 1, "stride_w": 1}, shape[1:3], (1, 1)
    options |= {"filter_h": kernel[0], "filter_w": kernel[1], "activation": _activation(rng)}
    draft.emit(kind, (0,), draft.like_input("output", (1, *size, shape[3])), **options)
    return draft, f"{kind} {shape} {options}"


def _add(rng: Rng) -> tuple[_Draft, str]:
    draft = _Draft(rng, _picture(rng))
    shape = draft.tensors[0].shape
    other = 0
    if rng.random() < 0.8:
        inputs, scale = _layer(draft, 0, (shape[3], 1, 1, shape[3]), 0)
        other = draft.emit(
            "CONV_2D", inputs, _quantized(rng, "other", shape, scale), padding="SAME", stride_h=1, stride_w=1
        )
    pair = (0, other) if rng.random() < 0.5 else (other, 0)
    scales = [draft.tensors[i].scale[0] for i in pair]
    # the oracle wants 2 max(s) / 2^20 < s_out; far from it in both directions
    ratio = rng.uniform(0.5, 2.5) if rng.random() < 0.7 else 2.0 ** rng.uniform(-10, 10)
    scale = float(np.float32(max(scales) * ratio))
    options = {"activation": _activation(rng)}
    draft.emit("ADD", pair, _quantized(rng, "output", shape, scale), **options)
    return draft, f"ADD {shape} scales {scales} to {scale} {options}"


def _reshape(rng: Rng) -> tuple[_Draft, str]:
    draft = _Draft(rng, _picture(rng))
    shape = draft.tensors[0].shape
    n = int(np.prod(shape))
    target: Shape = _pick(rng, (1, n), (1, shape[1] * shape[2], shape[3]), (1, shape[3], shape[1], shape[2]), (n,))
    asked = tuple(-1 if i == len(target) - 1 else size for i, size in enumerate(target))
    values = np.array(_pick(rng, target, asked), np.int32)
    wanted = draft.tensor(TensorDef("shape", values.shape, "int32", data=values))
    draft.emit("RESHAPE", (0, wanted), draft.like_input("output", target))
    return draft, f"RESHAPE {shape} to {target}"


def _softmax(rng: Rng) -> tuple[_Draft, str]:
    n = _between(rng, 1, _pick(rng, 12, 12, 200))
    shape: Shape = _pick(rng, (1, n), (1, n), (1, _between(rng, 1, 4), n), (1, 2, _between(rng, 1, 3), n))
    draft = _Draft(rng, shape)
    draft.emit("SOFTMAX", (0,), TensorDef("output", shape, scale=(1 / 256,), zero_point=-128), beta=1.0)
    return draft, f"SOFTMAX {shape} scale {draft.tensors[0].scale[0]}"


_MAKERS: tuple[Callable[[Rng], tuple[_Draft, str]], ...] = (
    *(_conv, _conv, _conv, _depthwise, _depthwise, _dense, _dense, _dense),
    *(_pool, _pool, _add, _add, _reshape, _softmax),
)
