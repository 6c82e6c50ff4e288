"""Operations on pictures without weights: both poolings, MEAN over height and width, PAD."""

from __future__ import annotations

from sdfa.lower.lowering import Lowering, Padded, activation_range, picture, refuse, same_quantization
from sdfa.lower.multipliers import quantize_multiplier
from sdfa.lower.qgraph import QOp, QTensor
from sdfa.tflite.graph import Op

MEAN_CELLS = 1 << 16
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def _axis(op: Op, name: str, n: int, k: int, out_n: int) -> tuple[int, int, int]:
    """(stride, dilation, padding before) along one axis; checks the size of the output."""
    stride, dil = int(op.options.get(f"stride_{name}", 1)), int(op.options.get(f"dilation_{name}", 1))
    reach = (k - 1) * dil + 1
    if stride < 1 or dil < 1 or max(stride, dil, k) > 65535:
        raise refuse(op, f"stride {stride}, dilation {dil} or kernel {k} is out of range")
    same = op.options.get("padding") == "SAME"
    expected = -(-n // stride) if same else -(-(n - reach + 1) // stride)
    if expected != out_n:
        raise refuse(op, f"output size {out_n} does not follow from input size {n}")
    total = max((out_n - 1) * stride + reach - n, 0) if same else 0
    return stride, dil, total // 2


def window_fields(op: Op, a: QTensor, out: QTensor, kh: int, kw: int) -> dict[str, int]:
    """Kernel, strides, dilations and padding of a window that moves over `a`."""
    stride_h, dil_h, pad_top = _axis(op, "h", a.h, kh, out.h)
    stride_w, dil_w, pad_left = _axis(op, "w", a.w, kw, out.w)
    return {
        "kh": kh, "kw": kw, "stride_h": stride_h, "stride_w": stride_w, "dil_h": dil_h, "dil_w": dil_w,
        "pad_top": pad_top, "pad_left": pad_left,
    }  # fmt: skip


def lower_pool(low: Lowering, op: Op) -> QOp:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    a, o, ta, to = low.ends(op)
    picture(op, ta)
    if ta.quantization != to.quantization or ta.c != to.c:
        raise refuse(op, "input and output must have the same channels and quantization")
    fields = window_fields(op, ta, to, int(op.options["filter_h"]), int(op.options["filter_w"]))
    del fields["dil_h"], fields["dil_w"]
    kind = "avgpool" if op.kind == "AVERAGE_POOL_2D" else "maxpool"
    return QOp(kind, op.place, (a,), o, fields | activation_range(op, to))


def lower_mean(low: Lowering, op: Op) -> QOp:
    """MEAN over height and width; the division by the number of cells goes into the multiplier."""
    a, o, ta, to = _reduced(low, op)
    n = ta.h * ta.w
    if n > MEAN_CELLS:
        raise refuse(op, f"{n} cells; at most {MEAN_CELLS} are supported")
    mult, shift = mean_multiplier(ta.scale / to.scale, n)
    return QOp("mean", op.place, (a,), o, {"mult": mult, "shift": shift})


def lower_reduce_max(low: Lowering, op: Op) -> QOp:
    """REDUCE_MAX over height and width: a maximum pooling of one window."""
    a, o, ta, to = _reduced(low, op)
    same_quantization(op, ta, to)
    window = {"kh": ta.h, "kw": ta.w, "stride_h": 1, "stride_w": 1, "pad_top": 0, "pad_left": 0}
    return QOp("maxpool", op.place, (a,), o, window | {"act_min": -128, "act_max": 127})


def _reduced(low: Lowering, op: Op) -> tuple[int, int, QTensor, QTensor]:
    """Ends of a reduction to one value per channel, of a picture or of a signal (1, steps, channels)."""
    a, o, ta, to = low.ends(op)
    rank, axes = len(ta.shape), low.integers(op, 1)
    if rank not in (3, 4) or ta.shape[0] != 1:
        raise refuse(op, f"{ta.name!r} has shape {ta.shape}: (1, height, width, channels) or (1, steps, channels)")
    wanted = list(range(1, rank - 1))
    if sorted({axis % rank for axis in axes}) != wanted or not all(-rank <= axis < rank for axis in axes):
        raise refuse(op, f"over axes {axes}; only height and width together, {wanted}, are supported")
    if to.len != ta.c or to.c != ta.c:
        raise refuse(op, f"output of shape {to.shape} does not follow from {ta.shape}")
    return a, o, ta, to


def mean_multiplier(real: float, n: int) -> tuple[int, int]:
    """(mult, shift) of real / n as TensorFlow computes it: the quotient of integers is cut off, not rounded."""
    mult, shift = quantize_multiplier(real)
    k = min(n.bit_length() - 1, 31 + shift)
    return (mult << k) // n, shift - k


def lower_pad(low: Lowering, op: Op) -> QOp | None:
    """PAD and PADV2 with the zero point, on height and width; no operation when the convolutions behind do it."""
    a = low.source(op)
    pad = _padding(low, op, low.tensors[a], low.look(op.outputs[0]))
    if op.outputs[0] not in low.graph.outputs and _absorbed(low, op, pad):
        low.padded[op.outputs[0]] = pad
        return None
    return QOp("pad", op.place, (a,), low.tensor(op.outputs[0]), {"top": pad.top, "left": pad.left})


def _padding(low: Lowering, op: Op, a: QTensor, out: QTensor) -> Padded:
    picture(op, a)
    picture(op, out)
    same_quantization(op, a, out)
    pads = low.integers(op, 1)
    if len(pads) != 8 or min(pads) < 0 or any(pads[i] for i in (0, 1, 6, 7)):
        raise refuse(op, f"paddings {pads}; only height and width can be padded")
    if out.cells != (a.h + pads[2] + pads[3], a.w + pads[4] + pads[5], a.c):
        raise refuse(op, f"output of shape {out.shape} does not follow from {a.shape} and paddings {pads}")
    if len(op.inputs) > 2:
        value = low.constant(op, 2, "int8").data
        if value is None or value.size != 1 or int(value.reshape(-1)[0].astype(int)) != out.zero_point:
            raise refuse(op, "only padding with the zero point, the real value 0, is supported")
    return Padded(op.inputs[0], pads[2], pads[4], out.h, out.w)


def _absorbed(low: Lowering, op: Op, pad: Padded) -> bool:
    """Whether every reader is a convolution that can pad by itself (SPEC.md 1.4)."""
    readers = low.readers(op.outputs[0])
    return bool(readers) and all(_pads_itself(low, reader, op.outputs[0], pad) for reader in readers)


def _pads_itself(low: Lowering, op: Op, made: int, pad: Padded) -> bool:
    if op.kind not in _CONVOLUTIONS or op.options.get("padding") != "VALID" or op.inputs.count(made) != 1:
        return False
    shape = low.graph.tensors[op.inputs[1]].shape
    if op.inputs[0] != made or len(shape) != 4:
        return False
    dil_h, dil_w = int(op.options.get("dilation_h", 1)), int(op.options.get("dilation_w", 1))
    return pad.top < shape[1] * dil_h and pad.left < shape[2] * dil_w
