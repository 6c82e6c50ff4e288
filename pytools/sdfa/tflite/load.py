"""TensorFlow Lite files to Graph, without TensorFlow."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.tflite import schema as schema
from sdfa.tflite.flatbuffer import Malformed, Table, root
from sdfa.tflite.graph import Graph, Op, Tensor

_MAX_RANK = 8
_SHOWN = 120  # characters of a name that are kept
# the smallest and largest zero point of the types whose zero point matters
_ZERO_POINTS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}
_OTHER_FILES = {
    ".keras": "it is a Keras model: run pytools quantize first",
    ".h5": "it is a Keras model: run pytools quantize first",
    ".onnx": "it is an ONNX model: convert it to .tflite first",
}


def load_tflite(data: bytes, name: str) -> Graph:
    """The model in the bytes of a .tflite file; `name` names it in the graph and in messages.

    Any operator and type is read; a later stage refuses what it cannot do, by name. Raises SdfaError when the
    bytes are no sound TensorFlow Lite model with exactly one subgraph.
    """
    return _load(data, name, name)


def read_model(path: str | Path) -> tuple[Graph, bytes]:
    """The model in a .tflite file, named after it, and the bytes of the file. Raises SdfaError."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except (OSError, ValueError) as error:
        # ValueError: a path with a null byte
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SdfaError(f"{_clean(str(path))}: {why}; give the path of a .tflite model") from None
    return _load(data, path.stem, path.name), data


def _load(data: bytes, name: str, where: str) -> Graph:
    where = _clean(where) or "the model"
    if data[4:8] != schema.IDENTIFIER:
        hint = _OTHER_FILES.get(Path(where).suffix.lower(), "give a TensorFlow Lite flatbuffer")
        raise SdfaError(f"{where} is not a .tflite file (no TFL3 identifier); {hint}")
    try:
        return _Reader(data, name, where).graph()
    except Malformed as error:
        raise SdfaError(f"{where} is damaged: {error}; convert or download it again") from None


def _clean(text: str) -> str:
    """A name that is safe in one-line messages and generated text: printable, single blanks, not endless."""
    shown = "".join(c if c.isprintable() else " " for c in text)
    return " ".join(shown.split())[:_SHOWN]


@dataclass(frozen=True)
class _Buffer:
    at: int
    size: int


class _Reader:
    """Everything that reading one file needs to know."""

    def __init__(self, data: bytes, name: str, where: str) -> None:
        self.data = data
        self.name = name
        self.where = where
        self.model = root(data, schema.IDENTIFIER)

    def refuse(self, what: str) -> SdfaError:
        return SdfaError(f"{self.where}: {what}")

    def graph(self) -> Graph:
        subgraphs = self.model.tables(2)
        if len(subgraphs) != 1:
            raise self.refuse(f"has {len(subgraphs)} subgraphs; give a model with one (no control flow)")
        graph = subgraphs[0]
        buffers = [self._buffer(table) for table in self.model.tables(4)]
        tensors = tuple(self._tensor(i, table, buffers) for i, table in enumerate(graph.tables(0)))
        inputs = _indices(graph, 1, len(tensors), "graph inputs")
        self._check_inputs(graph.tables(0), tensors, inputs)
        outputs = _indices(graph, 2, len(tensors), "graph outputs")
        ops = self._ops(graph.tables(3), len(tensors))
        self._check_order(tensors, ops, inputs)
        return Graph(self.name, tensors, ops, inputs, outputs, hashlib.sha256(self.data).hexdigest())

    def _buffer(self, table: Table) -> _Buffer:
        at, size = table.vector(0, 1) or (0, 0)
        far = int(table.number(1, "Q", 0))
        # files over 2 GB keep constants behind the flatbuffer; 0 and 1 mean that this one does not
        if far > 1:
            at, size = far, int(table.number(2, "Q", 0))
            table.source.check(at, size)
        return _Buffer(at, size)

    def _tensor(self, index: int, table: Table, buffers: list[_Buffer]) -> Tensor:
        name = _clean(table.text(3)) or f"tensor{index}"
        dtype = _enum(schema.TYPES, int(table.number(1, "b", 0)), f"type of tensor {name}")
        shape = self._shape(name, table)
        if table.table(6) or table.number(10, "I", 0):
            raise self.refuse(f"tensor {name} is stored sparse or elsewhere; convert with dense weights inside")
        scale, zero_point, axis = self._quantization(name, table.table(4), shape, dtype)
        chosen = int(table.number(2, "I", 0))
        if chosen >= len(buffers) and chosen > 0:
            raise Malformed(f"tensor {name} uses buffer {chosen} of {len(buffers)}")
        buffer = buffers[chosen] if buffers else _Buffer(0, 0)
        data = self._constant(name, buffer, shape, dtype)
        off = None if data is None else buffer.at
        return Tensor(name, shape, dtype, scale, zero_point, axis, data, off)

    def _shape(self, name: str, table: Table) -> tuple[int, ...]:
        shape = [int(size) for size in table.numbers(0, "<i4", _MAX_RANK)]
        if shape and shape[0] < 0:
            shape[0] = 1
        if any(size < 0 for size in shape):
            raise self.refuse(f"tensor {name} has the open shape {shape}; convert with fixed sizes")
        return tuple(shape)

    def _quantization(
        self, name: str, table: Table | None, shape: tuple[int, ...], dtype: str
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64], int]:
        """(scale float32[n], zero point int64[n], axis), n = 0 for what is not quantized."""
        if table is None:
            return np.zeros(0, np.float32), np.zeros(0, np.int64), 0
        if table.number(4, "B", 0):
            raise self.refuse(f"tensor {name} has a custom quantization; convert to full-integer int8")
        scale = table.numbers(2, "<f4").astype(np.float32)
        zero_point = table.numbers(3, "<i8").astype(np.int64)
        if len(zero_point) in (0, 1):  # one (or none, which is 0) stands for all
            zero_point = np.full(len(scale), zero_point[0] if len(zero_point) else 0, np.int64)
        axis = int(table.number(6, "i", 0)) if len(scale) > 1 else 0
        _check_quantization(name, scale, zero_point, axis, shape, dtype)
        return scale, zero_point, axis

    def _constant(
        self, name: str, buffer: _Buffer, shape: tuple[int, ...], dtype: str
    ) -> npt.NDArray[np.generic] | None:
        if buffer.size == 0:
            return None
        kind = schema.DTYPES.get(dtype)
        if kind is None:
            raise self.refuse(f"tensor {name} is a constant of type {dtype}; convert to full-integer int8")
        count = math.prod(shape)
        if buffer.size != count * kind.itemsize:
            raise Malformed(f"tensor {name} ({dtype}{list(shape)}) has {buffer.size} bytes of data")
        return self.model.source.array(buffer.at, count, kind).reshape(shape)

    def _check_inputs(self, tables: list[Table], tensors: tuple[Tensor, ...], inputs: Iterable[int]) -> None:
        for index in inputs:
            signature = tables[index].numbers(7, "<i4", _MAX_RANK)
            if np.any(signature[1:] < 0):
                raise self.refuse(
                    f"input {tensors[index].name} has the open shape {signature.tolist()}; "
                    "only the batch size may be open: convert with fixed sizes"
                )

    def _ops(self, tables: list[Table], tensor_n: int) -> tuple[Op, ...]:
        kinds = [_kind(code) for code in self.model.tables(1)]
        ops = []
        for place, table in enumerate(tables):
            code = int(table.number(0, "I", 0))
            if code >= len(kinds):
                raise Malformed(f"operation {place} uses operator code {code} of {len(kinds)}")
            kind = kinds[code]
            inputs = _indices(table, 1, tensor_n, f"inputs of {_title(kind, place)}", optional=True)
            outputs = _indices(table, 2, tensor_n, f"outputs of {_title(kind, place)}")
            ops.append(Op(kind, place, inputs, outputs, _options(kind, place, table)))
        return tuple(ops)

    def _check_order(self, tensors: tuple[Tensor, ...], ops: tuple[Op, ...], inputs: tuple[int, ...]) -> None:
        """Every tensor has at most one origin, and none is read before it is computed."""
        maker = dict.fromkeys(inputs, -1)
        for op in ops:
            for index in op.outputs:
                if index in maker or tensors[index].data is not None:
                    raise Malformed(f"{_title(op.kind, op.place)} overwrites tensor {tensors[index].name}")
                maker[index] = op.place
        for op in ops:
            for index in op.inputs:
                if maker.get(index, -1) >= op.place:
                    raise Malformed(f"{_title(op.kind, op.place)} reads {tensors[index].name} too early")


def _check_quantization(
    name: str,
    scale: npt.NDArray[np.float32],
    zero_point: npt.NDArray[np.int64],
    axis: int,
    shape: tuple[int, ...],
    dtype: str,
) -> None:
    count = len(scale)
    if len(zero_point) != count:
        raise Malformed(f"tensor {name} has {count} scales and {len(zero_point)} zero points")
    if count > 1 and not (0 <= axis < len(shape) and shape[axis] == count):
        raise Malformed(f"tensor {name} of shape {list(shape)} has {count} scales along dimension {axis}")
    if not np.all(np.isfinite(scale) & (scale > 0)):
        raise Malformed(f"tensor {name} has a scale that is not a positive number")
    low, high = _ZERO_POINTS.get(dtype, (-(2**31), 2**31 - 1))
    if np.any((zero_point < low) | (zero_point > high)):
        raise Malformed(f"tensor {name} of type {dtype} has a zero point outside {low} ... {high}")


def _indices(table: Table, slot: int, tensor_n: int, what: str, optional: bool = False) -> tuple[int, ...]:
    """A vector of tensor indices, checked; -1 (absent) only where it is optional."""
    found = table.numbers(slot, "<i4")
    if np.any((found < (-1 if optional else 0)) | (found >= tensor_n)):
        raise Malformed(f"the {what} name a tensor that does not exist")
    return tuple(int(index) for index in found)


def _enum(names: tuple[str, ...], value: int, what: str) -> str:
    if not 0 <= value < len(names):
        raise Malformed(f"the {what} is {value}, which is unknown")
    return names[value]


def _title(kind: str, place: int) -> str:
    return f"operation {place} ({kind})"


def _kind(code: Table) -> str:
    """The operator's name. Codes above 126 stand in the newer of two fields, others in both or the older."""
    value = max(int(code.number(0, "b", 0)), int(code.number(3, "i", 0)))
    if value == schema.CUSTOM:
        return f"CUSTOM({_clean(code.text(1)) or 'unnamed'})"
    # a newer schema may know more operators: still worth a name in a message
    return schema.OPERATORS[value] if 0 <= value < len(schema.OPERATORS) else f"BUILTIN({value})"


def _options(kind: str, place: int, table: Table) -> Mapping[str, int | float | str]:
    """The options that this kind has; an absent options table yields the schema's defaults."""
    known = schema.OPTIONS.get(kind)
    if known is None:
        return {}
    union, fields = known
    found, options = int(table.number(3, "B", 0)), table.table(4)
    if options is not None and found != union:
        raise Malformed(f"{_title(kind, place)} has the options of another kind")
    return {field[0]: _option(_title(kind, place), options, field) for field in fields}


def _option(op: str, options: Table | None, field: schema.Field) -> int | float | str:
    name, slot, form, default = field
    value = default if options is None else options.number(slot, form, default)
    if name in schema.ENUMS:
        return _enum(schema.ENUMS[name], int(value), f"{name} of {op}")
    if name in schema.POSITIVE and value < 1:
        raise Malformed(f"the {name} of {op} is {value}")
    return float(value) if form == "f" else int(value)
