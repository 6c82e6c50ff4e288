"""Inference of an image (firmware/SPEC.md section 2) in numpy, for many samples at once.

Tensors are values here, not places in an arena, so that a plan that overlaps two living tensors shows as a
difference from the C runtime.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.checks import ints, size
from sdfa.image.packing import plain_weights
from sdfa.image.reader import Image
from sdfa.image.records import KIND_OF, LAYER_KEEP, LAYER_TAIL
from sdfa.twin.fixedpoint import Int64Array, i64, softmax
from sdfa.twin.kernels import (
    accumulate,
    add,
    conv,
    copied,
    depthwise,
    looked_up,
    mean,
    mul,
    padded,
    pool,
    requantize,
)

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]

_PairKernel = Callable[[Int8Array, Int8Array, np.void, tuple[int, int, int]], Int8Array]

# values of the largest intermediate array; bounds the memory of one batch to some hundred megabytes
_BATCH_VALUES = 1 << 24


@dataclass(frozen=True, eq=False)
class Run:
    """What n inferences leave behind.

    output: int8[n, output_len]. inputs, outputs: int8[n, K] and int8[n, N] per trainable operation's index.
    acc: int32[n, C], the accumulators of the output layer, or None where no operation keeps any.
    """

    output: Int8Array
    inputs: dict[int, Int8Array]
    outputs: dict[int, Int8Array]
    acc: Int32Array | None


@dataclass(eq=False)
class _State:
    """One batch on its way: flat tensors int8[n, len] by arena offset: two names of one tensor share values.

    owner: the tensor that was written last at an offset. made: all tensors that were written; others are names.
    """

    values: dict[int, Int8Array]
    owner: dict[int, int]
    made: set[int]
    inputs: dict[int, Int8Array] = field(default_factory=dict)
    outputs: dict[int, Int8Array] = field(default_factory=dict)
    acc: Int32Array | None = None


def run(image: Image, tail: bytes | None, x: Int8Array) -> Run:
    """Infer x int8[n, input_len] with this trainable tail; None is the image's own, learned before factory."""
    x = check_input(image, x)
    tail = image.present_tail if tail is None else tail
    if len(tail) != len(image.tail):
        raise SdfaError(f"the trainable tail has {len(tail)} bytes instead of {len(image.tail)}; take the model's own")
    runs = [_run(image, tail, part) for part in _batches(image, x)]
    accs = [r.acc for r in runs if r.acc is not None]
    return Run(
        np.concatenate([r.output for r in runs]),
        {op: np.concatenate([r.inputs[op] for r in runs]) for op in runs[0].inputs},
        {op: np.concatenate([r.outputs[op] for r in runs]) for op in runs[0].outputs},
        np.concatenate(accs) if accs else None,
    )


def run_until(image: Image, x: Int8Array, stop: int, tensor: int) -> Int8Array:
    """Values int8[n, len] of `tensor` after the operations before index `stop`: a backbone's features."""
    x = check_input(image, x)
    parts = []
    for part in _batches(image, x):
        state = _start(image, part)
        for i in range(stop):
            _execute(image, image.present_tail, state, i)
        parts.append(_read(image, state, tensor))
    return np.concatenate(parts)


def outputs_of(image: Image, tail: bytes, x: Int8Array) -> list[Int8Array]:
    """What each operation leaves in its output tensor, int8[n, len], and at last the model's output."""
    state, made = _start(image, check_input(image, x)), []
    for i, (_, op) in enumerate(image.ops):
        _execute(image, tail, state, i)
        made.append(_read(image, state, int(op["out"])))
    return [*made, _read(image, state, int(image.header["output"]))]


def check_input(image: Image, x: npt.NDArray[np.generic]) -> Int8Array:
    """`x` as int8[n, input_len], or an SdfaError."""
    length = size(image.tensors[int(image.header["input"])])
    if x.dtype != np.int8 or x.ndim < 1 or x.size != x.shape[0] * length:
        raise SdfaError(f"inputs are {x.dtype}{list(x.shape)}; the model reads int8[n, {length}]: reshape or quantize")
    return np.asarray(x.reshape(len(x), length), np.int8)


def dense(image: Image, i: int, weights: Int8Array, bias: npt.ArrayLike, x: Int8Array) -> tuple[Int64Array, Int8Array]:
    """Operation i, a DENSE, on x int8[..., K]: accumulators [..., N] and outputs int8[..., N]."""
    op = image.ops[i][1]
    z_in = int(image.tensors[int(op["in"])]["zero_point"]) if int(op["flags"]) & LAYER_TAIL else 0
    acc = accumulate(x.astype(np.int16) - z_in, weights, bias)
    n, mult, shift = ints(op, "out_n", "mult", "shift")
    zero_point = int(image.tensors[int(op["out"])]["zero_point"])
    m, s = i64(image.constant(mult, "<i4", n)), i64(image.constant(shift, np.int8, n))
    return acc, requantize(acc, m, s, zero_point, op)


# --- batches ---


def _batches(image: Image, x: Int8Array) -> list[Int8Array]:
    # an empty batch runs too, so that its results have their shapes
    step = max(1, _BATCH_VALUES // max(map(size, image.tensors), default=1), 1)
    step = min(step, max(1, _BATCH_VALUES // max(_patch_values(image), default=1)))
    return [x[i : i + step] for i in range(0, max(len(x), 1), step)]


def _patch_values(image: Image) -> list[int]:
    """Values that one sample's gathered taps take, per convolution."""
    found = []
    for name, op in image.ops:
        if name == "conv":
            out, kh, kw = image.tensors[int(op["out"])], *ints(op, "kh", "kw")
            found.append(int(out["h"]) * int(out["w"]) * kh * kw * int(image.tensors[int(op["in"])]["c"]))
    return found


def _start(image: Image, x: Int8Array) -> _State:
    tensor = int(image.header["input"])
    off = int(image.tensors[tensor]["off"])
    return _State({off: x}, {off: tensor}, {tensor})


def _run(image: Image, tail: bytes, x: Int8Array) -> Run:
    state = _start(image, x)
    for i in range(len(image.ops)):
        _execute(image, tail, state, i)
    return Run(_read(image, state, int(image.header["output"])), state.inputs, state.outputs, state.acc)


# --- operations ---


def _read(image: Image, state: _State, tensor: int) -> Int8Array:
    record = image.tensors[tensor]
    values = state.values.get(int(record["off"]))
    if values is None or values.shape[1] != size(record):
        raise SdfaError(f"the model reads tensor {tensor} before it is written; export it again")
    if tensor in state.made and state.owner[int(record["off"])] != tensor:
        raise SdfaError(f"the model reads tensor {tensor} after it is overwritten; export it again")
    return values


def _picture(image: Image, state: _State, tensor: int) -> Int8Array:
    """The tensor as int8[n, h, w, c]."""
    values = _read(image, state, tensor)
    return values.reshape(len(values), *ints(image.tensors[tensor], "h", "w", "c"))


def _zero_point(image: Image, tensor: int) -> int:
    return int(image.tensors[tensor]["zero_point"])


def _execute(image: Image, tail: bytes, state: _State, i: int) -> None:
    name, op = image.ops[i]
    out = int(op["out"])
    y = _dense(image, tail, state, i) if name == "dense" else _other(image, state, name, op)
    off = int(image.tensors[out]["off"])
    state.values[off], state.owner[off] = y.reshape(len(y), size(image.tensors[out])), out
    state.made.add(out)


def _dense(image: Image, tail: bytes, state: _State, i: int) -> Int8Array:
    op = image.ops[i][1]
    in_n, out_n, rows, flags, bias, weights = ints(op, "in_n", "out_n", "rows", "flags", "bias", "weights")
    place = tail if flags & LAYER_TAIL else image.data
    if flags & LAYER_TAIL:
        w = np.frombuffer(tail, np.int8, out_n * in_n, weights).reshape(out_n, in_n)
    else:
        w = plain_weights(image, "dense", op)
    x = _read(image, state, int(op["in"]))
    acc, y = dense(image, i, w, np.frombuffer(place, "<i4", out_n, bias), x.reshape(len(x), rows, in_n))
    y = y.reshape(len(x), rows * out_n)
    if flags & LAYER_TAIL:
        state.inputs[i], state.outputs[i] = x, y
    if flags & LAYER_KEEP:
        state.acc = acc[:, 0].astype(np.int32)
    return y


def _other(image: Image, state: _State, name: str, op: np.void) -> Int8Array:
    x = _picture(image, state, int(op["in"]))
    out = image.tensors[int(op["out"])]
    if name == "softmax":
        return softmax(x, *ints(op, "mult", "shift", "diff_min"))
    if name in ("add", "mul"):
        return _pair(image, state, x, add if name == "add" else mul, op)
    if name in ("avgpool", "maxpool"):
        return pool(x, op, out, average=name == "avgpool")
    if name == "mean":
        return mean(x, op, _zero_point(image, int(op["in"])), int(out["zero_point"]))
    if name in ("pad", "copy", "table"):
        return _moved(image, state, x, name, op)
    return _convolve(image, x, op, out)


def _pair(image: Image, state: _State, x: Int8Array, kernel: _PairKernel, op: np.void) -> Int8Array:
    z0, z1, z_out = (_zero_point(image, t) for t in ints(op, "in", "in1", "out"))
    return kernel(x, _picture(image, state, int(op["in1"])), op, (z0, z1, z_out))


def _moved(image: Image, state: _State, x: Int8Array, name: str, op: np.void) -> Int8Array:
    out = image.tensors[int(op["out"])]
    if name == "pad":
        return padded(x, op, out)
    if name == "table":
        return looked_up(x, image.constant(int(op["table"]), np.int8, 256))
    before = state.values.get(int(out["off"]))
    if before is None or before.shape[1] != size(out):
        before = np.zeros((len(x), size(out)), np.int8)
    return copied(x, op, before)


def _convolve(image: Image, x: Int8Array, op: np.void, out: np.void) -> Int8Array:
    in_c, out_c, kh, kw = int(x.shape[3]), int(out["c"]), *ints(op, "kh", "kw")
    bias, mult = (i64(image.constant(off, "<i4", out_c)) for off in ints(op, "bias", "mult"))
    shift = i64(image.constant(int(op["shift"]), np.int8, out_c))
    deep = int(op["kind"]) == KIND_OF["depthwise"]
    shape = (kh, kw, out_c) if deep else (out_c, kh, kw, in_c)
    if deep:
        weights = image.constant(int(op["weights"]), np.int8, int(np.prod(shape))).reshape(shape)
    else:
        weights = plain_weights(image, "conv", op).reshape(shape)
    z_in = _zero_point(image, int(op["in"]))
    acc = (depthwise if deep else conv)(x, weights, bias, op, z_in, out)
    return requantize(acc, mult, shift, int(out["zero_point"]), op)
