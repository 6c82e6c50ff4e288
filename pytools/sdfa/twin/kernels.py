"""The kernels of firmware/SPEC.md 2.2 in numpy, for n samples at once.

Shapes: pictures are int8[n, h, w, c]; accumulators are int64 arrays of signed 32-bit values.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.image.checks import ints
from sdfa.image.records import ADD_SUBTRACT
from sdfa.twin.fixedpoint import Int64Array, i64, mbqm, rdbpot, srdhm, wrap32

__all__ = [
    "accumulate", "add", "clamp", "conv", "copied", "depthwise", "looked_up", "mean", "mul", "padded", "pool",
    "requantize",
]  # fmt: skip

Int8Array = npt.NDArray[np.int8]


def clamp(v: Int64Array, op: np.void) -> Int8Array:
    """To the record's act_min ... act_max."""
    low, high = ints(op, "act_min", "act_max")
    return np.minimum(np.maximum(v, low), high).astype(np.int8)  # in small arrays np.clip takes three times as long


def requantize(acc: Int64Array, mult: Int64Array, shift: Int64Array, zero_point: int, op: np.void) -> Int8Array:
    """out(acc, c) of 2.1; the channel is the last axis of `acc`."""
    return clamp(wrap32(mbqm(acc, mult, shift) + zero_point), op)


def _float(taps: int) -> np.dtype[Any]:
    """The float type in which a sum of `taps` int8 products is exact in any order, so that BLAS serves."""
    return np.dtype(np.float32 if taps << 14 <= 1 << 24 else np.float64)


def accumulate(x: npt.NDArray[np.int8] | npt.NDArray[np.int16], weights: Int8Array, bias: npt.ArrayLike) -> Int64Array:
    """Σ_j w_ij · q_j + bias_i mod 2^32: x [..., K] in ±255, weights int8[N, K], bias int32[N] to [..., N]."""
    dtype = _float(weights.shape[1])
    total = x.astype(dtype) @ weights.astype(dtype).T
    return wrap32(total.astype(np.int64) + i64(bias))


def _taps(out_n: int, k: int, stride: int, dil: int, pad: int, in_n: int) -> Int64Array:
    """Input coordinate of every tap along one axis, int64[out_n, k]; in_n where it is outside the picture."""
    at = np.arange(out_n)[:, None] * stride - pad + np.arange(k) * dil
    return np.where((at >= 0) & (at < in_n), at, in_n)


def _window(op: np.void, x: Int8Array, out_h: int, out_w: int) -> tuple[Int64Array, Int64Array]:
    kh, kw, stride_h, stride_w, dil_h, dil_w = ints(op, "kh", "kw", "stride_h", "stride_w", "dil_h", "dil_w")
    top, left = ints(op, "pad_top", "pad_left")
    rows = _taps(out_h, kh, stride_h, dil_h, top, x.shape[1])
    return rows, _taps(out_w, kw, stride_w, dil_w, left, x.shape[2])


def _framed(x: Int8Array, zero_point: int) -> Int8Array:
    """`x` with one more row and column of z_in, which every tap outside the picture reads."""
    return np.pad(x, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=zero_point)


def conv(x: Int8Array, weights: Int8Array, bias: Int64Array, op: np.void, zero_point: int, out: np.void) -> Int64Array:
    """Accumulators [n, out_h, out_w, out_c]; weights int8[out_c, kh, kw, in_c]."""
    out_h, out_w, out_c = ints(out, "h", "w", "c")
    rows, columns = _window(op, x, out_h, out_w)
    patches = _framed(x, zero_point)[:, rows[:, None, :, None], columns[None, :, None, :]]
    return accumulate(
        patches.reshape(len(x), out_h, out_w, int(op["kh"]) * int(op["kw"]) * x.shape[3]),
        weights.reshape(out_c, -1),
        bias,
    )


def depthwise(
    x: Int8Array, weights: Int8Array, bias: Int64Array, op: np.void, zero_point: int, out: np.void
) -> Int64Array:
    """Accumulators [n, out_h, out_w, out_c]; weights int8[kh, kw, out_c]."""
    out_h, out_w, out_c = ints(out, "h", "w", "c")
    rows, columns = _window(op, x, out_h, out_w)
    framed = np.repeat(_framed(x, zero_point), out_c // x.shape[3], axis=3).astype(np.int32)
    acc = np.zeros((len(x), out_h, out_w, out_c), np.int32)
    for ky in range(rows.shape[1]):
        lines = framed[:, rows[:, ky]]
        for kx in range(columns.shape[1]):
            acc += lines[:, :, columns[:, kx]] * weights[ky, kx].astype(np.int32)
    return wrap32(i64(acc) + bias)


def _spans(out_n: int, in_n: int, k: int, stride: int, pad: int) -> list[slice]:
    """The part of every window that lies inside the picture, along one axis."""
    starts = [i * stride - pad for i in range(out_n)]
    return [slice(max(s, 0), min(s + k, in_n)) for s in starts]


def _windows(x: Int8Array, op: np.void, out: np.void) -> Iterator[tuple[int, int, Int64Array]]:
    """(oy, ox, cells int64[n, cells, c]) for every window."""
    kh, kw, stride_h, stride_w, top, left = ints(op, "kh", "kw", "stride_h", "stride_w", "pad_top", "pad_left")
    rows = _spans(int(out["h"]), x.shape[1], kh, stride_h, top)
    columns = _spans(int(out["w"]), x.shape[2], kw, stride_w, left)
    for oy, row in enumerate(rows):
        for ox, column in enumerate(columns):
            cells = (row.stop - row.start) * (column.stop - column.start)
            yield oy, ox, i64(x[:, row, column]).reshape(len(x), cells, x.shape[3])


def pool(x: Int8Array, op: np.void, out: np.void, *, average: bool) -> Int8Array:
    """AVGPOOL, rounded half away from zero, or MAXPOOL."""
    result = np.zeros((len(x), *ints(out, "h", "w", "c")), np.int64)
    for oy, ox, cells in _windows(x, op, out):
        result[:, oy, ox] = _mean(cells) if average else cells.max(axis=1)
    return clamp(result, op)


def _mean(cells: Int64Array) -> Int64Array:
    """Mean over axis 1, by C's division towards zero."""
    n, total = cells.shape[1], cells.sum(axis=1)
    return i64(np.where(total > 0, (total + n // 2) // n, -((n // 2 - total) // n)))


def add(x0: Int8Array, x1: Int8Array, op: np.void, zero_points: tuple[int, int, int]) -> Int8Array:
    """ADD, or its subtraction; zero_points of both inputs and of the output."""
    mult0, shift0, mult1, shift1 = ints(op, "mult0", "shift0", "mult1", "shift1")
    mult_out, shift_out = ints(op, "mult_out", "shift_out")
    terms = [
        rdbpot(srdhm((i64(x) - z) << 20, mult), -shift)
        for x, z, mult, shift in ((x0, zero_points[0], mult0, shift0), (x1, zero_points[1], mult1, shift1))
    ]
    sign = -1 if int(op["flags"]) & ADD_SUBTRACT else 1
    v = mbqm(wrap32(terms[0] + sign * terms[1]), mult_out, shift_out)
    return clamp(wrap32(v + zero_points[2]), op)


def mul(x0: Int8Array, x1: Int8Array, op: np.void, zero_points: tuple[int, int, int]) -> Int8Array:
    """MUL; zero_points of both inputs and of the output."""
    product = (i64(x0) - zero_points[0]) * (i64(x1) - zero_points[1])
    mult, shift = (i64(v) for v in ints(op, "mult", "shift"))
    return requantize(product, mult, shift, zero_points[2], op)


def mean(x: Int8Array, op: np.void, z_in: int, z_out: int) -> Int8Array:
    """MEAN over the picture: int8[n, 1, 1, c]."""
    total = (i64(x) - z_in).sum(axis=(1, 2), keepdims=True)
    v = wrap32(mbqm(total, *ints(op, "mult", "shift")) + z_out)
    return np.clip(v, -128, 127).astype(np.int8)


def padded(x: Int8Array, op: np.void, out: np.void) -> Int8Array:
    """PAD: the picture inside another of the output's zero point."""
    top, left, z_out = *ints(op, "top", "left"), int(out["zero_point"])
    y = np.full((len(x), *ints(out, "h", "w", "c")), z_out, np.int8)
    y[:, top : top + x.shape[1], left : left + x.shape[2]] = x
    return y


def copied(x: Int8Array, op: np.void, before: Int8Array) -> Int8Array:
    """COPY into `before`, the output int8[n, len] as it was; returns the new one."""
    rows, row_len, off = ints(op, "rows", "row_len", "off")
    y = before.reshape(len(x), rows, -1).copy()
    y[:, :, off : off + row_len] = x.reshape(len(x), rows, row_len)
    return y


def looked_up(x: Int8Array, table: Int8Array) -> Int8Array:
    """TABLE; table int8[256]."""
    return np.asarray(table[x.astype(np.int64) + 128], np.int8)
