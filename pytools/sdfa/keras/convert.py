"""TensorFlow's converter: a float function to a float and to a full-integer int8 .tflite file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from typing import Any

from sdfa.data import Float32Array
from sdfa.errors import SdfaError
from sdfa.keras.model import FloatModel
from sdfa.keras.tensorflow import quiet, tensorflow

_CONTROL = ("While", "StatelessWhile", "If", "StatelessIf", "TensorListReserve")


def convert(model: FloatModel, calibration: Float32Array) -> tuple[bytes, bytes]:
    """(float .tflite, int8 .tflite with int8 ends) of one graph, so that tensors have the same names in both.

    calibration: float32 (n, *input_shape). Raises SdfaError for what TensorFlow Lite has no operation for.
    """
    tf = tensorflow()
    with quiet(), tempfile.TemporaryDirectory(prefix="sdfa-") as folder:
        try:
            _freeze(tf, model, folder)
            plain = tf.lite.TFLiteConverter.from_saved_model(folder).convert()
            return bytes(plain), bytes(_int8_converter(tf, folder, calibration).convert())
        except SdfaError:
            raise
        except Exception as error:  # of the converter: ConverterError, ValueError, RuntimeError and others
            raise _refusal(model.name, error) from None


def _freeze(tf: Any, model: FloatModel, folder: str) -> None:
    """The function with batch size 1 and its variables as constants, as a SavedModel."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    shape = tf.TensorSpec((1, *model.input_shape), tf.float32, name="input")
    frozen = convert_variables_to_constants_v2(tf.function(model.call).get_concrete_function(shape))
    loops = [op.name for op in frozen.graph.get_operations() if op.type in _CONTROL]
    if loops:  # on which the converter may crash, not only fail
        raise SdfaError(f"{model.name}: {loops[0]} is a loop or a branch, as of recurrent layers, which cannot be used")
    module = tf.Module()
    module.function = frozen
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)  # those of swish cannot be saved
    tf.saved_model.save(module, folder, signatures=frozen, options=options)


def _int8_converter(tf: Any, folder: str, calibration: Float32Array) -> Any:
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8

    def samples() -> Iterator[list[Float32Array]]:
        yield from ([sample[None]] for sample in calibration)

    converter.representative_dataset = samples
    return converter


def _refusal(name: str, error: Exception) -> SdfaError:
    """One line from what may be a page."""
    text = " ".join(str(error).split())
    if missing := re.findall(r"'tf\.([A-Za-z0-9_]+)' op is neither", text):
        where = re.search(r'"([A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+)@', text) or re.search(r'":"([^"]+/[^"]+)"', text)
        place = f" (at {where.group(1)})" if where else ""
        kinds = ", ".join(dict.fromkeys(missing))
        return SdfaError(
            f"{name}: TensorFlow Lite has no {kinds}{place}: build the layer from others, or leave it away"
        )
    if unquantized := re.findall(r"Quantization not yet supported for op: '?([A-Za-z0-9_]+)", text):
        kinds = ", ".join(dict.fromkeys(unquantized))
        return SdfaError(f"{name}: {kinds} cannot be quantized to int8: build the layer from others, or leave it away")
    return SdfaError(f"{name}: TensorFlow cannot convert the model: {text[:200]}")
