"""Graph -> QGraph: every operation in integers, every constant that can be computed on the PC computed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.fixed import quantize_multiplier, round_half_away
from sdfa.graph import Graph, Int8Array, Int32Array, Op, Tensor


@dataclass(frozen=True)
class QTensor:
    """An int8 activation. storage: tensors with one number are views of the same bytes (RESHAPE)."""

    name: str
    shape: tuple[int, ...]
    h: int
    w: int
    c: int
    scale: float
    zero_point: int
    storage: int

    @property
    def len(self) -> int:
        """Bytes."""
        return self.h * self.w * self.c


@dataclass(frozen=True, eq=False)
class Channels:
    """Constants of CONV, DEPTHWISE and DENSE, per output channel.

    weights: int8 in the order of the image; bias: int32[n], the model's own, without the folded zero point;
    mult, shift: requantization; scale: float64[n], real value of one weight unit; sums: int64[n], sum of weights.
    """

    weights: Int8Array
    bias: Int32Array
    mult: npt.NDArray[np.int32]
    shift: Int8Array
    scale: npt.NDArray[np.float64]
    sums: npt.NDArray[np.int64]

    def folded_bias(self, zero_point: int) -> Int32Array:
        """bias - z * sum(w), modulo 2^32."""
        folded = self.bias.astype(np.int64) - zero_point * self.sums
        return folded.astype(np.uint32).astype(np.int32)


@dataclass(frozen=True, eq=False)
class QOp:
    """One operation of the image. fields: the values of its record (SPEC.md 1.4) that do not depend on the plan."""

    kind: str
    place: int
    inputs: tuple[int, ...]
    output: int
    fields: Mapping[str, int]
    channels: Channels | None = None
    weight_tensor: int = -1
    bias_tensor: int = -1
    macs: int = 0
    activation: str = "NONE"


@dataclass(frozen=True, eq=False)
class QGraph:
    name: str
    tensors: tuple[QTensor, ...]
    ops: tuple[QOp, ...]
    input: int
    output: int
    sha256: str


def _where(op: Op) -> str:
    return f"operation {op.place} ({op.kind})"


def _refuse(op: Op, why: str) -> SdfaError:
    return SdfaError(f"{_where(op)}: {why}")


def _cells(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """NHWC with N = 1; whatever is not a picture is rows of its last dimension."""
    if len(shape) == 4 and shape[0] == 1:
        return shape[1], shape[2], shape[3]
    if not shape:
        return 1, 1, 1
    return 1, int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]


class _Lowering:
    """One pass over a graph; collects tensors on first use."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: list[QTensor] = []
        self.index: dict[int, int] = {}

    def tensor(self, i: int, storage: int | None = None) -> int:
        """Index of activation i in the QGraph; made when it is new, as a view of `storage` if given."""
        if i in self.index:
            return self.index[i]
        t = self.graph.tensors[i]
        if t.dtype != "int8" or t.scale.size != 1:
            raise SdfaError(
                f"tensor {t.name!r} is {t.dtype}, not int8: this is not a full-integer int8 model; "
                "quantize it with calibration data first (TFLiteConverter, TFLITE_BUILTINS_INT8, int8 input and output)"
            )
        if min(t.shape, default=1) < 1 or int(np.prod(t.shape, dtype=np.int64)) > 1 << 26:
            raise SdfaError(
                f"tensor {t.name!r} has shape {t.shape}: every size must be at least 1, and all within 64 MB"
            )
        scale, zero_point = float(t.scale[0]), int(t.zero_point[0])
        if not (np.isfinite(scale) and scale > 0) or not -128 <= zero_point <= 127:
            raise SdfaError(f"tensor {t.name!r} has scale {scale} and zero point {zero_point}: not a sound int8 tensor")
        h, w, c = _cells(t.shape)
        if h > 65535 or w > 65535:
            raise SdfaError(f"tensor {t.name!r} has shape {t.shape}: height and width go up to 65535")
        number = len(self.tensors)
        self.tensors.append(
            QTensor(t.name, t.shape, h, w, c, scale, zero_point, number if storage is None else storage)
        )
        self.index[i] = number
        return number

    def constant(self, op: Op, slot: int, dtype: str) -> Tensor:
        t = self.graph.tensors[op.inputs[slot]]
        if t.data is None:
            raise _refuse(op, f"input {slot} ({t.name!r}) must be a constant")
        if t.dtype != dtype:
            raise _refuse(op, f"constant {t.name!r} is {t.dtype}, only {dtype} is supported: quantize to full int8")
        return t

    def bias(self, op: Op, n: int) -> Int32Array:
        if len(op.inputs) < 3 or op.inputs[2] < 0:
            return np.zeros(n, np.int32)
        data = self.constant(op, 2, "int32").data
        assert data is not None
        if data.size != n:
            raise _refuse(op, f"bias has {data.size} values for {n} channels")
        return data.reshape(n).astype(np.int32)

    def activation_range(self, op: Op, out: QTensor) -> dict[str, int]:
        name = _activation(op)
        bounds = {"NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
        if name not in bounds:
            raise _refuse(op, f"fused activation {name} is not supported; supported: {', '.join(bounds)}")
        low, high = (_level(out, x) for x in bounds[name])
        lo = -128 if low is None else min(max(-128, low), 127)
        hi = 127 if high is None else max(min(127, high), -128)
        return {"act_min": lo, "act_max": max(lo, hi)}


def _level(out: QTensor, real: float | None) -> int | None:
    if real is None:
        return None
    return out.zero_point + round_half_away(float(np.float32(real) / np.float32(out.scale)))


def _weight_scales(op: Op, w: Tensor, n: int) -> npt.NDArray[np.float64]:
    if w.scale.size not in (1, n) or np.any(w.zero_point != 0) or not np.all(np.isfinite(w.scale) & (w.scale >= 0)):
        raise _refuse(op, f"weights {w.name!r} must have zero point 0 and one scale, or one per output channel")
    return np.broadcast_to(w.scale.astype(np.float64), (n,)).copy()


def _requantization(reals: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.int32], Int8Array]:
    pairs = [quantize_multiplier(float(x)) for x in reals]
    return np.array([m for m, _ in pairs], np.int32), np.array([s for _, s in pairs], np.int8)


def _channels(
    weights: Int8Array,
    bias: Int32Array,
    scale: npt.NDArray[np.float64],
    reals: npt.NDArray[np.float64],
    axis: int,
) -> Channels:
    """axis: the output channel's dimension in `weights`."""
    mult, shift = _requantization(reals)
    others = tuple(i for i in range(weights.ndim) if i != axis)
    return Channels(weights, bias, mult, shift, scale, weights.astype(np.int64).sum(axis=others))


def _axis(op: Op, name: str, n: int, k: int, out_n: int) -> tuple[int, int, int]:
    """(stride, dilation, padding before) along one axis; checks the size of the output."""
    stride, dil = int(op.options.get(f"stride_{name}", 1)), int(op.options.get(f"dilation_{name}", 1))
    reach = (k - 1) * dil + 1
    if stride < 1 or dil < 1 or max(stride, dil, k) > 65535:
        raise _refuse(op, f"stride {stride}, dilation {dil} or kernel {k} is out of range")
    same = op.options.get("padding") == "SAME"
    expected = -(-n // stride) if same else -(-(n - reach + 1) // stride)
    if expected != out_n:
        raise _refuse(op, f"output size {out_n} does not follow from input size {n}")
    total = max((out_n - 1) * stride + reach - n, 0) if same else 0
    return stride, dil, total // 2


def _window_fields(op: Op, a: QTensor, out: QTensor, kh: int, kw: int) -> dict[str, int]:
    stride_h, dil_h, pad_top = _axis(op, "h", a.h, kh, out.h)
    stride_w, dil_w, pad_left = _axis(op, "w", a.w, kw, out.w)
    return {
        "kh": kh, "kw": kw, "stride_h": stride_h, "stride_w": stride_w, "dil_h": dil_h, "dil_w": dil_w,
        "pad_top": pad_top, "pad_left": pad_left,
    }  # fmt: skip


def _picture(op: Op, t: QTensor) -> None:
    if len(t.shape) != 4 or t.shape[0] != 1:
        raise _refuse(op, f"{t.name!r} has shape {t.shape}: a picture of shape (1, height, width, channels) is needed")


def _lower_conv(low: _Lowering, op: Op) -> QOp:
    a, o = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    ta, to = low.tensors[a], low.tensors[o]
    w = low.constant(op, 1, "int8")
    _picture(op, ta)
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    if w.data is None or w.data.ndim != 4:
        raise _refuse(op, f"weights have shape {w.shape}: 4 dimensions are needed")
    n = to.c
    if depthwise:
        fits = w.shape[0] == 1 and w.shape[3] == n and n % ta.c == 0
    else:
        fits = w.shape[0] == n and w.shape[3] == ta.c
    if not fits:
        raise _refuse(
            op,
            f"weights of shape {w.shape} do not fit {ta.c} input and {n} output channels (no grouped convolution)",
        )
    fields = _window_fields(op, ta, to, w.shape[1], w.shape[2]) | low.activation_range(op, to)
    scale = _weight_scales(op, w, n)
    weights = w.data.astype(np.int8)
    reals = ta.scale * scale / to.scale
    channels = _channels(weights[0] if depthwise else weights, low.bias(op, n), scale, reals, 2 if depthwise else 0)
    macs = to.h * to.w * int(weights.size)
    return QOp(
        "depthwise" if depthwise else "conv",
        op.place,
        (a,),
        o,
        fields,
        channels,
        op.inputs[1],
        _bias_slot(op),
        macs,
        _activation(op),
    )


def _activation(op: Op) -> str:
    return str(op.options.get("activation", "NONE"))


def _bias_slot(op: Op) -> int:
    return op.inputs[2] if len(op.inputs) > 2 else -1


def _lower_dense(low: _Lowering, op: Op) -> QOp:
    a, o = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    ta, to = low.tensors[a], low.tensors[o]
    w = low.constant(op, 1, "int8")
    if w.data is None or w.data.ndim != 2:
        raise _refuse(op, f"weights have shape {w.shape}: 2 dimensions are needed")
    n, k = w.shape
    rows = ta.len // k
    if rows * k != ta.len or rows * n != to.len or rows > 65535:
        raise _refuse(op, f"weights of shape {w.shape} do not fit input {ta.shape} and output {to.shape}")
    scale = _weight_scales(op, w, n)
    if w.scale.size == 1:  # TensorFlow takes this product in single precision
        product = np.float64(np.float32(ta.scale) * w.scale[0])
        reals = np.full(n, product / to.scale)
    else:
        reals = ta.scale * scale / to.scale
    channels = _channels(w.data.astype(np.int8), low.bias(op, n), scale, reals, 0)
    fields = {"in_n": k, "out_n": n, "rows": rows} | low.activation_range(op, to)
    return QOp(
        "dense",
        op.place,
        (a,),
        o,
        fields,
        channels,
        op.inputs[1],
        _bias_slot(op),
        rows * n * k,
        _activation(op),
    )


def _lower_pool(low: _Lowering, op: Op) -> QOp:
    a, o = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    ta, to = low.tensors[a], low.tensors[o]
    _picture(op, ta)
    if ta.scale != to.scale or ta.zero_point != to.zero_point or ta.c != to.c:
        raise _refuse(op, "input and output must have the same channels and quantization")
    fields = _window_fields(op, ta, to, int(op.options["filter_h"]), int(op.options["filter_w"]))
    del fields["dil_h"], fields["dil_w"]
    kind = "avgpool" if op.kind == "AVERAGE_POOL_2D" else "maxpool"
    return QOp(kind, op.place, (a,), o, fields | low.activation_range(op, to))


def _lower_add(low: _Lowering, op: Op) -> QOp:
    if any(low.graph.tensors[i].data is not None for i in op.inputs):
        raise _refuse(op, "adding a constant is not supported; fold it into the bias of the layer before")
    a, b, o = low.tensor(op.inputs[0]), low.tensor(op.inputs[1]), low.tensor(op.outputs[0])
    ta, tb, to = (low.tensors[i] for i in (a, b, o))
    if not (ta.h, ta.w, ta.c) == (tb.h, tb.w, tb.c) == (to.h, to.w, to.c):
        raise _refuse(op, f"shapes {ta.shape} and {tb.shape} differ: broadcasting is not supported")
    twice = 2 * max(ta.scale, tb.scale)
    reals = {"0": ta.scale / twice, "1": tb.scale / twice, "_out": twice / ((1 << 20) * to.scale)}
    fields = low.activation_range(op, to)
    for name, real in reals.items():
        fields[f"mult{name}"], fields[f"shift{name}"] = quantize_multiplier(real)
        if fields[f"shift{name}"] > 0:
            raise _refuse(op, "output scale is too small for the input scales")
    return QOp("add", op.place, (a, b), o, fields)


def _lower_softmax(low: _Lowering, op: Op) -> QOp:
    a, o = low.tensor(op.inputs[0]), low.tensor(op.outputs[0])
    ta, to = low.tensors[a], low.tensors[o]
    if to.scale != 1 / 256 or to.zero_point != -128:
        raise _refuse(op, "output must be quantized with scale 1/256 and zero point -128, as converters write it")
    if ta.c > 4095 or (ta.h, ta.w, ta.c) != (to.h, to.w, to.c):
        raise _refuse(op, f"shape {ta.shape} is not supported: at most 4095 classes")
    real = min(float(op.options.get("beta", 1.0)) * ta.scale * (1 << 26), (1 << 31) - 1.0)
    mult, shift = quantize_multiplier(real) if real > 0 else (0, -1)
    if shift < 0:
        raise _refuse(op, f"input scale {ta.scale} times beta is too small")
    radius = 31 * (1 << 26) // (1 << shift)
    return QOp("softmax", op.place, (a,), o, {"mult": mult, "shift": shift, "diff_min": -radius})


def _lower_reshape(low: _Lowering, op: Op) -> None:
    a = low.tensor(op.inputs[0])
    o = low.tensor(op.outputs[0], storage=low.tensors[a].storage)
    if low.tensors[a].len != low.tensors[o].len:
        raise _refuse(op, f"cannot reshape {low.tensors[a].shape} to {low.tensors[o].shape}")


_LOWER: dict[str, Callable[[_Lowering, Op], QOp | None]] = {
    "CONV_2D": _lower_conv,
    "DEPTHWISE_CONV_2D": _lower_conv,
    "FULLY_CONNECTED": _lower_dense,
    "AVERAGE_POOL_2D": _lower_pool,
    "MAX_POOL_2D": _lower_pool,
    "ADD": _lower_add,
    "SOFTMAX": _lower_softmax,
    "RESHAPE": _lower_reshape,
}
SUPPORTED_OPS = tuple(_LOWER)


def _one(graph: Graph, what: str, indices: tuple[int, ...]) -> int:
    if len(indices) != 1:
        raise SdfaError(f"the model has {len(indices)} {what}s; exactly one is supported")
    return indices[0]


def _check_supported(graph: Graph) -> None:
    for op in graph.ops:
        if op.kind not in _LOWER:
            names = ", ".join(repr(graph.tensors[i].name) for i in op.outputs)
            raise SdfaError(
                f"operation {op.place} of {len(graph.ops)}, {op.kind} (makes {names}), is not supported; "
                f"supported: {', '.join(SUPPORTED_OPS)}"
            )


def quantize(graph: Graph) -> QGraph:
    """Lower a full-integer int8 graph. Raises SdfaError naming the operation, its place and what is supported."""
    _check_supported(graph)
    low = _Lowering(graph)
    first = low.tensor(_one(graph, "input", graph.inputs))
    ops = [lowered for op in graph.ops if (lowered := _LOWER[op.kind](low, op)) is not None]
    last = _one(graph, "output", graph.outputs)
    if last not in low.index:
        raise SdfaError("the model's output does not come from its input")
    return QGraph(graph.name, tuple(low.tensors), tuple(ops), first, low.index[last], graph.sha256)
