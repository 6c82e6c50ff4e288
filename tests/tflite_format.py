"""Writes TensorFlow Lite files from lists of tensors and operations, sound ones and others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

CODES = {
    "ADD": 0, "AVERAGE_POOL_2D": 1, "CONCATENATION": 2, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4, "DEQUANTIZE": 6,
    "FULLY_CONNECTED": 9, "LOGISTIC": 14, "MAX_POOL_2D": 17, "MUL": 18, "RELU": 19, "RELU6": 21, "RESHAPE": 22,
    "SOFTMAX": 25, "TANH": 28, "CUSTOM": 32, "PAD": 34, "GATHER": 36, "MEAN": 40, "SUB": 41, "SQUEEZE": 43,
    "STRIDED_SLICE": 45, "PADV2": 60, "EXPAND_DIMS": 70, "SHAPE": 77, "REDUCE_PROD": 81, "REDUCE_MAX": 82, "PACK": 83,
    "RESIZE_NEAREST_NEIGHBOR": 97, "LEAKY_RELU": 98, "QUANTIZE": 114, "HARD_SWISH": 117, "CUMSUM": 128, "GELU": 150,
}  # fmt: skip
_TYPES = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "string": 5, "int16": 7, "int8": 9, "int4": 17}
_ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
_PADDINGS = {"SAME": 0, "VALID": 1}

# kind -> (number in the union of options, {option: (slot, how it is stored)})
_CONV = {"padding": (0, "Int8"), "stride_w": (1, "Int32"), "stride_h": (2, "Int32")}
_POOL = {**_CONV, "filter_w": (3, "Int32"), "filter_h": (4, "Int32"), "activation": (5, "Int8")}
_OPTIONS: dict[str, tuple[int, dict[str, tuple[int, str]]]] = {
    "CONV_2D": (
        1, {**_CONV, "activation": (3, "Int8"), "dilation_w": (4, "Int32"), "dilation_h": (5, "Int32")},
    ),
    "DEPTHWISE_CONV_2D": (
        2,
        {**_CONV, "depth_multiplier": (3, "Int32"), "activation": (4, "Int8"),
         "dilation_w": (5, "Int32"), "dilation_h": (6, "Int32")},
    ),
    "AVERAGE_POOL_2D": (5, _POOL),
    "MAX_POOL_2D": (5, _POOL),
    "FULLY_CONNECTED": (
        8, {"activation": (0, "Int8"), "weights_format": (1, "Int8"), "keep_num_dims": (2, "Bool")},
    ),
    "SOFTMAX": (9, {"beta": (0, "Float32")}),
    "CONCATENATION": (10, {"axis": (0, "Int32"), "activation": (1, "Int8")}),
    "ADD": (11, {"activation": (0, "Int8")}),
    "MUL": (21, {"activation": (0, "Int8")}),
    "SUB": (28, {"activation": (0, "Int8")}),
    "LEAKY_RELU": (75, {"alpha": (0, "Float32")}),
    "SQUEEZE": (30, {}),
    "EXPAND_DIMS": (52, {}),
    "RESHAPE": (17, {}),
    "GATHER": (23, {"axis": (0, "Int32"), "batch_dims": (1, "Int32")}),
    "REDUCE_PROD": (27, {"keep_dims": (0, "Bool")}),
    "MEAN": (27, {"keep_dims": (0, "Bool")}),
    "REDUCE_MAX": (27, {"keep_dims": (0, "Bool")}),
    "STRIDED_SLICE": (
        32,
        {"begin_mask": (0, "Int32"), "end_mask": (1, "Int32"), "ellipsis_mask": (2, "Int32"),
         "new_axis_mask": (3, "Int32"), "shrink_axis_mask": (4, "Int32")},
    ),
    "SHAPE": (55, {"out_type": (0, "Int8")}),
    "PACK": (59, {"values_count": (0, "Int32"), "axis": (1, "Int32")}),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class TensorDef:
    """A tensor to write: `scale` has no, one or shape[axis] values; `data` makes it a constant.

    signature: what shape_signature says (-1 for an open dimension), if it differs from `shape`.
    buffer: the raw bytes of the constant, for files that lie about them.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str = "int8"
    scale: tuple[float, ...] = ()
    zero_point: int = 0
    axis: int = 0
    data: Array | None = None
    signature: tuple[int, ...] | None = None
    buffer: bytes | None = None


@dataclass(frozen=True, eq=False)
class OpDef:
    """An operation to write: `kind` is a name of CODES or any operator code.

    Options as sdfa.tflite.graph.Op names them; None writes no options table.
    """

    kind: str | int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int | float | str] | None = field(default_factory=dict)
    custom: str = ""


def write_model(
    tensors: Sequence[TensorDef],
    ops: Sequence[OpDef],
    inputs: Sequence[int],
    outputs: Sequence[int],
    *,
    identifier: bytes = b"TFL3",
    subgraph_n: int = 1,
) -> bytes:
    """The bytes of a .tflite file. Buffer 0 is the customary empty one; constants are 16-aligned."""
    b = flatbuffers.Builder(1024)
    codes = list(dict.fromkeys((_code(op), op.custom) for op in ops))
    code_offs = [_operator_code(b, code, custom) for code, custom in codes]
    op_offs = [_operator(b, op, codes.index((_code(op), op.custom))) for op in ops]
    constants = [t for t in tensors if _raw(t) is not None]
    buffer_offs = [_table(b, 1)] + [_buffer(b, _raw(t) or b"") for t in constants]
    places = {id(t): i + 1 for i, t in enumerate(constants)}
    tensor_offs = [_tensor(b, t, places.get(id(t), 0)) for t in tensors]
    graph = _table(
        b, 5, (0, "UOffsetTRelative", _offsets(b, tensor_offs)), (1, "UOffsetTRelative", _ints(b, inputs)),
        (2, "UOffsetTRelative", _ints(b, outputs)), (3, "UOffsetTRelative", _offsets(b, op_offs)),
    )  # fmt: skip
    model = _table(
        b, 5, (0, "Uint32", 3), (1, "UOffsetTRelative", _offsets(b, code_offs)),
        (2, "UOffsetTRelative", _offsets(b, [graph] * subgraph_n)),
        (4, "UOffsetTRelative", _offsets(b, buffer_offs)),
    )  # fmt: skip
    b.Finish(model, identifier)
    return bytes(b.Output())


def _code(op: OpDef) -> int:
    return CODES[op.kind] if isinstance(op.kind, str) else op.kind


def _raw(tensor: TensorDef) -> bytes | None:
    if tensor.buffer is not None or tensor.data is None:
        return tensor.buffer
    return np.ascontiguousarray(tensor.data).tobytes()


def _table(b: Any, slot_n: int, *fields: tuple[int, str, Any]) -> Any:
    """A table of fields (slot, type, value). What is no number is the offset of what was written before."""
    b.StartObject(slot_n)
    for slot, kind, value in fields:
        getattr(b, f"Prepend{kind}")(value)
        b.Slot(slot)
    return b.EndObject()


def _offsets(b: Any, offs: Sequence[Any]) -> Any:
    b.StartVector(4, len(offs), 4)
    for off in reversed(offs):
        b.PrependUOffsetTRelative(off)
    return b.EndVector()


def _ints(b: Any, values: Sequence[int]) -> Any:
    return _vector(b, np.asarray(values, "<i4"))


def _vector(b: Any, values: Array) -> Any:
    b.StartVector(values.itemsize, values.size, values.itemsize)
    for value in reversed(values.tolist()):
        {"i4": b.PrependInt32, "i8": b.PrependInt64, "f4": b.PrependFloat32}[values.dtype.str[1:]](value)
    return b.EndVector()


def _operator_code(b: Any, code: int, custom: str) -> Any:
    fields: list[tuple[int, str, Any]] = [(0, "Int8", min(code, 127)), (2, "Int32", 1), (3, "Int32", code)]
    if custom:
        fields.append((1, "UOffsetTRelative", b.CreateString(custom)))
    return _table(b, 4, *fields)


def _operator(b: Any, op: OpDef, code: int) -> Any:
    inputs, outputs = _ints(b, op.inputs), _ints(b, op.outputs)
    fields = [(0, "Uint32", code), (1, "UOffsetTRelative", inputs), (2, "UOffsetTRelative", outputs)]
    if isinstance(op.kind, str) and op.kind in _OPTIONS and op.options is not None:
        union, slots = _OPTIONS[op.kind]
        options = [(*slots[name], _stored(name, value)) for name, value in op.options.items()]
        fields += [(3, "Uint8", union), (4, "UOffsetTRelative", _table(b, 8, *options))]
    return _table(b, 9, *fields)


def _stored(name: str, value: int | float | str) -> int | float:
    if isinstance(value, str):
        return {"activation": _ACTIVATIONS, "padding": _PADDINGS, "out_type": _TYPES}[name][value]
    return value


def _buffer(b: Any, raw: bytes) -> Any:
    b.StartVector(1, len(raw), 16)
    start = b.Head() - len(raw)
    b.head = start
    b.Bytes[start : start + len(raw)] = raw
    data = b.EndVector()
    return _table(b, 1, (0, "UOffsetTRelative", data))


def _tensor(b: Any, tensor: TensorDef, buffer: int) -> Any:
    name, shape = b.CreateString(tensor.name), _ints(b, tensor.shape)
    fields: list[tuple[int, str, Any]] = [
        (0, "UOffsetTRelative", shape), (1, "Int8", _TYPES[tensor.dtype]), (2, "Uint32", buffer),
        (3, "UOffsetTRelative", name),
    ]  # fmt: skip
    if tensor.scale:
        scale = _vector(b, np.asarray(tensor.scale, "<f4"))
        zero_point = _vector(b, np.full(len(tensor.scale), tensor.zero_point, "<i8"))
        quantization = _table(
            b,
            7,
            (2, "UOffsetTRelative", scale),
            (3, "UOffsetTRelative", zero_point),
            (6, "Int32", tensor.axis),
        )
        fields.append((4, "UOffsetTRelative", quantization))
    if tensor.signature is not None:
        fields.append((7, "UOffsetTRelative", _ints(b, tensor.signature)))
    return _table(b, 8, *fields)
