"""Room for the weights and outputs of the layers that will learn, put into an int8 .tflite file.

A converter gives the largest weight of a row the value 127, and the largest output of a layer 255 steps: learning can
only shrink the one, and saturates the other. Here both get `headroom` times the range, from the float weights, so that
nothing is rounded twice. The file stays a plain .tflite file: interpreters and TensorFlow Lite Micro compute all
multipliers from the scales in it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sdfa.errors import SdfaError
from sdfa.keras.lite_file import LiteFile
from sdfa.learning.tail import Tail, TailLayer, find_tail
from sdfa.lower import lower
from sdfa.tflite.dense_model import Scaling, quantized_rows
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.graph import FloatArray, Graph
from sdfa.tflite.load import load_tflite

_ALIASES = ("RESHAPE", "SQUEEZE", "EXPAND_DIMS")


def with_own_constants(model: bytes) -> bytes:
    """The same model; each FULLY_CONNECTED has a bias, zeros where it had none, and constants that no other reads.

    Converters leave biases of zeros away, and store equal constants once.
    """
    file = LiteFile(model)
    for op in file.graph.operators:
        if file.kind(op) == "FULLY_CONNECTED":
            file.own(op)
    return file.packed()


def with_headroom(model: bytes, plain: bytes, name: str, train_last: int | None, headroom: float) -> tuple[bytes, Tail]:
    """The int8 model (of with_own_constants) with room in its last dense layers, and these layers.

    plain: the float model of the same graph. train_last, None: the default of find_tail. Raises SdfaError where the
    model does not end in dense layers.
    """
    scaling = Scaling(headroom)
    graph = fold_shapes(load_tflite(model, name))
    tail = find_tail(lower(graph), train_last)
    if headroom == 1:
        return model, tail
    file, exact, floats = LiteFile(model), LiteFile(plain), load_tflite(plain, name)
    for number, layer in enumerate(tail.layers):
        a_scale = float(np.float32(layer.a.scale * headroom)) if number else layer.a.scale
        real = _float_layer(floats, exact, file.output_name(layer.dense.place))
        _rescale(file, layer, real, a_scale, scaling)
        for index in _names(graph, file.output(layer.dense.place)):
            file.put_scale(index, np.array([headroom * layer.out.scale], np.float32))
    return file.packed(), tail


def _float_layer(graph: Graph, file: LiteFile, name: str) -> tuple[FloatArray, FloatArray]:
    """Weights (out, in) and bias (out,) of the layer whose output has this name."""
    for op in graph.ops:
        if op.kind == "FULLY_CONNECTED" and file.output_name(op.place) == name:
            weights = graph.tensors[op.inputs[1]].data
            bias = graph.tensors[op.inputs[2]].data if len(op.inputs) > 2 and op.inputs[2] >= 0 else None
            if weights is not None:
                real = weights.astype(np.float64)
                return real, np.zeros(len(real)) if bias is None else bias.astype(np.float64)
    raise SdfaError(f"the layer that makes {name!r} has no float weights of its own: use --headroom 1")


def _rescale(
    file: LiteFile, layer: TailLayer, real: tuple[FloatArray, FloatArray], a_scale: float, scaling: Scaling
) -> None:
    """New weights and bias of a layer, from its float ones."""
    weights_at, bias_at = layer.dense.weight_tensor, layer.dense.bias_tensor
    chosen = replace(scaling, per_channel=file.per_channel(weights_at))
    scale, weights, bias = quantized_rows(*real, a_scale, chosen)
    file.put_constant(weights_at, weights, scale)
    file.put_constant(bias_at, bias, np.float32(a_scale) * scale)


def _names(graph: Graph, tensor: int) -> list[int]:
    """The tensor and those that only rename it."""
    found = [tensor]
    for op in graph.ops:
        if op.kind in _ALIASES and op.inputs[0] in found:
            found.append(op.outputs[0])
    return found
