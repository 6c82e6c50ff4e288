"""The Python interface: `import sdfa`. What the commands do, as functions that take and return arrays.

import sdfa
export = sdfa.export("model.keras", sdfa.Options(train_last=2), calib=x)
device = sdfa.Device("qemu:mps2-an386", export)
device.learn(x_new, y_new, epochs=5)
device.save("learned.sdfa")
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Float32Array, check_inputs, load_inputs, read_arrays
from sdfa.device.adapt import (
    Outcome,
    Settings,
    adapt,
    input_shape,
    loss_of,
    output_shape,
    quantize_input,
    quantize_values,
    rmse,
    samples_from,
)
from sdfa.device.bench import bench
from sdfa.device.care import Care
from sdfa.device.check import check
from sdfa.device.device import Device as Machine
from sdfa.device.units import image_notes, range_notes, unit_notes
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, averages, export_within
from sdfa.exporter.merge import merge
from sdfa.exporter.settings import ModelSettings, beside, beside_note
from sdfa.files import read_bytes, write_whole
from sdfa.image.reader import Image, read_image
from sdfa.image.records import MAGIC
from sdfa.targets import Target, find_counting, find_target
from sdfa.tflite.graph import Graph, Int8Array
from sdfa.tflite.load import load_tflite, read_model

if TYPE_CHECKING:
    from sdfa.keras import FloatModel, Quantized

__all__ = ["Care", "Device", "Export", "Options", "Outcome", "SdfaError", "export", "load", "quantize"]

Array = npt.NDArray[Any]
PathLike = str | Path


def load(path: PathLike) -> Image | Graph | FloatModel:
    """Read an image (.sdfa), a TensorFlow Lite model, or a Keras model (.keras, .h5, SavedModel folder).

    What it returns goes into export or Device. Raises SdfaError for a file that is damaged or of another kind.
    Keras models need TensorFlow: pip install sdfa[train].
    """
    path = Path(path)
    if _is_image(path):
        return read_image(read_bytes(path, "an image made by pytools export"), path.name)
    from sdfa.keras.model import is_keras, load_float

    return load_float(path) if is_keras(path) else read_model(path)[0]


def _is_image(path: Path) -> bool:
    if path.suffix == ".sdfa":
        return True
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == MAGIC.to_bytes(4, "little")


def quantize(
    model: Any, calib: PathLike | Array, *, train_last: int | None = None, headroom: float | None = None
) -> Quantized:
    """A Keras model as a full-integer int8 .tflite file, with a report of what that costs, layer by layer.

    model: a keras.Model, what load returned, or a path. calib: float samples (n, *input) in the units that the model
    was trained on, or a .npz file with them as x. train_last: dense layers that will learn (None: up to 2, 0: none);
    their weights and outputs get `headroom` (default 1.25) times the range. Raises SdfaError.
    """
    return _quantized(model, calib, train_last, headroom)[0]


def _quantized(
    model: Any, calib: PathLike | Array, train_last: int | None, headroom: float | None
) -> tuple[Quantized, Float32Array]:
    """With the samples that were used."""
    from sdfa.keras import DEFAULT_HEADROOM, FloatModel, quantize_float
    from sdfa.keras.calibration import WHERE, check_calibration
    from sdfa.keras.model import float_model, load_float, refuse_other

    where = Path(calib) if isinstance(calib, (str, Path)) else WHERE
    if isinstance(model, (str, Path)):
        refuse_other(Path(model))
    given = read_arrays(where, ("x",))[0] if isinstance(calib, (str, Path)) else np.asarray(calib)
    check_calibration(given, given.shape[1:], where)  # all but its shape, before TensorFlow takes its time
    if isinstance(model, (str, Path)):
        source = load_float(Path(model))
    else:
        source = model if isinstance(model, FloatModel) else float_model(model, str(getattr(model, "name", "model")))
    samples = check_calibration(given, source.input_shape, where)
    return quantize_float(source, samples, train_last, DEFAULT_HEADROOM if headroom is None else headroom), samples


def export(
    model: PathLike | Graph | Any,
    options: Options | None = None,
    *,
    name: str | None = None,
    calib: PathLike | Array | None = None,
    headroom: float | None = None,
    budget: dict[str, int] | None = None,
) -> Export:
    """A model as an image for the device, with its C source and a report of what it will cost.

    model: the path of a .tflite, .keras or .h5 file or of a SavedModel folder; what load returned; or a keras.Model.
    options: what learns, and how; where it says nothing, a model.toml beside the file does. name: C name. calib: inputs
    (n, *input), float in the model's units, or a .npz file with them as x: sets the scales of a Keras model, for which
    it is needed, and what aligned feedback is averaged over. headroom: of a Keras model, as of quantize. budget: bytes
    of "ram" and "flash" that must not be exceeded. Raises SdfaError.

    Write the result with its method save; give it to Device; report is JSON-able.
    """
    options = options or Options()
    path = Path(model) if isinstance(model, (str, Path)) else None
    if isinstance(model, Graph) or (path is not None and not _looks_like_keras(path)):
        return _export_lite(model if isinstance(model, Graph) else path, options, name, calib, headroom, budget)
    return _export_keras(model, options, name, calib, headroom, budget)


def _looks_like_keras(path: Path) -> bool:
    from sdfa.keras.model import is_keras

    return is_keras(path)


def _within(said: ModelSettings, budget: dict[str, int] | None) -> ModelSettings:
    more = budget or {}
    return replace(said, ram=more.get("ram", said.ram), flash=more.get("flash", said.flash))


def _export_lite(
    model: Graph | Path | None,
    options: Options,
    name: str | None,
    calib: PathLike | Array | None,
    headroom: float | None,
    budget: dict[str, int] | None,
) -> Export:
    if headroom is not None:
        raise SdfaError("--headroom is for Keras models: a .tflite file keeps its scales; leave it away")
    graph, said, notes = model, ModelSettings(), []
    if isinstance(model, Path):
        graph = read_model(model)[0]
        said, notes = beside(model, graph.sha256), beside_note(model, graph.sha256)
    assert isinstance(graph, Graph)
    if calib is not None:
        inputs, found = _calibration(graph, calib)
        options, notes = replace(options, calib=inputs), [*notes, *found]
    options.refuse_useless(said)
    result = export_within(graph, name, options, _within(said, budget))
    result.report["warnings"] += notes
    return result


def _calibration(graph: Graph, calib: PathLike | Array) -> tuple[Int8Array, list[str]]:
    """As the model's input takes them, and what is to be said about their units."""
    t = graph.tensors[graph.inputs[0]]
    shape, name = tuple(t.shape[1:]), calib if isinstance(calib, (str, Path)) else "calibration"
    if isinstance(calib, (str, Path)):
        x = load_inputs(Path(calib), input_shape=shape)
    else:
        x = check_inputs(name, np.asarray(calib), shape)
    scale, zero_point = float(t.scale[0]), int(t.zero_point[0])
    return quantize_values(x, scale, zero_point), [*unit_notes(name, x, scale, zero_point), *range_notes(name, x)]


def _export_keras(
    model: Any,
    options: Options,
    name: str | None,
    calib: PathLike | Array | None,
    headroom: float | None,
    budget: dict[str, int] | None,
) -> Export:
    if calib is None:
        raise SdfaError("a Keras model is quantized with samples: give some with --calib DATA.npz (x, float32)")
    path = Path(model) if isinstance(model, (str, Path)) else None
    said, notes = ModelSettings(), []
    if path is not None and path.is_file():
        digest = sha256(path.read_bytes()).hexdigest()
        said, notes = beside(path, digest), beside_note(path, digest)
    options.refuse_useless(said)
    filled = options.filled(said)
    quantized, samples = _quantized(model, calib, _layers_that_learn(filled), headroom)
    graph = load_tflite(quantized.model, quantized.report["name"])
    if quantized.report["learns"] and averages(filled):
        options = replace(options, calib=_calibration(graph, samples)[0])
    elif not quantized.report["learns"]:
        options = replace(options, train_last=0)
    result = export_within(graph, name, options, _within(said, budget))
    result.report["warnings"] += [*notes, *quantized.report["warnings"]]
    result.report["quantization"] = quantized.report
    return replace(result, tflite=quantized.model)


def _layers_that_learn(options: Options) -> int | None:
    return 1 if options.feedback == "last" and options.train_last is None else options.train_last


class Device:
    """A model on a target: runs, learns, and keeps what it learned.

    target: "host" (this computer), "qemu:mps2-an386" and other emulated boards. model: the path of an image, its bytes,
    what load, export or quantize returned, or the path of a model that is exported with its defaults. Each call runs
    one batch on a fresh machine, which starts with what was learned so far; nothing has to be closed.
    """

    def __init__(self, target: str | Target, model: Any) -> None:
        self.target = find_target(target) if isinstance(target, str) else target
        self.data = _image_bytes(model)
        """The bytes of the image, with what was learned."""

    @property
    def image(self) -> Image:
        """The same parsed."""
        return read_image(self.data)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return input_shape(self.image)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the output for one sample."""
        return output_shape(self.image)

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes, as given to the exporter; () if none were."""
        return tuple(map(str, self.image.meta.get("labels") or ()))

    def run(self, x: Array) -> Int8Array:
        """The output bytes, int8 (n, *output_shape), of inputs (n, *input_shape).

        x: float in the units that the model was trained on, or int8 quantized as the model's input. A UserWarning says
        when floats can hardly be in those units, here and in the methods below.
        """
        image = self.image
        q = _quantized_inputs(image, x)
        return Machine(self.target, self.data).run(q).reshape(len(q), *output_shape(image))

    def predict(self, x: Array) -> Float32Array:
        """The same in real units, float32 (n, *output_shape): probabilities behind a softmax."""
        image = self.image
        end = image.tensors[int(image.header["output"])]
        real = (self.run(x).astype(np.float32) - np.float32(end["zero_point"])) * np.float32(end["scale"])
        return np.asarray(real, np.float32)

    def classify(self, x: Array) -> npt.NDArray[np.int64]:
        """The class of each sample, int64 (n,): the largest logit in a model that learns classes, else output."""
        image = self.image
        if image.learning is None or loss_of(image) == "mse":
            return np.asarray(self.run(x).reshape(len(x), -1).argmax(axis=1), np.int64)
        return Machine(self.target, self.data).classify(_quantized_inputs(image, x)).astype(np.int64)

    def learn(
        self,
        x: Array,
        y: Array,
        *,
        epochs: int = 1,
        lr: float | None = None,
        threshold: float | None = None,
        seed: int = 1,
        care: Care | None = None,
        eval_data: tuple[Array, Array] | None = None,
    ) -> Outcome:
        """Learn the samples, `epochs` times in a new order; what was learned stays in this object.

        x: as of run. y: class numbers (n,), or targets float (n, outputs) in real units for a model that learns them.
        lr, threshold: None: the image's. care: replay, hold-out, guard and the like. eval_data: samples (x, y) to score
        on, else the learned ones. scores of the result: accuracy, or RMSE in real units, before and after each epoch.
        """
        image, care = self.image, care or Care()
        samples = samples_from(image, x, y, care.added)
        _warn(image, samples.x)
        judge = None if eval_data is None else samples_from(image, *eval_data, care.added)
        outcome = adapt(self.target, self.data, samples, judge, Settings(epochs, lr, threshold, seed, care))
        self.data = outcome.image
        return outcome

    def evaluate(self, x: Array, y: Array) -> float:
        """Accuracy, 0 to 1, on labelled samples; of a model that learns targets, RMSE in real units."""
        image = self.image
        if image.learning is None:
            labels = np.asarray(y)
            if labels.shape != (len(x),) or labels.dtype.kind not in "iu":
                raise SdfaError(f"y is {labels.dtype}{list(labels.shape)}: give one class number for each sample")
            return float(np.mean(self.classify(x) == labels))
        samples = samples_from(image, x, y)
        if loss_of(image) == "mse":
            return rmse(image, self.run(samples.x).reshape(len(x), -1), samples.y)
        return float(np.mean(self.classify(samples.x) == samples.y))

    def check(
        self, x: Array | None = None, y: Array | None = None, *, steps: int = 1000, seed: int = 1
    ) -> dict[str, Any]:
        """Compare with the integer twin, byte for byte, inference and `steps` learning steps; nothing is kept.

        Returns what `pytools check --json` writes: mismatching_bytes must be 0. Without samples they are random.
        """
        samples = None if x is None or y is None else samples_from(self.image, x, y)
        if samples is not None:
            _warn(self.image, samples.x)
        return check(self.target, self.data, samples, steps, seed)

    def bench(self, x: Array | None = None, y: Array | None = None) -> dict[str, Any]:
        """Executed instructions, stack and flash on an emulated board: what `pytools bench --json` writes."""
        samples = None if x is None or y is None else samples_from(self.image, x, y)
        return bench(find_counting(self.target.name), self.data, samples)

    def merged(self, model: PathLike | bytes) -> bytes:
        """The .tflite file that the image was exported from, with the learned weights. model: its path or bytes."""
        factory = model if isinstance(model, bytes) else read_bytes(Path(model), "the .tflite file of the image")
        return merge(self.image, factory)

    def save(self, path: PathLike) -> None:
        """Write the image, with what was learned, as a .sdfa file."""
        write_whole(Path(path), self.data)


def _quantized_inputs(image: Image, x: Array) -> Int8Array:
    given = check_inputs("x", np.asarray(x), input_shape(image))
    _warn(image, given, 4)
    return quantize_input(image, given)


def _warn(image: Image, x: Array, level: int = 3) -> None:
    """level: of the caller's line, as warnings.warn counts."""
    for note in image_notes("x", image, x):
        warnings.warn(note, stacklevel=level)


def _image_bytes(model: Any) -> bytes:
    if isinstance(model, Export):
        return model.data
    if isinstance(model, Image):
        return model.raw
    if isinstance(model, bytes):
        return read_image(model).raw
    if isinstance(model, (str, Path)) and _is_image(Path(model)):
        return read_image(read_bytes(Path(model), "an image made by pytools export"), Path(model).name).raw
    return export(model).data
