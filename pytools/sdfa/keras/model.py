"""Keras models and SavedModel folders as one float function with fixed shapes."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdfa.errors import SdfaError
from sdfa.keras.affine import with_affine_layers
from sdfa.keras.tensorflow import keras, quiet, tensorflow

SUFFIXES = (".keras", ".h5", ".hdf5")
_BUILD = "build it with keras.Sequential or keras.Model(inputs, outputs), or give the folder of model.export('FOLDER')"
_OWN_CLASSES = ("Sequential", "Functional")


@dataclass(frozen=True, eq=False)
class FloatModel:
    """call: float32 tensor (1, *input_shape) -> float32 tensor (1, ...). kept: what must live as long as it."""

    name: str
    call: Callable[[Any], Any]
    input_shape: tuple[int, ...]
    kept: Any


def is_keras(path: Path) -> bool:
    """Whether a path is named like a Keras model, or is a SavedModel folder."""
    return path.suffix.lower() in SUFFIXES or (path / "saved_model.pb").is_file()


def load_float(path: Path) -> FloatModel:
    """Read a .keras or .h5 file, or a SavedModel folder. Raises SdfaError in one line for what cannot be used."""
    refuse_other(path)
    if path.is_dir():
        return _saved_model(path)
    if path.suffix.lower() == ".keras":
        refuse_foreign_code(path.name, keras_config(path))
    k = keras()
    with quiet():
        try:
            model = k.models.load_model(path, compile=False)
        except Exception as error:  # Keras raises a dozen kinds
            raise SdfaError(
                f"{path.name}: Keras {k.__version__} cannot read it ({_first_line(error)}); "
                "save it again with this version of Keras, as a .keras file"
            ) from None
    return float_model(model, path.stem)


def refuse_other(path: Path) -> None:
    """SdfaError for a path that can be no Keras model; needs no TensorFlow."""
    if not path.exists():
        raise SdfaError(f"{path}: there is no such file; give a .keras file or a SavedModel folder")
    if path.is_file() and path.suffix.lower() not in SUFFIXES:
        if path.suffix.lower() == ".tflite":
            raise SdfaError(f"{path.name} is a .tflite file already: give it to `pytools export` as it is")
        raise SdfaError(f"{path.name} is no Keras model: give a .keras or .h5 file, or a SavedModel folder")


def keras_config(path: Path) -> dict[str, Any]:
    """config.json of a .keras file, which says what layers it has; needs no TensorFlow."""
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
    except OSError as error:
        raise SdfaError(f"{path}: {error.strerror or error}; give a .keras file") from None
    except (zipfile.BadZipFile, KeyError, ValueError, RecursionError, NotImplementedError, RuntimeError, EOFError):
        raise SdfaError(f"{path.name} is no .keras file, or damaged: save the model again with model.save") from None
    if not isinstance(config, dict):
        raise SdfaError(f"{path.name} is no .keras file, or damaged: save the model again with model.save")
    return config


def layers_of(config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The layers of a model's configuration; those of models inside it in their place."""
    inner = config.get("config")
    for layer in inner.get("layers", ()) if isinstance(inner, dict) else ():
        if isinstance(layer, dict):
            yield from (layers_of(layer) if layer.get("class_name") in _OWN_CLASSES else (layer,))


def refuse_foreign_code(name: str, config: dict[str, Any]) -> None:
    """SdfaError for a model or a layer whose code is not Keras' own, and so not in the file."""
    if config.get("class_name") not in _OWN_CLASSES:
        raise SdfaError(f"{name}: {config.get('class_name')} is a subclassed model, whose code is not here: {_BUILD}")
    for layer in layers_of(config):
        inner = layer.get("config")
        title = inner.get("name") if isinstance(inner, dict) else None
        if layer.get("class_name") == "Lambda":
            raise SdfaError(f"{name}: layer {title!r} is a Lambda, Python code that is not run from files: {_BUILD}")
        if str(layer.get("module", "keras")).split(".")[0] != "keras":
            kind = layer.get("class_name")
            raise SdfaError(f"{name}: layer {title!r} is of the class {kind}, which is not one of Keras': {_BUILD}")


def float_model(model: Any, name: str) -> FloatModel:
    """A Keras model in memory. Raises SdfaError for what cannot be used."""
    k = keras()
    if not isinstance(model, k.Model):
        raise SdfaError(f"{name}: {type(model).__name__} is no Keras model: give keras.Sequential or keras.Model")
    if type(model).__name__ not in _OWN_CLASSES:
        raise SdfaError(f"{name}: {type(model).__name__} is a subclassed model, whose layers cannot be seen: {_BUILD}")
    try:
        inputs, outputs = list(model.inputs or ()), list(model.outputs or ())
    except (AttributeError, ValueError):  # of a Sequential that was never built
        inputs, outputs = [], []
    if not inputs:
        raise SdfaError(f"{name}: the model does not know the shape of its input: begin it with keras.Input(shape)")
    shape = _one(name, inputs, outputs)
    with quiet():
        plain = with_affine_layers(model)
    return FloatModel(name, lambda x: plain(x, training=False), shape, plain)


def _one(name: str, inputs: list[Any], outputs: list[Any]) -> tuple[int, ...]:
    """Shape of the one input, without the batch size; one output too."""
    for what, ends in (("inputs", inputs), ("outputs", outputs)):
        if len(ends) != 1:
            raise SdfaError(f"{name}: the model has {len(ends)} {what}; exactly one is supported")
    shape, dtype = tuple(inputs[0].shape)[1:], getattr(inputs[0].dtype, "name", inputs[0].dtype)
    if any(size is None for size in shape):
        raise SdfaError(
            f"{name}: the input has the open shape {shape}; build the model with a fixed keras.Input(shape)"
        )
    if not shape or "float" not in str(dtype):
        raise SdfaError(f"{name}: the input is {dtype} of shape {shape}; an input of float32 values is supported")
    return shape


def _saved_model(path: Path) -> FloatModel:
    """A folder that model.export or tf.saved_model.save wrote; its signature serving_default, or the only one."""
    if not (path / "saved_model.pb").is_file():
        raise SdfaError(f"{path} is a folder without saved_model.pb: give a SavedModel folder or a .keras file")
    tf = tensorflow()
    with quiet():
        try:
            loaded = tf.saved_model.load(str(path))
        except Exception as error:  # TensorFlow raises many kinds
            raise SdfaError(f"{path} cannot be read as a SavedModel ({_first_line(error)}); export it again") from None
    signatures = dict(loaded.signatures)
    chosen = signatures.get("serving_default") or next(iter(signatures.values()), None)
    if chosen is None:
        raise SdfaError(f"{path}: the SavedModel has no signature to call; write it with model.export")
    specs = chosen.structured_input_signature[1]
    shape = _one(path.name, list(specs.values()), list(chosen.structured_outputs.values()))
    key = next(iter(specs))
    name = path.name or path.resolve().name
    return FloatModel(name, lambda x: next(iter(chosen(**{key: x}).values())), shape, loaded)


def _first_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text[:160] + ("..." if len(text) > 160 else "")
