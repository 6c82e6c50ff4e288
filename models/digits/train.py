"""Trains the digits model and converts it to int8: python models/digits/train.py [--seed S] [-o model.tflite].

Needs pip install 'sdfa[train]'. The same seed and the same TensorFlow give the same bytes.

Headroom: the converter scales each weight row and each activation so that the largest value it saw stands at the
end of the int8 range; learning would clip there at once. So the converted file is opened again, and in the layers
that learn all scales of weights and outputs are made HEADROOM times larger. Their weights and biases are quantized
afresh from the float model at the new scales, not shifted from int8 to int8.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa import data

LABELS = 10
TRAIN_LAST = 3
HEADROOM = 1.25
EPOCHS = 40
CALIBRATION_N = 300
FULLY_CONNECTED = 9  # builtin operator code

# an array of floats of any shape, as Keras takes and gives them
Float32Array = npt.NDArray[np.float32]


def setup(seed: int) -> None:
    """Seed everything and leave TensorFlow no freedom; call before any model is built."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def build() -> Any:
    """A Keras model from images (n, 8, 8, 1) in 0 ... 1 to logits (n, 10)."""
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input(data.DIGITS_SHAPE),
            layers.Conv2D(8, 3, padding="same", activation="relu"),
            layers.MaxPooling2D(2),
            layers.Conv2D(4, 1, activation="relu"),
            layers.Flatten(),
            layers.Dense(40, activation="relu"),
            layers.Dense(24, activation="relu"),
            layers.Dense(LABELS),
        ]
    )


def fit(model: Any, train: data.Split) -> None:
    """Train in place. Smoothed labels keep the net from being sure of what it later finds to be wrong."""
    import keras

    loss = keras.losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.1)
    model.compile(keras.optimizers.Adam(2e-3), loss)
    model.fit(train.x, np.eye(LABELS, dtype=np.float32)[train.y], epochs=EPOCHS, batch_size=32, verbose=0)


def convert(model: Any, calibration: Float32Array, batch: int | None = 1) -> bytes:
    """The model, with a softmax behind it, as a full-integer int8 .tflite; calibration (n, *input).

    batch None leaves the batch size open: Flatten then becomes SHAPE, STRIDED_SLICE, PACK, RESHAPE.
    """
    import keras
    import tensorflow as tf

    shape = (batch, *calibration.shape[1:])
    inputs = keras.Input(batch_shape=shape)
    whole = keras.Model(inputs, keras.layers.Softmax()(model(inputs)))
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        # without a signature the batch size is exported open, whatever the model says
        whole.export(folder, verbose=False, input_signature=[keras.InputSpec("float32", shape)])
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([sample[None]] for sample in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = tf.int8
        return bytes(converter.convert())


def add_headroom(model: bytes, layers: list[Any]) -> bytes:
    """The int8 .tflite with HEADROOM in its last dense layers; layers: the Keras layers that they came from."""
    from tensorflow.lite.tools import flatbuffer_utils

    edited = flatbuffer_utils.convert_bytearray_to_object(bytearray(model))
    graph = edited.subgraphs[0]
    dense = [op for op in graph.operators if _code(edited, op) == FULLY_CONNECTED][-len(layers) :]
    for op, layer in zip(dense, layers, strict=True):
        source, weights, bias = (graph.tensors[index] for index in op.inputs)
        output = graph.tensors[op.outputs[0]]
        kernel = layer.kernel.numpy().T  # (outputs, inputs), as TFLite has it
        _check_origin(edited, weights, kernel)
        for tensor in (weights, output):
            tensor.quantization.scale = np.float32(HEADROOM) * tensor.quantization.scale
        bias.quantization.scale = source.quantization.scale * weights.quantization.scale
        _put(edited, weights, kernel / weights.quantization.scale[:, None], np.int8)
        _put(edited, bias, layer.bias.numpy() / bias.quantization.scale, np.int32)
    return bytes(flatbuffer_utils.convert_object_to_bytearray(edited))


def _code(model: Any, op: Any) -> int:
    code = model.operatorCodes[op.opcodeIndex]
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def _check_origin(model: Any, weights: Any, kernel: Float32Array) -> None:
    """Raise ValueError unless the int8 weights are the float kernel (outputs, inputs) at their scale."""
    stored = np.asarray(model.buffers[weights.buffer].data, np.uint8).view(np.int8).reshape(weights.shape)
    if stored.shape != kernel.shape or np.any(np.abs(stored - kernel / weights.quantization.scale[:, None]) > 1):
        raise ValueError(f"{weights.name} does not hold the layer that it should: the converter has changed")


def _put(model: Any, tensor: Any, values: Float32Array, kind: type[np.int8] | type[np.int32]) -> None:
    """Put the rounded values, in units of the tensor's scale, into the tensor's buffer."""
    model.buffers[tensor.buffer].data = np.frombuffer(np.round(values).astype(kind).tobytes(), np.uint8)


def predict(model: bytes, x: Float32Array) -> npt.NDArray[np.int64]:
    """Labels (n,) that the reference kernels give the images x (n, 8, 8, 1)."""
    import tensorflow as tf

    reference = tf.lite.experimental.OpResolverType.BUILTIN_REF
    interpreter = tf.lite.Interpreter(model_content=model, experimental_op_resolver_type=reference)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = source["quantization"]
    quantized = np.clip(np.round(x / np.float32(scale)) + zero_point, -128, 127).astype(np.int8)
    labels = np.zeros(len(x), np.int64)
    for i, sample in enumerate(quantized):
        interpreter.set_tensor(source["index"], sample[None])
        interpreter.invoke()
        labels[i] = interpreter.get_tensor(result["index"])[0].argmax()
    return labels


def report(model: bytes, test: data.Split) -> None:
    """Print the int8 model's accuracy, on the test images and as each changed sensor sees them."""
    print(f"test      {np.mean(predict(model, test.x) == test.y):6.1%}")
    for name in data.DOMAINS:
        accuracy = np.mean(predict(model, data.change_sensor(test.x, name)) == test.y)
        print(f"{name:9s} {accuracy:6.1%}  before learning on the device")


def main() -> None:
    """Train, convert, report, write."""
    parser = argparse.ArgumentParser(description="Train the digits model and convert it to int8.")
    parser.add_argument("--seed", type=int, default=0, help="of the weights and of the order of the samples")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).with_name("model.tflite"))
    args = parser.parse_args()
    setup(args.seed)
    train, test = data.load_digits()
    model = build()
    fit(model, train)
    converted = add_headroom(convert(model, train.x[:CALIBRATION_N]), model.layers[-TRAIN_LAST:])
    report(converted, test)
    args.output.write_bytes(converted)
    print(f'{args.output}: {len(converted)} bytes\nsha256 = "{hashlib.sha256(converted).hexdigest()}"')


if __name__ == "__main__":
    main()
