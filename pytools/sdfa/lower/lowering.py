"""The state of one pass over a graph, and what the lowering of every operation needs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sdfa.errors import SdfaError
from sdfa.lower.multipliers import round_half_away
from sdfa.lower.qgraph import QTensor
from sdfa.tflite.graph import Graph, Int32Array, Op, Tensor

_BOUNDS = {"NONE": (None, None), "RELU": (0.0, None), "RELU6": (0.0, 6.0), "RELU_N1_TO_1": (-1.0, 1.0)}
_LARGEST = 1 << 26  # values of one tensor


def refuse(op: Op, why: str) -> SdfaError:
    """An SdfaError that names the operation and its place."""
    return SdfaError(f"operation {op.place} ({op.kind}): {why}")


@dataclass(frozen=True)
class Padded:
    """A PAD that its readers do themselves. source: tensor of the model file; h, w: the padded picture's size."""

    source: int
    top: int
    left: int
    h: int
    w: int


class Lowering:
    """One pass over a graph; collects tensors on first use. padded: by the PAD's output, which is never made."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: list[QTensor] = []
        self.index: dict[int, int] = {}
        self.padded: dict[int, Padded] = {}

    def tensor(self, i: int, storage: int | None = None) -> int:
        """Index of activation i in the QGraph; made when it is new, as a view of `storage` if given."""
        if i not in self.index:
            number = len(self.tensors)
            self.tensors.append(self.look(i, number if storage is None else storage))
            self.index[i] = number
        return self.index[i]

    def look(self, i: int, storage: int = -1) -> QTensor:
        """Activation i of the model file, without a place in the QGraph."""
        t = self.graph.tensors[i]
        _check_tensor(t)
        return QTensor(t.name, t.shape, *_cells(t.shape), float(t.scale[0]), int(t.zero_point[0]), storage)

    def source(self, op: Op, slot: int = 0) -> int:
        """Index of the activation that the operation reads; constants are refused."""
        t = self.graph.tensors[op.inputs[slot]]
        if t.data is not None:
            raise refuse(op, f"{t.name!r} is a constant; only what was computed can stand there")
        return self.tensor(op.inputs[slot])

    def ends(self, op: Op) -> tuple[int, int, QTensor, QTensor]:
        """Indices of the first input and the output, and both tensors."""
        if not op.inputs or len(op.outputs) != 1:
            raise refuse(op, f"has {len(op.inputs)} inputs and {len(op.outputs)} outputs; convert the model again")
        a, o = self.source(op), self.tensor(op.outputs[0])
        return a, o, self.tensors[a], self.tensors[o]

    def constant(self, op: Op, slot: int, dtype: str) -> Tensor:
        """A constant input; its `data` is not None."""
        if not 0 <= slot < len(op.inputs) or op.inputs[slot] < 0:
            raise refuse(op, f"input {slot} is missing")
        t = self.graph.tensors[op.inputs[slot]]
        if t.data is None:
            raise refuse(op, f"input {slot} ({t.name!r}) must be a constant")
        if t.dtype != dtype:
            raise refuse(op, f"constant {t.name!r} is {t.dtype}, only {dtype} is supported: quantize to full int8")
        return t

    def integers(self, op: Op, slot: int) -> list[int]:
        """A constant int32 input, flat."""
        data = self.constant(op, slot, "int32").data
        assert data is not None
        return [int(v) for v in data.reshape(-1).astype(np.int64)]

    def bias(self, op: Op, n: int) -> Int32Array:
        """int32[n], zeros when there is none."""
        if bias_tensor(op) < 0:
            return np.zeros(n, np.int32)
        data = self.constant(op, 2, "int32").data
        assert data is not None
        if data.size != n:
            raise refuse(op, f"bias has {data.size} values for {n} channels")
        return data.reshape(n).astype(np.int32)

    def readers(self, i: int) -> list[Op]:
        """Operations that read tensor i of the model file."""
        return [op for op in self.graph.ops if i in op.inputs]


def _check_tensor(t: Tensor) -> None:
    if t.dtype != "int8" or t.scale.size != 1:
        raise SdfaError(
            f"tensor {t.name!r} is {t.dtype}, not int8: this is not a full-integer int8 model; "
            "quantize it with calibration data first (TFLiteConverter, TFLITE_BUILTINS_INT8, int8 input and output)"
        )
    if min(t.shape, default=1) < 1 or int(np.prod(t.shape, dtype=np.int64)) > _LARGEST:
        raise SdfaError(f"tensor {t.name!r} has shape {t.shape}: every size must be at least 1, and all within 64 MB")
    scale, zero_point = float(t.scale[0]), int(t.zero_point[0])
    if not (np.isfinite(scale) and scale > 0) or not -128 <= zero_point <= 127:
        raise SdfaError(f"tensor {t.name!r} has scale {scale} and zero point {zero_point}: not a sound int8 tensor")
    h, w, _ = _cells(t.shape)
    if h > 65535 or w > 65535:
        raise SdfaError(f"tensor {t.name!r} has shape {t.shape}: height and width go up to 65535")


def _cells(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """NHWC with N = 1; whatever is not a picture is rows of its last dimension."""
    if len(shape) == 4 and shape[0] == 1:
        return shape[1], shape[2], shape[3]
    if not shape:
        return 1, 1, 1
    return 1, int(np.prod(shape[:-1], dtype=np.int64)), shape[-1]


def picture(op: Op, t: QTensor) -> None:
    """Refuse what is no picture."""
    if len(t.shape) != 4 or t.shape[0] != 1:
        raise refuse(op, f"{t.name!r} has shape {t.shape}: a picture of shape (1, height, width, channels) is needed")


def same_quantization(op: Op, a: QTensor, out: QTensor) -> None:
    """Refuse an operation that would have to rescale; TensorFlow Lite Micro does not rescale there either."""
    if a.quantization != out.quantization:
        raise refuse(op, f"{a.name!r} and {out.name!r} must have the same scale and zero point")


def activation(op: Op) -> str:
    """Name of the fused activation."""
    return str(op.options.get("activation", "NONE"))


def activation_range(op: Op, out: QTensor) -> dict[str, int]:
    """act_min and act_max of the fused activation."""
    name = activation(op)
    if name not in _BOUNDS:
        raise refuse(op, f"fused activation {name} is not supported; supported: {', '.join(_BOUNDS)}")
    low, high = (None if real is None else level(out, real) for real in _BOUNDS[name])
    lo = -128 if low is None else min(max(-128, low), 127)
    hi = 127 if high is None else max(min(127, high), -128)
    return {"act_min": lo, "act_max": max(lo, hi)}


def level(t: QTensor, real: float) -> int:
    """The quantized value of `real`, unclamped; TensorFlow divides in single precision."""
    return t.zero_point + round_half_away(float(np.float32(real) / np.float32(t.scale)))


def bias_tensor(op: Op) -> int:
    """Index of the bias in the model file, -1 without one."""
    return op.inputs[2] if len(op.inputs) > 2 else -1
