"""A small convolutional net over raw signals, below the dense layers that learn: trained and converted by TensorFlow.

Signals are (n, time, channels); the net sees them as pictures of width 1. Needs the [train] extra, on use.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import os
import tempfile
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.experiment.basenet import Training
from sdfa.tflite.dense_model import DenseNet
from sdfa.tflite.graph import Graph, Tensor
from sdfa.tflite.load import load_tflite

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

CONVS = ((16, 5), (32, 5), (32, 3))
"""(channels, taps) of each convolution over time, all with stride 2; then a mean over time."""
_CALIBRATION = 200


def need_tensorflow() -> None:
    """SdfaError when it is not installed; cheap, for the time before long work."""
    if importlib.util.find_spec("tensorflow") is None:
        raise SdfaError("--backbone cnn needs TensorFlow: pip install 'sdfa[train]'")


@dataclass(frozen=True, eq=False)
class Backbone:
    """convs: Keras model from signals (n, time, 1, channels) to features. whole: to logits. dense: the layers above."""

    convs: Any
    whole: Any
    dense: DenseNet

    def features(self, x: FloatArray) -> FloatArray:
        """In float, of signals (n, time, channels): the inputs of the first dense layer."""
        return np.asarray(self.convs.predict(x[:, :, None], batch_size=512, verbose=0), np.float32)

    def graph(self, calibration: FloatArray, headroom: float) -> Graph:
        """int8, for signals (time, 1, channels); the dense layers may grow by `headroom` until they clip."""
        model = load_tflite(_converted(self.whole, calibration[:_CALIBRATION, :, None]), "base")
        return with_headroom(model, self.dense, headroom)


def train_backbone(x: FloatArray, y: IntArray, classes: int, how: Training, rng: np.random.Generator) -> Backbone:
    """Adam, cross-entropy; x (n, time, channels). All that is random comes from rng."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import keras

    convs, whole = _built(x.shape[1:], classes, how, rng)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    whole.compile(keras.optimizers.Adam(how.rate), loss)
    for _ in range(how.epochs):
        order = rng.permutation(len(x))
        noisy = x[order] + np.float32(how.noise) * rng.standard_normal(x.shape, np.float32)
        whole.fit(noisy[:, :, None], y[order], batch_size=how.batch, epochs=1, shuffle=False, verbose=0)
    layers = whole.layers[-len(how.hidden) - 1 :]
    weights, biases = [a.kernel.numpy().T.copy() for a in layers], [a.bias.numpy().copy() for a in layers]
    return Backbone(convs, whole, DenseNet(weights, biases))


def _built(shape: tuple[int, ...], classes: int, how: Training, rng: np.random.Generator) -> tuple[Any, Any]:
    """(convolutions, the whole net) as Keras models."""
    import keras
    from keras import layers

    def seeded() -> Any:
        return keras.initializers.HeNormal(seed=int(rng.integers(2**31)))

    inputs = keras.Input((shape[0], 1, shape[1]))
    h = inputs
    for channels, taps in CONVS:
        h = layers.Conv2D(
            channels, (taps, 1), (2, 1), padding="same", activation="relu", kernel_initializer=seeded()
        )(h)  # fmt: skip
    h = features = layers.Flatten()(layers.AveragePooling2D((h.shape[1], 1))(h))
    for n in how.hidden:
        h = layers.Dense(n, activation="relu", kernel_initializer=seeded())(h)
    return keras.Model(inputs, features), keras.Model(inputs, layers.Dense(classes, kernel_initializer=seeded())(h))


def _converted(model: Any, calibration: FloatArray) -> bytes:
    """A full-integer int8 .tflite; calibration (n, *input)."""
    import keras
    import tensorflow as tf

    shape = (1, *calibration.shape[1:])
    inputs = keras.Input(batch_shape=shape)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        # without a signature the batch size is exported open, whatever the model says
        signature = [keras.InputSpec("float32", shape)]
        keras.Model(inputs, model(inputs)).export(folder, verbose=False, input_signature=signature)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def with_headroom(graph: Graph, dense: DenseNet, headroom: float) -> Graph:
    """The last dense layers at scales that are `headroom` times larger, quantized afresh from their float weights."""
    tensors = list(graph.tensors)
    ops = [op for op in graph.ops if op.kind == "FULLY_CONNECTED"][-len(dense.weights) :]
    for op, w, b in zip(ops, dense.weights, dense.biases, strict=True):
        source, (weights, bias), out = op.inputs[0], op.inputs[1:3], op.outputs[0]
        for at in (weights, out):
            tensors[at] = replace(tensors[at], scale=np.float32(headroom) * tensors[at].scale)
        scale = tensors[weights].scale.astype(np.float64)
        if tensors[weights].shape != w.shape:
            raise ValueError(f"{tensors[weights].name} is not the layer that it should be: the converter has changed")
        tensors[weights] = _holding(tensors[weights], w / scale[:, None], np.int8, 127)
        unit = float(tensors[source].scale[0]) * scale
        tensors[bias] = replace(tensors[bias], scale=unit.astype(np.float32))
        tensors[bias] = _holding(tensors[bias], b / unit, np.int32, 2**31 - 1)
    return replace(graph, tensors=tuple(tensors))


def _holding(tensor: Tensor, values: npt.NDArray[Any], kind: type[np.int8] | type[np.int32], top: int) -> Tensor:
    """Rounded, in units of its scale."""
    return replace(tensor, data=np.clip(np.rint(values), -top, top).astype(kind))
