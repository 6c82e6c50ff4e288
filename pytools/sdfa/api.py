"""The Python interface: `import sdfa`. What the commands do, as functions that take and return arrays.

import sdfa
export = sdfa.export("model.keras", sdfa.Options(train_last=2), calib=x)
device = sdfa.Device("qemu:mps2-an386", export)
device.learn(x_new, y_new, epochs=5)
device.save("learned.sdfa")
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sdfa.anymodel import choices, export_any, is_keras_model, quantize_any
from sdfa.arguments import array_of, checked, path_of, python_words, real, whole
from sdfa.data import Float32Array, Samples, check_inputs
from sdfa.device.adapt import Outcome, Settings, adapt, rmse
from sdfa.device.bench import bench
from sdfa.device.care import Care
from sdfa.device.check import check
from sdfa.device.device import Device as Machine
from sdfa.device.samples import input_shape, loss_of, output_shape, quantize_input, samples_from
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options
from sdfa.exporter.merge import merge
from sdfa.exporter.settings import Budget
from sdfa.files import check_outputs, read_bytes, write_whole
from sdfa.image.reader import Image, read_image
from sdfa.image.records import MAGIC
from sdfa.limits import EPOCHS_MAX, SEED_MAX, STEPS_MAX
from sdfa.targets import Target, find_counting, find_target
from sdfa.tflite.graph import Graph, Int8Array
from sdfa.tflite.load import read_model
from sdfa.units import image_notes

if TYPE_CHECKING:
    from sdfa.keras import FloatModel, Quantized

__all__ = ["Care", "Device", "Export", "Options", "Outcome", "SdfaError", "export", "load", "quantize"]

Array = npt.NDArray[Any]
PathLike = str | Path


def load(path: PathLike) -> Image | Graph | FloatModel:
    """Read an image (.sdfa), a TensorFlow Lite model, or a Keras model (.keras, .h5, SavedModel folder).

    An image goes into Device, a model into export. Raises SdfaError for a file that is damaged or of another kind.
    Keras models need TensorFlow: pip install sdfa[train].
    """
    path = path_of(path, "that of an image or a model")
    if _is_image(path):
        return read_image(read_bytes(path, "an image made by pytools export"), path.name)
    from sdfa.keras.model import is_keras, load_float

    return load_float(path) if is_keras(path) else read_model(path)[0]


def _is_image(path: Path) -> bool:
    if path.suffix == ".sdfa":
        return True
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            return file.read(4) == MAGIC.to_bytes(4, "little")
    except OSError as error:
        raise SdfaError(f"{path}: {error.strerror}; give a file that may be read") from None


def quantize(
    model: Any, calib: PathLike | Array, *, train_last: int | None = None, headroom: float | None = None
) -> Quantized:
    """A Keras model as a full-integer int8 .tflite file, with a report of what that costs, layer by layer.

    model: a keras.Model, what load returned, or a path. calib: float samples (n, *input) in the units that the model
    was trained on, or a .npz file with them as x. train_last: dense layers that will learn (None: up to 2, 0: none);
    their weights and outputs get `headroom` (default 1.25) times the range. Raises SdfaError.

    The result goes into export or Device; its `model` is the bytes of the file, the same for the same model.
    """
    with python_words():
        return quantize_any(model, calib, train_last, headroom)


def export(
    model: PathLike | bytes | Graph | Quantized | Any,
    options: Options | None = None,
    *,
    name: str | None = None,
    calib: PathLike | Array | None = None,
    headroom: float | None = None,
    budget: Budget | None = None,
) -> Export:
    """A model as an image for the device, with its C source and a report of what it will cost.

    model: the path of a .tflite, .keras or .h5 file or of a SavedModel folder; the bytes of a .tflite file; the model
    that load returned; what quantize returned; or a keras.Model.
    options: what learns, and how; where it says nothing, a model.toml beside the file does. name: C name. calib: inputs
    (n, *input), float in the model's units, or a .npz file with them as x: sets the scales of a Keras model, for which
    it is needed, and what aligned feedback is averaged over (None: the samples of quantize). headroom: of a Keras
    model, as of quantize. budget: bytes of "ram" and "flash" that must not be exceeded, or "ram=20K,flash=64K".
    Raises SdfaError.

    Write the result with its method save; give it to Device; report is JSON-able. tflite: the .tflite file that was
    made of a Keras model, into which Device.merged puts what was learned.
    """
    with python_words(lr="rate", threshold="tau", spare_classes="spare"):
        options = choices(Options() if options is None else options, name, headroom)
        return export_any(model, options, name=name, calib=calib, headroom=headroom, budget=budget)


class Device:
    """A model on a target: runs, learns, and keeps what it learned.

    target: "host" (this computer), "qemu:mps2-an386" and other emulated boards. model: the path of an image or its
    bytes; what load, export or quantize returned; or a .tflite model (path or bytes), which is exported with its
    defaults, as what quantize returned is. A Keras model has to be exported first, with samples. Each call runs one
    batch on a fresh machine, which starts with what was learned so far; nothing has to be closed.
    """

    def __init__(self, target: str | Target, model: Any) -> None:
        if not isinstance(target, str) and not hasattr(target, "execute"):
            raise SdfaError(f"target is {type(target).__name__}: give a name such as 'host' or 'qemu:mps2-an386'")
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
            y = self.run(x)
            return np.asarray(y.reshape(len(y), -1).argmax(axis=1), np.int64)
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
        image, care = self.image, Care() if care is None else care
        if not isinstance(care, Care):
            raise SdfaError(f"care is {type(care).__name__}: give sdfa.Care(...)")
        if eval_data is not None and not (isinstance(eval_data, (tuple, list)) and len(eval_data) == 2):
            raise SdfaError("eval_data is no pair: give (x, y)")
        care = checked(care)
        with python_words(**_CARE_NAMES):
            settings = Settings(
                whole("epochs", epochs, 1, EPOCHS_MAX), real("lr", lr), real("threshold", threshold),
                whole("seed", seed, 0, SEED_MAX), care,
            )  # fmt: skip
            samples = _samples(image, x, y, care.added)
            judge = None if eval_data is None else _samples(image, *eval_data, care.added)
        _warn(image, samples.x)
        with python_words(**_CARE_NAMES):
            outcome = adapt(self.target, self.data, samples, judge, settings)
        self.data = outcome.image
        return outcome

    def evaluate(self, x: Array, y: Array) -> float:
        """Accuracy, 0 to 1, on labelled samples; of a model that learns targets, RMSE in real units."""
        image = self.image
        if image.learning is None:
            found, labels = self.classify(x), array_of("y", y)
            if labels.shape != found.shape or labels.dtype.kind not in "iu":
                raise SdfaError(f"y is {labels.dtype}{list(labels.shape)}: give one class number for each sample")
            return float(np.mean(found == labels))
        samples = _samples(image, x, y)
        if loss_of(image) == "mse":
            return rmse(image, self.run(samples.x).reshape(len(samples.x), -1), samples.y)
        return float(np.mean(self.classify(samples.x) == samples.y))

    def check(
        self, x: Array | None = None, y: Array | None = None, *, steps: int = 1000, seed: int = 1
    ) -> dict[str, Any]:
        """Compare with the integer twin, byte for byte, inference and `steps` learning steps; nothing is kept.

        Returns what `pytools check --json` writes: mismatching_bytes must be 0. Without samples they are random.
        """
        samples = _pairs(self.image, x, y)
        if samples is not None:
            _warn(self.image, samples.x)
        steps, seed = whole("steps", steps, 1, STEPS_MAX), whole("seed", seed, 0, SEED_MAX)
        return check(self.target, self.data, samples, steps, seed)

    def bench(self, x: Array | None = None, y: Array | None = None) -> dict[str, Any]:
        """Executed instructions, stack and flash on an emulated board: what `pytools bench --json` writes."""
        return bench(find_counting(self.target.name), self.data, _pairs(self.image, x, y))

    def merged(self, model: PathLike | bytes) -> bytes:
        """The .tflite file that the image was exported from, with the learned weights.

        model: its path or bytes. Of a Keras model it is what export made on the way: its attribute tflite, or `model`
        of what quantize returned.
        """
        if isinstance(model, bytes):
            return merge(self.image, model)
        what = "the .tflite file of the image"
        return merge(self.image, read_bytes(path_of(model, what), what))

    def save(self, path: PathLike) -> None:
        """Write the image, with what was learned, as a .sdfa file."""
        file = path_of(path, "where to write the image")
        check_outputs([file])
        write_whole(file, self.data)


_CARE_NAMES = {
    "replay_policy": "policy", "replay_steps": "replays", "guard_window": "window", "freeze": "frozen",
    "add_class": "added",
}  # fmt: skip
"""Options of `pytools learn` that Care calls otherwise."""


def _samples(image: Image, x: Array, y: Array, added: int = 0) -> Samples:
    return samples_from(image, array_of("x", x), array_of("y", y), added)


def _pairs(image: Image, x: Array | None, y: Array | None) -> Samples | None:
    if x is None and y is None:
        return None
    if x is None or y is None:
        raise SdfaError("x or y is missing: give both, or neither for random samples")
    return _samples(image, x, y)


def _quantized_inputs(image: Image, x: Array) -> Int8Array:
    given = check_inputs("x", array_of("x", x), input_shape(image))
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
    if isinstance(model, bytes) and model[4:8] != b"TFL3":
        return read_image(model).raw
    path = Path(model) if isinstance(model, (str, Path)) else None
    if path is not None and _is_image(path):
        return read_image(read_bytes(path, "an image made by pytools export"), path.name).raw
    from sdfa.keras import FloatModel, Quantized, is_keras

    if is_keras_model(model) or isinstance(model, FloatModel) or (path is not None and is_keras(path)):
        raise SdfaError("a Keras model has to be exported first, with samples: give sdfa.export(model, calib=x)")
    if path is None and not isinstance(model, (bytes, Graph, Quantized)):
        what = type(model).__name__
        raise SdfaError(f"{what} is no image: give one, its path or bytes, or what load, export or quantize returned")
    return export(model).data
