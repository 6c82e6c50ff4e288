"""What firmware/SPEC.md section 1 demands of an image's records, so that nothing behind the reader is surprised.

Every check raises Damaged with half a sentence; read_image makes one line of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.image.records import (
    FEEDBACKS,
    LAYER_FAST,
    LAYER_KEEP,
    LAYER_PACKABLE,
    LAYER_PACKED,
    LAYER_TAIL,
    LAYER_ZEROS,
    LIVE_CENTRED,
    LIVE_MAX,
    LOSSES,
    MASTER_BITS,
    RATIO,
    table_count,
)

Records = npt.NDArray[np.void]
OpRecord = tuple[str, np.void]

SOFTMAX_MAX = 4095
MEAN_MAX = 1 << 16
CLASSES_MAX = 16384
# No microcontroller has this much RAM; a damaged image that asks for more must not exhaust the PC's.
ARENA_MAX = 1 << 28


class Damaged(ValueError):
    """The image breaks a rule of the format."""


def need(ok: object, what: str) -> None:
    """Raise Damaged(what) unless `ok`."""
    if not ok:
        raise Damaged(what)


def ints(record: np.void, *names: str) -> tuple[int, ...]:
    """Fields of a record as plain ints, which neither wrap nor warn."""
    return tuple(int(record[name]) for name in names)


def size(tensor: np.void) -> int:
    """Values of one tensor: h · w · c."""
    h, w, c = ints(tensor, "h", "w", "c")
    return h * w * c


def layer_bytes(out_n: int, in_n: int, master: bool) -> int:
    """Bytes of one trainable layer in the tail (1.5). master: with fractions behind its weights."""
    return 4 * out_n + -(-out_n * in_n // 4) * 4 * (2 if master else 1)


@dataclass(frozen=True, eq=False)
class Parts:
    """What the checks look at. op_off: byte offsets of `ops` in the section `OPS `."""

    arena_len: int
    tail_len: int
    tensors: Records
    ops: tuple[OpRecord, ...]
    op_off: tuple[int, ...]
    data: bytes


# --- spans ---


def _span(off: int, length: int, limit: int, align: int, what: str) -> None:
    need(off % align == 0, f"{what} is not aligned to {align}")
    need(off + length <= limit, f"{what} lies outside its memory")


def constant(data: bytes, off: int, dtype: npt.DTypeLike, n: int, what: str, align: int = 4) -> npt.NDArray[Any]:
    """`n` values of `dtype` at offset `off` of `DATA`; read-only."""
    kind = np.dtype(dtype)
    _span(off, n * kind.itemsize, len(data), align, what)
    need(n, f"{what} is empty")
    return np.frombuffer(data, kind, n, off)


def _shifts(data: bytes, off: int, n: int, what: str, align: int = 4) -> None:
    shift = constant(data, off, np.int8, n, what, align).astype(np.int64)
    need((shift >= -31).all() and (shift <= 30).all(), f"{what} is outside -31 ... 30")


# --- tensors (1.3) ---


def check_tensors(parts: Parts) -> None:
    """Every tensor has at least one value and lies in the arena."""
    need(parts.arena_len <= ARENA_MAX, f"it asks for {parts.arena_len} bytes of RAM")
    for i, tensor in enumerate(parts.tensors):
        need(size(tensor) > 0, f"tensor {i} is empty")
        _span(int(tensor["off"]), size(tensor), parts.arena_len, 4, f"tensor {i}")
        need(-128 <= int(tensor["zero_point"]) <= 127, f"the zero point of tensor {i} is no int8")


# --- operations (1.4) ---


def _same_shape(a: np.void, b: np.void) -> bool:
    return ints(a, "h", "w", "c") == ints(b, "h", "w", "c")


def _check_act(op: np.void) -> None:
    low, high = ints(op, "act_min", "act_max")
    need(-128 <= low <= high <= 127, "its clamp is not within int8")


def _check_requantize(parts: Parts, op: np.void, n: int) -> None:
    """mult[n] and shift[n]."""
    mult = constant(parts.data, int(op["mult"]), np.int32, n, "mult")
    _shifts(parts.data, int(op["shift"]), n, "shift")
    if int(op["flags"]) & LAYER_FAST:
        shift = constant(parts.data, int(op["shift"]), np.int8, n, "shift")
        need((mult >= 1 << 30).all(), "a multiplier is not fast")
        need(((shift >= -20) & (shift <= -1)).all(), "a shift is not fast")


def _check_weights(parts: Parts, op: np.void, n: int, weight_n: int) -> None:
    """bias[n] and weights[weight_n] in `DATA`."""
    constant(parts.data, int(op["bias"]), np.int32, n, "bias")
    constant(parts.data, int(op["weights"]), np.int8, weight_n, "weights")


def _check_dense(parts: Parts, op: np.void, x: np.void, y: np.void) -> None:
    in_n, out_n, rows, flags, acc = ints(op, "in_n", "out_n", "rows", "flags", "acc")
    need(in_n and out_n and rows, "it has no inputs, outputs or rows")
    need(rows * in_n == size(x) and rows * out_n == size(y), "its sizes differ from its tensors'")
    trainable = flags & (LAYER_TAIL | LAYER_KEEP)
    need(rows == 1 or not trainable, "a trainable layer has one row")
    need(not flags & LAYER_PACKED or not trainable, "a trainable layer is packed")
    need(not flags & LAYER_ZEROS or not trainable, "a trainable layer has two biases")
    _check_act(op)
    if flags & LAYER_KEEP:
        _span(acc, 4 * out_n, parts.arena_len, 4, "acc")
    _check_requantize(parts, op, out_n)
    if not flags & LAYER_TAIL:
        _check_weights(parts, op, out_n, in_n * out_n)
        _check_zeros(parts, op, int(x["zero_point"]))
        return
    _span(int(op["bias"]), 4 * out_n, parts.tail_len, 4, "bias")
    _span(int(op["weights"]), in_n * out_n, parts.tail_len, 4, "weights")


def _check_zeros(parts: Parts, op: np.void, zero_point: int) -> None:
    """With ZEROS two biases a row, equal but for the zero point; packed weights do not show that."""
    in_n, out_n, flags = ints(op, "in_n", "out_n", "flags")
    if not flags & LAYER_ZEROS:
        return
    folded, own = constant(parts.data, int(op["bias"]), np.int32, 2 * out_n, "bias").astype(np.int64).reshape(2, out_n)
    if not flags & LAYER_PACKED:
        weights = constant(parts.data, int(op["weights"]), np.int8, in_n * out_n, "weights").reshape(out_n, in_n)
        off = own - folded - zero_point * weights.sum(axis=1, dtype=np.int64)
        need((off % (1 << 32) == 0).all(), "its two biases do not fit together")


def _check_conv(parts: Parts, op: np.void, x: np.void, y: np.void, depthwise: bool) -> None:
    kh, kw, in_c, out_c = *ints(op, "kh", "kw"), int(x["c"]), int(y["c"])
    need(all(ints(op, "kh", "kw", "stride_h", "stride_w", "dil_h", "dil_w")), "a size, stride or dilation is 0")
    need(int(op["pad_top"]) < kh * int(op["dil_h"]), "pad_top is too large")
    need(int(op["pad_left"]) < kw * int(op["dil_w"]), "pad_left is too large")
    need(not depthwise or out_c % in_c == 0, "its channels are no multiple of the input's")
    _check_act(op)
    _check_requantize(parts, op, out_c)
    _check_weights(parts, op, out_c, kh * kw * out_c * (1 if depthwise else in_c))
    taps = kh * kw * in_c
    packed = int(op["flags"]) & (LAYER_PACKED | LAYER_PACKABLE)
    need(not packed or not depthwise, "a depthwise layer is packed")
    _span(int(op["scratch"]), -(-taps // 4) * 4 + 4 * taps if packed else taps, parts.arena_len, 4, "scratch")


def _windows_hit(in_n: int, out_n: int, k: int, stride: int, pad: int) -> bool:
    first = np.arange(out_n) * stride - pad
    return bool((np.maximum(first, 0) < np.minimum(first + k, in_n)).all())


def _check_pool(parts: Parts, op: np.void, x: np.void, y: np.void) -> None:
    for axis, side, pad in ("h", "h", "pad_top"), ("w", "w", "pad_left"):
        k, stride, before = ints(op, f"k{axis}", f"stride_{side}", pad)
        need(k and stride, "a size or stride is 0")
        need(_windows_hit(int(x[axis]), int(y[axis]), k, stride, before), "a window lies outside the picture")
    need(int(x["c"]) == int(y["c"]), "its channels differ from its input's")
    _check_act(op)


def _check_pair(parts: Parts, op: np.void, x: np.void, y: np.void) -> None:
    in1 = int(op["in1"])
    need(in1 < len(parts.tensors), "in1 is no tensor")
    need(_same_shape(x, y) and _same_shape(parts.tensors[in1], y), "its shapes differ")
    _check_act(op)


def _check_shift(op: np.void) -> None:
    need(-31 <= int(op["shift"]) <= 30, "its shift is outside -31 ... 30")


def _check_add(parts: Parts, op: np.void, x: np.void, y: np.void) -> None:
    _check_pair(parts, op, x, y)
    need(all(-31 <= s <= 0 for s in ints(op, "shift0", "shift1", "shift_out")), "a shift is outside -31 ... 0")


def _check_mul(parts: Parts, op: np.void, x: np.void, y: np.void) -> None:
    _check_pair(parts, op, x, y)
    _check_shift(op)


def _check_mean(_: Parts, op: np.void, x: np.void, y: np.void) -> None:
    need(ints(y, "h", "w", "c") == (1, 1, int(x["c"])), "its output is not one cell of its input's channels")
    need(int(x["h"]) * int(x["w"]) <= MEAN_MAX, f"it has more than {MEAN_MAX} cells")
    _check_shift(op)


def _check_pad(_: Parts, op: np.void, x: np.void, y: np.void) -> None:
    need(int(x["c"]) == int(y["c"]), "its channels differ from its input's")
    inside = all(int(op[before]) + int(x[n]) <= int(y[n]) for before, n in (("top", "h"), ("left", "w")))
    need(inside, "its input does not fit into its output")


def _check_copy(_: Parts, op: np.void, x: np.void, y: np.void) -> None:
    rows, row_len, off = ints(op, "rows", "row_len", "off")
    need(rows and size(y) % rows == 0, "its rows do not divide its output")
    need(rows * row_len == size(x), "its sizes differ from its input's")
    need(off + row_len <= size(y) // rows, "its input does not fit into its output")


def _check_lookup(parts: Parts, op: np.void, x: np.void, y: np.void) -> None:
    need(size(x) == size(y), "its sizes differ")
    constant(parts.data, int(op["table"]), np.int8, 256, "table")


def _check_softmax(parts: Parts, op: np.void, x: np.void, y: np.void) -> None:
    need(_same_shape(x, y), "its shapes differ")
    need(int(x["c"]) <= SOFTMAX_MAX, f"it has more than {SOFTMAX_MAX} values")
    need(0 <= int(op["shift"]) <= 30, "its shift is outside 0 ... 30")
    need(int(op["diff_min"]) <= 0, "its diff_min is above 0")


_CHECKS: dict[str, Callable[[Parts, np.void, np.void, np.void], None]] = {
    "dense": _check_dense,
    "conv": lambda parts, op, x, y: _check_conv(parts, op, x, y, False),
    "depthwise": lambda parts, op, x, y: _check_conv(parts, op, x, y, True),
    "avgpool": _check_pool,
    "maxpool": _check_pool,
    "add": _check_add,
    "softmax": _check_softmax,
    "mul": _check_mul,
    "mean": _check_mean,
    "pad": _check_pad,
    "copy": _check_copy,
    "table": _check_lookup,
}


def check_ops(parts: Parts) -> None:
    """Every operation fits its tensors, and its constants lie where it says."""
    for i, (name, op) in enumerate(parts.ops):
        try:
            need(int(op["in"]) < len(parts.tensors), "in is no tensor")
            need(int(op["out"]) < len(parts.tensors), "out is no tensor")
            _CHECKS[name](parts, op, parts.tensors[int(op["in"])], parts.tensors[int(op["out"])])
        except Damaged as e:
            raise Damaged(f"operation {i} ({name}): {e}") from None


# --- learning (1.5, 1.6) ---


def check_learning(parts: Parts, header: np.void, layers: Records) -> None:
    """The layers form a chain that fills the tail, and every table lies where it says."""
    loss, feedback = ints(header, "loss", "feedback")
    need(loss < len(LOSSES) and feedback < len(FEEDBACKS), "its loss or feedback is unknown")
    need(FEEDBACKS[feedback] != "last" or len(layers) == 1, "feedback `last` has one layer")
    need(int(header["master_bits"]) in (0, MASTER_BITS), "its master weights have an unknown width")
    dense = [_dense_of(parts, layer) for layer in layers]
    _check_chain(parts, dense, bool(header["master_bits"]))
    classes = int(dense[-1]["out_n"])
    need(LOSSES[loss] != "softmax_ce" or 2 <= classes <= CLASSES_MAX, f"it has {classes} classes")
    _check_errors(parts, header, dense, classes)
    for i, (layer, op) in enumerate(zip(layers, dense, strict=True)):
        try:
            _check_layer(parts, layer, int(op["out_n"]))
            if _carries_back(FEEDBACKS[feedback], i, len(layers)):
                constant(parts.data, int(layer["sigma"]), "<u2", int(op["out_n"]), "sigma", 2)
            if i < table_count(FEEDBACKS[feedback], len(layers)):
                _check_table(parts, layer, int(op["out_n"]), classes)
            elif FEEDBACKS[feedback] == "live" and i == len(layers) - 2:
                _check_live(layer, header, dense)
        except Damaged as e:
            raise Damaged(f"trainable layer {i}: {e}") from None


def _dense_of(parts: Parts, layer: np.void) -> np.void:
    off = int(layer["op"])
    need(off in parts.op_off, "a trainable layer points at no operation")
    name, op = parts.ops[parts.op_off.index(off)]
    need(
        name == "dense" and int(op["flags"]) & LAYER_TAIL,
        "a trainable layer points at no trainable operation",
    )
    return op


def _same_place(parts: Parts, a: int, b: int) -> bool:
    """Whether two tensor indices name one tensor (a RESHAPE leaves two names, 1.4)."""
    x, y = parts.tensors[a], parts.tensors[b]
    return int(x["off"]) == int(y["off"]) and size(x) == size(y)


def _check_chain(parts: Parts, dense: list[np.void], master: bool) -> None:
    cursor, before = 0, None
    for op in dense:
        in_n, out_n, bias, weights, x, y = ints(op, "in_n", "out_n", "bias", "weights", "in", "out")
        need(before is None or _same_place(parts, before, x), "a trainable layer does not read the one before it")
        need((bias, weights) == (cursor, cursor + 4 * out_n), "the tail has another order than its layers")
        cursor, before = cursor + layer_bytes(out_n, in_n, master), y
    need(cursor == parts.tail_len, "the tail has another length than its layers")
    need(int(dense[-1]["flags"]) & LAYER_KEEP, "the output layer does not keep its accumulators")


def _check_errors(parts: Parts, header: np.void, dense: list[np.void], classes: int) -> None:
    _span(int(header["error"]), 2 * classes, parts.arena_len, 2, "error")
    if len(dense) > 1:
        _span(int(header["delta"]), _deltas_len(dense), parts.arena_len, 2, "delta")
    constant(parts.data, int(header["zmult"]), np.int32, classes, "zmult")
    _shifts(parts.data, int(header["zshift"]), classes, "zshift", 1)


def _check_layer(parts: Parts, layer: np.void, n: int) -> None:
    mant = constant(parts.data, int(layer["ratio"]), RATIO, n, "ratio", 2)["mant"]
    need(((mant == 0) | (mant >= 32768)).all(), "a ratio is not normalized")
    need(int(layer["bias_mant"]) >= 32768, "bias_mant is not normalized")
    need(-31 <= int(layer["bias_exp"]) <= 16, "bias_exp is outside -31 ... 16")


def _carries_back(feedback: str, i: int, layer_n: int) -> bool:
    """Whether an error goes back through the weights of trainable layer i."""
    return i > 0 and (feedback == "bp" or (feedback == "live" and i == layer_n - 1))


def _check_live(layer: np.void, header: np.void, dense: list[np.void]) -> None:
    need(1 <= int(layer["k"]) <= LIVE_MAX, f"it has {int(layer['k'])} live connections, not 1 ... {LIVE_MAX}")
    need(int(layer["flags"]) <= LIVE_CENTRED, "it has an unknown flag")
    delta, acc, out_n = *ints(header, "delta"), *ints(dense[-1], "acc", "out_n")
    apart = delta >= acc + 4 * out_n or acc >= delta + _deltas_len(dense)
    need(apart, "its deltas overlap the accumulators")


def _deltas_len(dense: list[np.void]) -> int:
    """Bytes of the deltas of hidden layers."""
    n = max(int(op["out_n"]) for op in dense[:-1])
    return 2 * (2 if len(dense) > 2 else 1) * (n + n % 2)


def _check_table(parts: Parts, layer: np.void, n: int, classes: int) -> None:
    k = int(layer["k"])
    need(k, "it has no connections")
    dtype = "u1" if classes <= 256 else "<u2"
    index = constant(parts.data, int(layer["index"]), dtype, n * k, "index", np.dtype(dtype).itemsize)
    need((index.astype(np.int64) < classes).all(), "a connection points at no output")
    constant(parts.data, int(layer["coef"]), np.int8, n * k, "coef", 1)
