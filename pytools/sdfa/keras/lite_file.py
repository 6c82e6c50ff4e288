"""A .tflite file in the object form of TensorFlow's own schema, to change it in ways that need it written anew."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.keras.tensorflow import tensorflow


class LiteFile:
    """The one subgraph of a file that the converter wrote."""

    def __init__(self, data: bytes) -> None:
        tensorflow()
        from tensorflow.lite.python import schema_py_generated as schema

        self.schema = schema
        self.model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(data, 0))
        self.graph = self.model.subgraphs[0]
        self.names: dict[int, str] = {
            value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)
        }

    def packed(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(1 << 16)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def kind(self, op: Any) -> str:
        code = self.model.operatorCodes[op.opcodeIndex]
        return self.names.get(max(code.builtinCode, code.deprecatedBuiltinCode), "")

    def name(self, index: int) -> str:
        """Of a tensor, whole; load cuts long ones off."""
        name: bytes = self.graph.tensors[index].name
        return name.decode("utf-8", "replace")

    def output(self, place: int) -> int:
        """Index of the tensor that operation `place` makes."""
        return int(self.graph.operators[place].outputs[0])

    def output_name(self, place: int) -> str:
        return self.name(self.output(place))

    def own(self, op: Any) -> None:
        """Weights and bias of a dense layer as constants of their own; an absent bias as zeros."""
        op.inputs = [int(i) for i in op.inputs]
        weights = self.graph.tensors[op.inputs[1]]
        if not self._constant(weights):
            return
        op.inputs[1] = self._copy(op.inputs[1])
        if len(op.inputs) > 2 and op.inputs[2] >= 0:
            op.inputs[2] = self._copy(op.inputs[2])
        else:
            op.inputs = [*op.inputs[:2], self._zeros(self.graph.tensors[op.inputs[0]], weights)]

    def _constant(self, tensor: Any) -> bool:
        data = self.model.buffers[tensor.buffer].data
        return data is not None and len(data) > 0

    def _copy(self, index: int) -> int:
        """A tensor like this one with a buffer of its own."""
        tensor = copy.deepcopy(self.graph.tensors[index])
        tensor.buffer = self._buffer(self.model.buffers[tensor.buffer].data)
        return self._append(tensor)

    def _zeros(self, a: Any, weights: Any) -> int:
        n = int(weights.shape[0])
        tensor = self.schema.TensorT()
        tensor.shape, tensor.type = [n], self.schema.TensorType.INT32
        tensor.name = bytes(weights.name) + b"/bias"
        tensor.buffer = self._buffer(np.zeros(4 * n, np.uint8))
        tensor.quantization = self.schema.QuantizationParametersT()
        scale = np.float32(a.quantization.scale[0]) * np.asarray(weights.quantization.scale, np.float32)
        _put_scale(tensor, scale)
        tensor.quantization.zeroPoint = [0] * len(scale)
        return self._append(tensor)

    def _append(self, tensor: Any) -> int:
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def _buffer(self, data: npt.NDArray[np.uint8]) -> int:
        buffer = self.schema.BufferT()
        buffer.data = np.array(data, np.uint8)
        self.model.buffers.append(buffer)
        return len(self.model.buffers) - 1

    def per_channel(self, tensor: int) -> bool:
        return len(self.graph.tensors[tensor].quantization.scale) > 1

    def put_constant(self, index: int, values: npt.NDArray[Any], scale: npt.NDArray[np.float32]) -> None:
        """Other values of the same shape and type, and their scales."""
        tensor = self.graph.tensors[index]
        self.model.buffers[tensor.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
        self.put_scale(index, scale)

    def put_scale(self, index: int, scale: npt.NDArray[np.float32]) -> None:
        _put_scale(self.graph.tensors[index], scale)


def _put_scale(tensor: Any, scale: npt.NDArray[np.float32]) -> None:
    tensor.quantization.scale = [float(s) for s in scale]
    tensor.quantization.min = tensor.quantization.max = None
