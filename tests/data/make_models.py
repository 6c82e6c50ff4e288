"""Makes the .tflite files that test_converter_models.py reads: python tests/data/make_models.py.

Needs pip install 'sdfa[train]'. Small untrained int8 models as Keras and TensorFlow's converter write them; the same
TensorFlow gives the same bytes.
"""

from __future__ import annotations

import contextlib
import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from models.digits import train

CALIBRATION_N = 50


def _block(x: Any, n: int, stride: int) -> Any:
    """MobileNet's block as Keras builds it: padding on its own where the stride is 2."""
    from keras import layers

    if stride == 2:
        x = layers.ZeroPadding2D(((0, 1), (0, 1)))(x)
    x = layers.DepthwiseConv2D(3, stride, padding="valid" if stride == 2 else "same", use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = layers.Conv2D(n, 1, use_bias=False)(x)
    return layers.ReLU(6.0)(layers.BatchNormalization()(x))


def mobilenet(x: Any) -> Any:
    """ZeroPadding2D before strided convolutions, RELU6, GlobalAveragePooling2D, softmax.

    The converter makes SAME padding of the second one; the first, a frame all around, stays a PAD.
    """
    import keras
    from keras import layers

    x = layers.ZeroPadding2D(1)(x)
    x = layers.Conv2D(8, 3, 2, use_bias=False)(x)
    x = layers.ReLU(6.0)(layers.BatchNormalization()(x))
    x = _block(_block(x, 12, 1), 16, 2)
    x = layers.GlobalAveragePooling2D()(x)
    # averages of untrained features hardly differ: large weights spread them over the classes
    return layers.Softmax()(layers.Dense(5, kernel_initializer=keras.initializers.VarianceScaling(1000.0))(x))


def residual(x: Any) -> Any:
    """Two shortcuts, GlobalAveragePooling2D that keeps its dimensions, a 1x1 convolution as classifier, a squeeze."""
    import keras
    from keras import layers

    x = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
    for _ in range(2):
        y = layers.Conv2D(8, 3, padding="same", activation="relu")(x)
        x = layers.ReLU()(layers.Add()([x, layers.Conv2D(8, 3, padding="same")(y)]))
    x = layers.GlobalAveragePooling2D(keepdims=True)(layers.MaxPooling2D(2)(x))
    return layers.Softmax()(keras.ops.squeeze(layers.Conv2D(6, 1)(x), (1, 2)))


def branches(x: Any) -> Any:
    """Three branches joined, a gate (sigmoid times values), a difference, and a frame that stays an operation."""
    from keras import layers

    parts = [layers.Conv2D(n, k, padding="same", activation="relu")(x) for n, k in ((4, 1), (6, 3))]
    x = layers.Concatenate()([*parts, layers.MaxPooling2D(3, 1, padding="same")(x)])
    gate = layers.Conv2D(6, 1, activation="sigmoid")(x)
    x = layers.Multiply()([layers.Conv2D(6, 1)(x), gate])
    x = layers.Subtract()([x, layers.Conv2D(6, 3, padding="same")(x)])
    x = layers.AveragePooling2D(2)(layers.ZeroPadding2D(1)(x))
    return layers.Dense(4)(layers.Flatten()(x))


def sigmoid(x: Any) -> Any:
    """Several yes or no answers."""
    from keras import layers

    x = layers.Dense(24, activation="relu")(layers.Flatten()(x))
    return layers.Dense(7, activation="sigmoid")(x)


def float_ends(x: Any) -> Any:
    """Takes and gives float32: QUANTIZE and DEQUANTIZE stand at the ends."""
    from keras import layers

    x = layers.Conv2D(4, 3, 2, activation="relu")(x)
    x = layers.Dense(16, activation="relu")(layers.Flatten()(x))
    return layers.Softmax()(layers.Dense(5)(x))


def signal(x: Any) -> Any:
    """One dimension: Conv1D is EXPAND_DIMS, CONV_2D and SQUEEZE, or RESHAPE."""
    from keras import layers

    x = layers.Conv1D(6, 5, 2, activation="relu")(x)
    x = layers.Conv1D(8, 3, padding="same", activation="relu")(x)
    return layers.Dense(3)(layers.Flatten()(layers.MaxPooling1D(2)(x)))


def curves(x: Any) -> Any:
    """TANH, LEAKY_RELU and HARD_SWISH as operations of their own."""
    import keras
    from keras import layers

    x = layers.LeakyReLU(negative_slope=0.2)(layers.Conv2D(6, 3, 2)(x))
    x = layers.Conv2D(6, 1)(x)
    x = x * keras.ops.relu6(x + 3.0) * (1 / 6)
    x = layers.Dense(12, activation="tanh")(layers.Flatten()(x))
    return layers.Dense(4, activation="tanh")(x)


# name -> (layers, shape of the input, type of both ends)
MODELS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...], str]] = {
    "mobilenet": (mobilenet, (16, 16, 3), "int8"),
    "residual": (residual, (10, 10, 2), "int8"),
    "branches": (branches, (8, 8, 3), "int8"),
    "sigmoid": (sigmoid, (6, 6, 1), "int8"),
    "float_ends": (float_ends, (9, 9, 1), "float32"),
    "uint8_ends": (float_ends, (9, 9, 1), "uint8"),
    "signal": (signal, (32, 2), "int8"),
    "curves": (curves, (9, 9, 2), "int8"),
}


def _randomized(model: Any, rng: np.random.Generator) -> None:
    """Other biases and normalizations than the 0 and 1 that models start with."""
    for weight in model.weights:
        if len(weight.shape) == 1:
            low, high = (0.5, 1.5) if "gamma" in weight.path or "variance" in weight.path else (-0.3, 0.3)
            weight.assign(rng.uniform(low, high, weight.shape))


def convert(build: Callable[[Any], Any], shape: tuple[int, ...], ends: str, rng: np.random.Generator) -> bytes:
    """The model as .tflite, batch size 1, calibrated on normally distributed inputs."""
    import keras
    import tensorflow as tf

    inputs = keras.Input(batch_shape=(1, *shape))
    model = keras.Model(inputs, build(inputs))
    _randomized(model, rng)
    samples = rng.normal(0, 1, (CALIBRATION_N, 1, *shape)).astype(np.float32)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        model.export(folder, verbose=False, input_signature=[keras.InputSpec("float32", (1, *shape))])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample] for sample in samples)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, ends)
        return bytes(converter.convert())


def main() -> None:
    """Build, convert, write beside this script."""
    train.setup(seed=0)
    for name, (build, shape, ends) in MODELS.items():
        model = convert(build, shape, ends, np.random.default_rng(0))
        Path(__file__).with_name(f"{name}.tflite").write_bytes(model)
        print(f"{name}: {len(model)} bytes")


if __name__ == "__main__":
    main()
