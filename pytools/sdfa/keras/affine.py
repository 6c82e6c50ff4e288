"""Layers that scale each channel and nothing behind them can take it in: as 1x1 depthwise convolutions.

TensorFlow's converter folds a BatchNormalization into the weights of a layer with none but a linear activation right
before it. Any other, and Normalization, become MUL and ADD with a constant per channel, which rounds twice and is no
operation of the runtime. A depthwise convolution of one tap is the same function and rounds once. Behind Conv1D, where
the converter does not fold, it is done here.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.keras.tensorflow import keras

_FOLDS = ("Conv2D", "DepthwiseConv2D", "SeparableConv2D", "Dense")

Affine = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]
"""(factor, offset), each float32 (channels,)."""


def with_affine_layers(model: Any) -> Any:
    """The model, a Sequential or functional one, with such layers replaced; the same object if it has none."""
    k = keras()
    replaced = _replacements(k, model)
    if not replaced:
        return model

    def clone(layer: Any) -> Any:
        return replaced.get(id(layer), layer)

    return k.models.clone_model(model, clone_function=clone, recursive=True)


def _replacements(k: Any, model: Any) -> dict[int, Any]:
    """id of a layer -> what stands for it: channel-wise layers that the converter does not fold; also inside models."""
    graph = model._functional if type(model).__name__ == "Sequential" else model
    nodes = [node for row in graph._nodes_by_depth.values() for node in row]
    uses = Counter(id(node.operation) for node in nodes)
    makers = {id(t): node.operation for node in nodes for t in node.outputs}
    readers = Counter(id(t) for node in nodes for t in node.arguments.keras_tensors)
    readers.update(id(t) for t in model.outputs)
    found: dict[int, Any] = {}
    for node in nodes:
        layer = node.operation
        if type(layer).__name__ in ("Sequential", "Functional"):
            found |= _replacements(k, layer)
        if affine_of(layer) is None:
            continue
        (before,) = (id(t) for t in node.arguments.keras_tensors)
        maker = makers[before]
        shared = readers[before] > 1 or uses[id(maker)] > 1
        if not shared and type(maker).__name__ == "Conv1D" and _linear(maker) and uses[id(layer)] == 1:
            found[id(maker)] = _folded(maker, affine_of(layer))
            found[id(layer)] = k.layers.Activation("linear", name=layer.name)
        elif shared or not _takes_in(maker):
            found[id(layer)] = _depthwise(k, layer)
    return found


def _takes_in(layer: Any) -> bool:
    """Whether the converter puts a factor and an offset per channel into this layer's weights."""
    return type(layer).__name__ in _FOLDS and _linear(layer)


def _linear(layer: Any) -> bool:
    return getattr(layer.activation, "__name__", "") == "linear"


def _folded(layer: Any, affine: Affine | None) -> Any:
    """A convolution that scales its outputs too; each of its weights is rounded once, to float32."""
    assert affine is not None
    factor, offset = affine
    whole = type(layer).from_config(layer.get_config() | {"use_bias": True})
    whole.build(layer.input.shape)
    kernel, *bias = layer.get_weights()
    whole.set_weights([kernel * factor, (bias[0] if bias else np.float32(0)) * factor + offset])
    return whole


def affine_of(layer: Any) -> Affine | None:
    """What the layer does to the last dimension, or None when it is another kind or another dimension."""
    kind = type(layer).__name__
    if kind == "BatchNormalization" and _last_axis(layer):
        mean, variance = np.asarray(layer.moving_mean), np.asarray(layer.moving_variance)
        gamma = np.asarray(layer.gamma) if layer.scale else np.ones_like(mean)
        beta = np.asarray(layer.beta) if layer.center else np.zeros_like(mean)
        factor = gamma / np.sqrt(variance + layer.epsilon)
        return factor.astype(np.float32), (beta - mean * factor).astype(np.float32)
    if kind == "Normalization" and _last_axis(layer) and not layer.invert:
        mean, variance = (np.asarray(v, np.float32).reshape(-1) for v in (layer.mean, layer.variance))
        factor = 1 / np.maximum(np.sqrt(variance), np.float32(1e-7))
        return factor, -mean * factor
    return None


def _last_axis(layer: Any) -> bool:
    axis = layer.axis if isinstance(layer.axis, (tuple, list)) else (layer.axis,)
    return len(axis) == 1 and axis[0] in (-1, len(layer.input.shape) - 1)


def _depthwise(k: Any, layer: Any) -> Any:
    """The replacement; what is no picture becomes one of a single row."""
    affine, shape = affine_of(layer), tuple(layer.input.shape)[1:]
    assert affine is not None
    taps = k.layers.DepthwiseConv2D(1, name=layer.name)
    picture = shape if len(shape) == 3 else (1, int(np.prod(shape[:-1])), shape[-1])
    taps.build((None, *picture))
    taps.set_weights([affine[0].reshape(1, 1, -1, 1), affine[1]])
    # with names of their own: Keras' would count on in a process, and end up in the file
    ends = ((picture, "picture"), (shape, "shape"))
    moves = [] if len(shape) == 3 else [k.layers.Reshape(s, name=f"{layer.name}_{what}") for s, what in ends]
    # a Sequential takes the arguments that the layer was called with, such as a mask
    return k.Sequential([k.Input(shape), *moves[:1], taps, *moves[1:]], name=layer.name)
