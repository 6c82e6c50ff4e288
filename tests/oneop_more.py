"""Makers of random models of one operation: all but layers with weights, pooling and softmax."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.oneop_draft import (
    Draft,
    Rng,
    Shape,
    between,
    pick,
    quantized,
    random_activation,
    random_layer,
    random_picture,
)
from tests.tflite_format import TensorDef
from tests.tflite_writer import out_size

Made = tuple[Draft, str]
# ratios of scales that put results onto ties of rounding, where the width of the multiplier's arithmetic shows
_TIES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.5)


def _rescaled(rng: Rng, scale: float, low: float = 0.1, high: float = 10.0) -> float:
    """Another scale, `low` to `high` times this one; often on ties, or the same."""
    ratio = float(pick(rng, *_TIES)) if rng.random() < 0.4 else float(np.exp(rng.uniform(np.log(low), np.log(high))))
    return float(np.float32(scale / ratio))


def _constant(draft: Draft, name: str, values: list[int] | list[list[int]]) -> int:
    data = np.array(values, np.int32)
    return draft.tensor(TensorDef(name, data.shape, "int32", data=data))


def _other(draft: Draft, shape: Shape, out: TensorDef) -> int:
    """A second operand: a 1x1 convolution of the input, all its channels from all of `shape`."""
    inputs, _ = random_layer(draft, 0, (out.shape[3], 1, 1, shape[3]), 0)
    return draft.emit("CONV_2D", inputs, out, padding="SAME", stride_h=1, stride_w=1)


def _reduction(rng: Rng) -> tuple[Draft, list[int], Shape, bool]:
    """Of a picture or of a signal: the input, axes, shape of the output, whether it keeps its dimensions."""
    keep, signal = bool(rng.random() < 0.5), bool(rng.random() < 0.3)
    shape = random_picture(rng)
    draft = Draft(rng, (1, *shape[2:]) if signal else shape)
    axes = pick(rng, [1], [-2]) if signal else pick(rng, [1, 2], [2, 1], [-3, -2])
    ones = (1,) if signal else (1, 1)
    return draft, axes, (1, *(ones if keep else ()), shape[3]), keep


def _reduce_max(rng: Rng) -> Made:
    draft, axes, made, keep = _reduction(rng)
    draft.emit("REDUCE_MAX", (0, _constant(draft, "axes", axes)), draft.like_input("output", made), keep_dims=int(keep))
    return draft, f"REDUCE_MAX {draft.tensors[0].shape} axes {axes} keep {keep}"


def _mean(rng: Rng) -> Made:
    draft, axes, made, keep = _reduction(rng)
    shape, scale = draft.tensors[0].shape, draft.tensors[0].scale[0]
    out = quantized(rng, "output", made, _rescaled(rng, scale, 0.5, 40.0))
    if rng.random() < 0.3:
        out = draft.like_input("output", made)
    draft.emit("MEAN", (0, _constant(draft, "axes", axes)), out, keep_dims=int(keep))
    return draft, f"MEAN {shape} axes {axes} keep {keep} scales {scale} to {out.scale[0]}"


def _paddings(rng: Rng) -> list[list[int]]:
    most = pick(rng, 1, 2, 4)
    return [[0, 0], *([between(rng, 0, most), between(rng, 0, most)] for _ in range(2)), [0, 0]]


def _pad(draft: Draft) -> tuple[int, str]:
    """PAD or PADV2 behind the input: (the output, what it is)."""
    rng, source = draft.rng, draft.tensors[0]
    pads = _paddings(rng)
    shape = tuple(n + sum(p) for n, p in zip(source.shape, pads, strict=True))
    inputs: Shape = (0, _constant(draft, "paddings", pads))
    kind = str(pick(rng, "PAD", "PADV2"))
    if kind == "PADV2":
        value = np.array([source.zero_point], np.int8)
        inputs += (draft.tensor(TensorDef("value", (1,), "int8", source.scale, source.zero_point, data=value)),)
    return draft.emit(kind, inputs, draft.like_input("padded", shape)), f"{kind} {source.shape} {pads}"


def _pad_alone(rng: Rng) -> Made:
    draft = Draft(rng, random_picture(rng))
    return draft, _pad(draft)[1]


def _pad_conv(rng: Rng) -> Made:
    """A convolution that can do the padding by itself, or not: kernels smaller than the padding come up."""
    draft = Draft(rng, random_picture(rng))
    at, what = _pad(draft)
    shape = draft.tensors[at].shape
    kernel = [between(rng, 1, min(4, n)) for n in shape[1:3]]
    stride = [between(rng, 1, 3) for _ in range(2)]
    size = [out_size(shape[1 + i], kernel[i], stride[i], "VALID") for i in (0, 1)]
    options: dict[str, int | str] = {"padding": "VALID", "stride_h": stride[0], "stride_w": stride[1]}
    deep = bool(rng.random() < 0.5)
    n = shape[3] if deep else between(rng, 1, 6)
    weights = (1, *kernel, n) if deep else (n, *kernel, shape[3])
    inputs, scale = random_layer(draft, at, weights, 3 if deep else 0, absent=False)
    kind = "DEPTHWISE_CONV_2D" if deep else "CONV_2D"
    more: dict[str, int | str] = {"depth_multiplier": 1} if deep else {}
    draft.emit(kind, inputs, quantized(rng, "output", (1, *size, n), scale), **options, **more)
    return draft, f"{kind} kernel {kernel} {options} behind {what}"


def _concatenation(rng: Rng) -> Made:
    """Of a picture, parts of several lengths along an axis; or of a tensor of any rank, parts of its own shape."""
    if rng.random() < 0.35:
        return _concatenation_of_any_rank(rng)
    draft = Draft(rng, random_picture(rng))
    axis = between(rng, 1, 3)
    return _joined(draft, axis, [0, *(_longer(draft, axis) for _ in range(between(rng, 0, 3)))])


def _concatenation_of_any_rank(rng: Rng) -> Made:
    """Axis 0 too."""
    draft = Draft(rng, tuple(between(rng, 1, 7) for _ in range(between(rng, 1, 4))))
    shape = draft.tensors[0].shape
    capped = [draft.emit("RELU6", (0,), draft.like_input("part", shape)) for _ in range(between(rng, 0, 2))]
    return _joined(draft, between(rng, 0, len(shape) - 1), [0, *capped])


def _joined(draft: Draft, axis: int, parts: list[int]) -> Made:
    rng, shape = draft.rng, draft.tensors[0].shape
    rng.shuffle(parts)
    whole = sum(draft.tensors[part].shape[axis] for part in parts)
    made = tuple(whole if i == axis else n for i, n in enumerate(shape))
    written = axis if rng.random() < 0.5 else axis - len(shape)
    draft.emit("CONCATENATION", tuple(parts), draft.like_input("output", made), axis=written)
    return draft, f"CONCATENATION {shape} axis {written} of {len(parts)}"


def _longer(draft: Draft, axis: int) -> int:
    """The input padded along the axis, or, along the channels, a convolution."""
    shape, more = draft.tensors[0].shape, between(draft.rng, 0, 3)
    made = tuple(n + more if i == axis else n for i, n in enumerate(shape))
    if axis == 3:
        return _other(draft, shape, draft.like_input("part", made))
    pads = [[more, 0] if i == axis else [0, 0] for i in range(4)]
    return draft.emit("PAD", (0, _constant(draft, "paddings", pads)), draft.like_input("part", made))


def _pair(rng: Rng, kind: str) -> Made:
    draft = Draft(rng, random_picture(rng))
    shape, scale = draft.tensors[0].shape, draft.tensors[0].scale[0]
    other = _other(draft, shape, quantized(rng, "other", shape, _rescaled(rng, scale)))
    pair = (0, other) if rng.random() < 0.5 else (other, 0)
    scales = [draft.tensors[i].scale[0] for i in pair]
    wide = max(scales) if kind == "SUB" else 64 * scales[0] * scales[1]
    out = quantized(rng, "output", shape, _rescaled(rng, wide, 0.3, 3.0))
    draft.emit(kind, pair, out, activation=random_activation(rng))
    return draft, f"{kind} {shape} scales {scales} to {out.scale[0]}"


def _sub(rng: Rng) -> Made:
    return _pair(rng, "SUB")


def _mul(rng: Rng) -> Made:
    return _pair(rng, "MUL")


def _alias(rng: Rng) -> Made:
    """SQUEEZE of all dimensions that are 1, or EXPAND_DIMS."""
    n = between(rng, 2, 40)
    squeeze = bool(rng.random() < 0.5)
    draft = Draft(rng, (1, 1, 1, n) if squeeze else (1, n))
    inputs: Shape = (0,) if squeeze else (0, _constant(draft, "axis", [1]))
    kind = "SQUEEZE" if squeeze else "EXPAND_DIMS"
    draft.emit(kind, inputs, draft.like_input("output", (n,) if squeeze else (1, 1, n)))
    return draft, f"{kind} to {n}"


# kind -> (scale, zero point) that its output must have
_FIXED = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}
_FUNCTIONS = ("LOGISTIC", "LOGISTIC", "TANH", "TANH", "RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "QUANTIZE")


def _function(rng: Rng) -> Made:
    """A function of one value."""
    kind = str(pick(rng, *_FUNCTIONS))
    return function_model(rng, kind, random_picture(rng))


def function_model(rng: Rng, kind: str, shape: Shape) -> Made:
    """LOGISTIC, TANH, a kind of RELU, HARD_SWISH or QUANTIZE with random scales and zero points."""
    draft = Draft(rng, shape)
    scale = draft.tensors[0].scale[0]
    if kind in _FIXED:
        out = TensorDef("output", shape, scale=(_FIXED[kind][0],), zero_point=_FIXED[kind][1])
    elif kind == "RELU6":  # the oracle does not rescale
        out = draft.like_input("output", shape)
    else:
        out = quantized(rng, "output", shape, _rescaled(rng, scale))
    options = {"alpha": float(pick(rng, 0.0, 0.1, 0.2, 0.25, 0.5, 1.5, rng.random()))} if kind == "LEAKY_RELU" else {}
    draft.emit(kind, (0,), out, **options)
    return draft, f"{kind} {shape} scales {scale} to {out.scale[0]} {options}"


MORE_MAKERS: tuple[Callable[[Rng], Made], ...] = (
    *(_mean, _mean, _pad_alone, _pad_conv, _pad_conv, _concatenation, _concatenation),
    *(_sub, _mul, _mul, _alias, _function, _function, _function, _reduce_max),
)
