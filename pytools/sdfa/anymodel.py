"""Any model to an int8 .tflite file and to an image: what `quantize` and `export` do, from Python and as commands."""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from sdfa.arguments import array_of, checked, path_of, real, whole
from sdfa.data import check_inputs, load_inputs, read_arrays
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, averages, export_within
from sdfa.exporter.settings import Budget, ModelSettings, beside, beside_note, budget_of
from sdfa.image.reader import Image
from sdfa.tflite.graph import Graph, Int8Array
from sdfa.tflite.load import load_tflite, read_model
from sdfa.units import quantize_values, range_notes, unit_notes

if TYPE_CHECKING:
    from sdfa.keras import Quantized

Array = npt.NDArray[Any]
PathLike = str | Path

_LAYERS_MAX = 65535
_TAKES = (
    "that of a .tflite or Keras model, or what load or quantize returned, a keras.Model, or bytes of a .tflite file"
)


def is_keras_model(model: object) -> bool:
    """Whether it is one in memory, without importing Keras."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(model, keras.Model)


@dataclass(frozen=True)
class _Asked:
    """How to export, from a caller: as sdfa.export has it. limits: the budget."""

    options: Options
    name: str | None
    calib: PathLike | Array | None
    headroom: float | None
    limits: dict[str, int]

    def within(self, said: ModelSettings) -> ModelSettings:
        """The settings beside the model with the caller's budget."""
        return replace(said, ram=self.limits.get("ram", said.ram), flash=self.limits.get("flash", said.flash))


def quantize_any(model: Any, calib: PathLike | Array, train_last: int | None, headroom: float | None) -> Quantized:
    """As sdfa.quantize."""
    from sdfa.keras import DEFAULT_HEADROOM, FloatModel, quantize_float
    from sdfa.keras.calibration import WHERE, check_calibration
    from sdfa.keras.model import float_model, load_float, refuse_other

    layers = None if train_last is None else whole("train_last", train_last, 0, _LAYERS_MAX)
    room = real("headroom", headroom)
    if isinstance(model, (str, Path)):
        refuse_other(Path(model))
    where = Path(calib) if isinstance(calib, (str, Path)) else WHERE
    given = read_arrays(where, ("x",))[0] if isinstance(calib, (str, Path)) else array_of("calib", calib)
    check_calibration(given, given.shape[1:], where)  # all but its shape, before TensorFlow takes its time
    if isinstance(model, (str, Path)):
        source = load_float(Path(model))
    else:
        source = model if isinstance(model, FloatModel) else float_model(model, str(getattr(model, "name", "model")))
    samples = check_calibration(given, source.input_shape, where)
    return quantize_float(source, samples, layers, DEFAULT_HEADROOM if room is None else room)


def export_any(
    model: Any,
    options: Options | None = None,
    *,
    name: str | None = None,
    calib: PathLike | Array | None = None,
    headroom: float | None = None,
    budget: Budget | None = None,
) -> Export:
    """As sdfa.export."""
    from sdfa.keras import FloatModel, Quantized
    from sdfa.keras.model import is_keras

    asked = _Asked(Options() if options is None else options, name, calib, headroom, budget_of(budget))
    if isinstance(model, bytes):
        model = load_tflite(model, "model")
    if isinstance(model, Quantized):
        return _export_again(model, asked)
    if isinstance(model, Graph):
        return _export_lite(model, asked)
    if isinstance(model, FloatModel) or is_keras_model(model):
        return _export_keras(model, asked)
    if isinstance(model, (Image, Export)):
        raise SdfaError("this is an image already: run it with Device, or export the model that it was made from")
    path = path_of(model, _TAKES)
    return (_export_keras if is_keras(path) else _export_lite)(path, asked)


def choices(options: Options, name: str | None, headroom: float | None) -> Options:
    """The options of a caller from Python, who may give any type; the others are only checked. Raises SdfaError."""
    if not isinstance(options, Options):
        raise SdfaError(f"options is {type(options).__name__}: give sdfa.Options(...)")
    if not isinstance(name, (str, type(None))):
        raise SdfaError(f"name is {type(name).__name__}: give a string")
    real("headroom", headroom)
    return checked(options)


def _export_lite(model: Graph | Path, asked: _Asked) -> Export:
    _refuse_headroom(asked.headroom)
    options, said, notes = asked.options, ModelSettings(), []
    graph = read_model(model)[0] if isinstance(model, Path) else model
    if isinstance(model, Path):
        said, notes = beside(model, graph.sha256), beside_note(model, graph.sha256)
    if asked.calib is not None:
        inputs, found = _calibration(graph, asked.calib)
        options, notes = replace(options, calib=inputs), [*notes, *found]
    options.refuse_useless(said)
    result = export_within(graph, asked.name, options, asked.within(said))
    result.report["warnings"] += notes
    return result


def _refuse_headroom(headroom: float | None) -> None:
    if headroom is not None:
        raise SdfaError("--headroom is for Keras models: a .tflite file keeps its scales; leave it away")


def _calibration(graph: Graph, calib: PathLike | Array) -> tuple[Int8Array, list[str]]:
    """As the model's input takes them, and what is to be said about their units."""
    t = graph.tensors[graph.inputs[0]]
    shape, name = tuple(t.shape[1:]), calib if isinstance(calib, (str, Path)) else "calibration"
    if isinstance(calib, (str, Path)):
        x = load_inputs(Path(calib), input_shape=shape)
    else:
        x = check_inputs(name, array_of("calib", calib), shape)
    scale, zero_point = float(t.scale[0]), int(t.zero_point[0])
    return quantize_values(x, scale, zero_point), [*unit_notes(name, x, scale, zero_point), *range_notes(name, x)]


def _export_keras(model: Any, asked: _Asked) -> Export:
    if asked.calib is None:
        raise SdfaError("a Keras model is quantized with samples: give some with --calib (x, float32, in a .npz file)")
    options, said, notes = asked.options, ModelSettings(), []
    if isinstance(model, Path) and model.is_file():
        digest = sha256(model.read_bytes()).hexdigest()
        said, notes = beside(model, digest), beside_note(model, digest)
    options.refuse_useless(said)
    quantized = quantize_any(model, asked.calib, _layers_that_learn(options.filled(said)), asked.headroom)
    return _export_quantized(quantized, options, asked.name, asked.within(said), notes)


def _layers_that_learn(options: Options) -> int | None:
    return 1 if options.feedback == "last" and options.train_last is None else options.train_last


def _export_again(quantized: Quantized, asked: _Asked) -> Export:
    """What quantize returned. The layers learn that were given room for it, unless the options say otherwise."""
    _refuse_headroom(asked.headroom)
    options, said, room = asked.options, ModelSettings(), len(quantized.report["learns"])
    notes: list[str] = []
    if asked.calib is not None:
        inputs, notes = _calibration(load_tflite(quantized.model, quantized.report["name"]), asked.calib)
        options = replace(options, calib=inputs)
    options.refuse_useless(said)
    if options.train_last is None and options.feedback != "last" and room:
        options = replace(options, train_last=room)
    elif (options.train_last or 0) > room:
        notes = [*notes, f"{options.train_last} layers learn, {room} were given room for it: quantize with train_last"]
    return _export_quantized(quantized, options, asked.name, asked.within(said), notes)


def _export_quantized(
    quantized: Quantized, options: Options, name: str | None, said: ModelSettings, notes: list[str]
) -> Export:
    """notes: warnings, to which those of the quantization are added."""
    graph = load_tflite(quantized.model, quantized.report["name"])
    filled, inputs = options.filled(said), _calibration(graph, quantized.calib)[0]
    if not quantized.report["learns"] and filled.train_last is None:
        options = replace(options, train_last=0)
    elif options.calib is None and averages(filled):
        options = replace(options, calib=inputs)
    result = export_within(graph, name, options, said, seen=inputs)
    result.report["warnings"] += [*notes, *quantized.report["warnings"]]
    result.report["quantization"] = quantized.report
    return replace(result, tflite=quantized.model)
