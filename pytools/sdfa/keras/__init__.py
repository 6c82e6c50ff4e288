"""Keras models to full-integer int8 .tflite files: what `pytools quantize` does. TensorFlow is imported on first use.

model ─ load_float ─> FloatModel ─ convert ─> float and int8 .tflite ─ headroom ─> .tflite ─ error_report ─> report
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sdfa.data import Float32Array
from sdfa.errors import SdfaError
from sdfa.keras.calibration import calibration_notes
from sdfa.keras.convert import convert
from sdfa.keras.error_report import error_report
from sdfa.keras.headroom import with_headroom, with_own_constants
from sdfa.keras.model import FloatModel, is_keras, load_float
from sdfa.learning.tail import Tail
from sdfa.lower import lower
from sdfa.tflite.dense_model import Scaling
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.load import load_tflite

__all__ = ["DEFAULT_HEADROOM", "FloatModel", "Quantized", "is_keras", "load_float", "quantize_float"]

DEFAULT_HEADROOM = 1.25


@dataclass(frozen=True, eq=False)
class Quantized:
    """model: the bytes of the .tflite file. report: JSON-able, the result of `pytools quantize`.

    calib: the samples that were used, float32 (n, *input).
    """

    model: bytes
    report: dict[str, Any]
    calib: Float32Array


def quantize_float(
    source: FloatModel, calibration: Float32Array, train_last: int | None = None, headroom: float = DEFAULT_HEADROOM
) -> Quantized:
    """Quantize a model with calibration data, float32 (n, *input_shape).

    train_last: dense layers that will learn and get `headroom` times the range for weights and outputs; None: as the
    exporter's default, 0: none. Raises SdfaError for what cannot be converted, or what the runtime cannot do.
    """
    Scaling(headroom)  # refuses what is no headroom
    plain, model = convert(source, calibration)
    notes = calibration_notes(calibration)
    lower(fold_shapes(load_tflite(model, source.name)))  # refuses what the runtime has no operation for
    tail = None
    if train_last != 0:
        owned = with_own_constants(model)
        try:
            model, tail = with_headroom(owned, plain, source.name, train_last, headroom)
        except SdfaError as error:
            if train_last is not None:
                raise
            notes.append(f"nothing can learn in this model, so there is no headroom: {error}")
    if tail is not None and not tail.softmax:
        notes.append(
            "the model does not end in a softmax: it will learn targets (mse); for classes end it in a softmax, "
            "or export it with --loss softmax_ce"
        )
    layers = {str(layer.name) for layer in getattr(source.kept, "layers", ())}
    errors = error_report(plain, model, source.name, calibration, layers)
    report = _report(source, model, tail, headroom, len(calibration), errors, notes)
    return Quantized(model, report, calibration)


def _report(
    source: FloatModel,
    model: bytes,
    tail: Tail | None,
    headroom: float,
    n: int,
    errors: dict[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    graph = load_tflite(model, source.name)
    ends = {"input": graph.tensors[graph.inputs[0]], "output": graph.tensors[graph.outputs[0]]}
    return {
        "name": source.name, "bytes": len(model), "sha256": hashlib.sha256(model).hexdigest(),
        **{
            end: {"shape": list(t.shape), "scale": float(t.scale[0]), "zero_point": int(t.zero_point[0])}
            for end, t in ends.items()
        },
        "calibration_samples": n, "headroom": headroom if tail else None,
        "learns": [layer.dense.place for layer in tail.layers] if tail else [], "errors": errors, "warnings": notes,
    }  # fmt: skip
