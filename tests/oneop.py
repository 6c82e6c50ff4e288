"""Random models of one operation, and the oracle that says what they yield."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.oneop_draft import (
    Draft,
    Int8Array,
    Rng,
    Shape,
    between,
    pick,
    quantized,
    random_activation,
    random_layer,
    random_picture,
    random_window,
)
from tests.oneop_more import MORE_MAKERS
from tests.tflite_format import TensorDef


def random_oneop(rng: Rng) -> tuple[bytes, str]:
    """(a .tflite model with one int8 input and one int8 output, what it is).

    All operations that the exporter knows, shapes small and odd, quantization ordinary and extreme. Operations of
    two operands may come with a convolution that makes the second. The oracle accepts every one.
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


def _conv(rng: Rng) -> tuple[Draft, str]:
    draft = Draft(rng, random_picture(rng))
    shape = draft.tensors[0].shape
    options, kernel, size = random_window(rng, shape, (1, 1, 1, 2, 3))
    channels = between(rng, 1, 9) if rng.random() < 0.85 else between(rng, 10, 40)
    inputs, scale = random_layer(draft, 0, (channels, *kernel, shape[3]), 0)
    options["activation"] = random_activation(rng)
    draft.emit("CONV_2D", inputs, quantized(rng, "output", (1, *size, channels), scale), **options)
    return draft, f"CONV_2D {shape} kernel {kernel} channels {channels} {options}"


def _depthwise(rng: Rng) -> tuple[Draft, str]:
    draft = Draft(rng, random_picture(rng))
    shape = draft.tensors[0].shape
    options, kernel, size = random_window(rng, shape, (1, 1, 2, 3))
    multiplier = between(rng, 1, 4)
    channels = shape[3] * multiplier
    # the oracle crashes on a depthwise bias of index -1
    inputs, scale = random_layer(draft, 0, (1, *kernel, channels), 3, absent=False)
    options |= {"activation": random_activation(rng), "depth_multiplier": multiplier}
    draft.emit("DEPTHWISE_CONV_2D", inputs, quantized(rng, "output", (1, *size, channels), scale), **options)
    return draft, f"DEPTHWISE_CONV_2D {shape} kernel {kernel} {options}"


def _dense(rng: Rng) -> tuple[Draft, str]:
    in_n, out_n = between(rng, 1, pick(rng, 12, 200)), between(rng, 1, pick(rng, 12, 200))
    lead: Shape = pick(rng, (1,), (1,), (1,), (1, between(rng, 1, 5)), (1, between(rng, 1, 4), between(rng, 1, 4)))
    keep = len(lead) > 1 and rng.random() < 0.7
    draft = Draft(rng, (*lead, in_n))
    inputs, scale = random_layer(draft, 0, (out_n, in_n), 0)
    shape = (*lead, out_n) if keep else (int(np.prod(lead)), out_n)
    options: dict[str, int | str] = {"activation": random_activation(rng), "keep_num_dims": int(keep)}
    draft.emit("FULLY_CONNECTED", inputs, quantized(rng, "output", shape, scale), **options)
    return draft, f"FULLY_CONNECTED {(*lead, in_n)} to {shape} {options}"


def _pool(rng: Rng) -> tuple[Draft, str]:
    kind = str(pick(rng, "AVERAGE_POOL_2D", "MAX_POOL_2D"))
    draft = Draft(rng, random_picture(rng))
    shape = draft.tensors[0].shape
    options, kernel, size = random_window(rng, shape)
    if rng.random() < 0.1:  # global
        options, kernel, size = {"padding": "VALID", "stride_h": 1, "stride_w": 1}, shape[1:3], (1, 1)
    options |= {"filter_h": kernel[0], "filter_w": kernel[1], "activation": random_activation(rng)}
    draft.emit(kind, (0,), draft.like_input("output", (1, *size, shape[3])), **options)
    return draft, f"{kind} {shape} {options}"


def _add(rng: Rng) -> tuple[Draft, str]:
    draft = Draft(rng, random_picture(rng))
    shape = draft.tensors[0].shape
    other = 0
    if rng.random() < 0.8:
        inputs, scale = random_layer(draft, 0, (shape[3], 1, 1, shape[3]), 0)
        other = draft.emit(
            "CONV_2D", inputs, quantized(rng, "other", shape, scale), padding="SAME", stride_h=1, stride_w=1
        )
    pair = (0, other) if rng.random() < 0.5 else (other, 0)
    scales = [draft.tensors[i].scale[0] for i in pair]
    # the oracle wants 2 max(s) / 2^20 < s_out; far from it in both directions
    ratio = rng.uniform(0.5, 2.5) if rng.random() < 0.7 else 2.0 ** rng.uniform(-10, 10)
    scale = float(np.float32(max(scales) * ratio))
    options = {"activation": random_activation(rng)}
    draft.emit("ADD", pair, quantized(rng, "output", shape, scale), **options)
    return draft, f"ADD {shape} scales {scales} to {scale} {options}"


def _reshape(rng: Rng) -> tuple[Draft, str]:
    draft = Draft(rng, random_picture(rng))
    shape = draft.tensors[0].shape
    n = int(np.prod(shape))
    target: Shape = pick(rng, (1, n), (1, shape[1] * shape[2], shape[3]), (1, shape[3], shape[1], shape[2]), (n,))
    asked = tuple(-1 if i == len(target) - 1 else size for i, size in enumerate(target))
    values = np.array(pick(rng, target, asked), np.int32)
    wanted = draft.tensor(TensorDef("shape", values.shape, "int32", data=values))
    draft.emit("RESHAPE", (0, wanted), draft.like_input("output", target))
    return draft, f"RESHAPE {shape} to {target}"


def _softmax(rng: Rng) -> tuple[Draft, str]:
    n = between(rng, 1, pick(rng, 12, 12, 200))
    shape: Shape = pick(rng, (1, n), (1, n), (1, between(rng, 1, 4), n), (1, 2, between(rng, 1, 3), n))
    draft = Draft(rng, shape)
    draft.emit("SOFTMAX", (0,), TensorDef("output", shape, scale=(1 / 256,), zero_point=-128), beta=1.0)
    return draft, f"SOFTMAX {shape} scale {draft.tensors[0].scale[0]}"


_MAKERS: tuple[Callable[[Rng], tuple[Draft, str]], ...] = (
    *(_conv, _conv, _conv, _depthwise, _depthwise, _dense, _dense, _dense),
    *(_pool, _pool, _add, _add, _reshape, _softmax),
    *MORE_MAKERS,
)
