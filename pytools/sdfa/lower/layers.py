"""Operations with weights: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sdfa.lower.lowering import Lowering, activation, activation_range, bias_tensor, picture, refuse
from sdfa.lower.multipliers import quantize_multiplier
from sdfa.lower.pictures import window_fields
from sdfa.lower.qgraph import Channels, QOp, QTensor
from sdfa.tflite.graph import Int8Array, Int32Array, Op, Tensor

FloatArray = npt.NDArray[np.float64]


def lower_conv(low: Lowering, op: Op) -> QOp:
    """CONV_2D and DEPTHWISE_CONV_2D; a PAD before them becomes their own padding.

    DEPTHWISE_CONV_2D of one channel is a convolution, for which there are faster kernels.
    """
    pad = low.padded.get(op.inputs[0])
    a = low.source(op) if pad is None else low.tensor(pad.source)
    o = low.tensor(op.outputs[0])
    ta, to = low.tensors[a], low.tensors[o]
    picture(op, ta)
    picture(op, to)
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    w = _conv_weights(low, op, ta, to, depthwise)
    seen = ta if pad is None else replace(ta, h=pad.h, w=pad.w)
    fields = window_fields(op, seen, to, w.shape[1], w.shape[2]) | activation_range(op, to)
    if pad is not None:
        fields |= {"pad_top": pad.top, "pad_left": pad.left}
    channels = _conv_channels(low, op, w, ta, to)
    kind = "depthwise" if depthwise and ta.c > 1 else "conv"
    return QOp(
        kind, op.place, (a,), o, fields, channels, op.inputs[1], bias_tensor(op),
        to.h * to.w * int(channels.weights.size), activation(op),
    )  # fmt: skip


def _conv_weights(low: Lowering, op: Op, a: QTensor, out: QTensor, depthwise: bool) -> Tensor:
    w = low.constant(op, 1, "int8")
    if len(w.shape) != 4:
        raise refuse(op, f"weights have shape {w.shape}: 4 dimensions are needed")
    if depthwise:
        fits = w.shape[0] == 1 and w.shape[3] == out.c and out.c % a.c == 0
    else:
        fits = w.shape[0] == out.c and w.shape[3] == a.c
    if not fits:
        raise refuse(
            op,
            f"weights of shape {w.shape} do not fit {a.c} input and {out.c} output channels (no grouped convolution)",
        )
    return w


def _conv_channels(low: Lowering, op: Op, w: Tensor, a: QTensor, out: QTensor) -> Channels:
    assert w.data is not None
    scale = _weight_scales(op, w, out.c)
    weights = w.data.astype(np.int8)
    reals = a.scale * scale / out.scale
    if op.kind == "DEPTHWISE_CONV_2D" and a.c == 1:
        return _channels(weights.transpose(3, 1, 2, 0), low.bias(op, out.c), scale, reals, 0)
    if op.kind == "DEPTHWISE_CONV_2D":
        return _channels(weights[0], low.bias(op, out.c), scale, reals, 2)
    return _channels(weights, low.bias(op, out.c), scale, reals, 0)


def lower_dense(low: Lowering, op: Op) -> QOp:
    """FULLY_CONNECTED over the last dimension."""
    a, o, ta, to = low.ends(op)
    w = low.constant(op, 1, "int8")
    if w.data is None or w.data.ndim != 2:
        raise refuse(op, f"weights have shape {w.shape}: 2 dimensions are needed")
    n, k = w.shape
    rows = ta.len // k
    if rows * k != ta.len or rows * n != to.len or rows > 65535:
        raise refuse(op, f"weights of shape {w.shape} do not fit input {ta.shape} and output {to.shape}")
    scale = _weight_scales(op, w, n)
    channels = _channels(w.data.astype(np.int8), low.bias(op, n), scale, _dense_reals(w, scale, ta, to), 0)
    fields = {"in_n": k, "out_n": n, "rows": rows} | activation_range(op, to)
    return QOp(
        "dense", op.place, (a,), o, fields, channels, op.inputs[1], bias_tensor(op), rows * n * k, activation(op)
    )  # fmt: skip


def _dense_reals(w: Tensor, scale: FloatArray, a: QTensor, out: QTensor) -> FloatArray:
    if w.scale.size > 1:
        return np.asarray(a.scale * scale / out.scale)
    # TensorFlow takes this product in single precision
    return np.full(len(scale), np.float64(np.float32(a.scale) * w.scale[0]) / out.scale)


def _weight_scales(op: Op, w: Tensor, n: int) -> FloatArray:
    if w.scale.size not in (1, n) or np.any(w.zero_point != 0) or not np.all(np.isfinite(w.scale) & (w.scale >= 0)):
        raise refuse(op, f"weights {w.name!r} must have zero point 0 and one scale, or one per output channel")
    return np.broadcast_to(w.scale.astype(np.float64), (n,)).copy()


def _channels(weights: Int8Array, bias: Int32Array, scale: FloatArray, reals: FloatArray, axis: int) -> Channels:
    """axis: the output channel's dimension in `weights`."""
    pairs = [quantize_multiplier(float(x)) for x in reals]
    mult, shift = np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)
    others = tuple(i for i in range(weights.ndim) if i != axis)
    return Channels(weights, bias, mult, shift, scale, weights.astype(np.int64).sum(axis=others))
