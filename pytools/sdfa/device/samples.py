"""Samples as an image takes them: shapes, int8 values, labels or targets, and whether they are what it learns from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Samples, check_samples, load_samples
from sdfa.errors import SdfaError, amount
from sdfa.image.reader import Image
from sdfa.image.records import LOSSES
from sdfa.learning.spare import open_classes
from sdfa.tflite.graph import Int8Array
from sdfa.units import quantize_values


def input_shape(image: Image) -> tuple[int, ...]:
    """Shape of one sample."""
    return _shape(image, "input")


def output_shape(image: Image) -> tuple[int, ...]:
    """Shape of the output for one sample."""
    return _shape(image, "output")


def _shape(image: Image, end: str) -> tuple[int, ...]:
    """As in the model file, which META says; of an image without it, height, width and channels."""
    tensor = image.tensors[int(image.header[end])]
    plain = (int(tensor["h"]), int(tensor["w"]), int(tensor["c"]))
    said = image.meta.get(end)
    shape = said.get("shape") if isinstance(said, dict) else None
    if not isinstance(shape, list) or not all(isinstance(n, int) and n > 0 for n in shape):
        return plain
    return tuple(shape[1:] if len(shape) > 1 else shape) if math.prod(shape) == math.prod(plain) else plain


def quantize_input(image: Image, x: npt.NDArray[Any]) -> Int8Array:
    """Samples as the image's input takes them."""
    tensor = image.tensors[int(image.header["input"])]
    return quantize_values(x, float(tensor["scale"]), int(tensor["zero_point"]))


def loss_of(image: Image) -> str:
    """softmax_ce or mse. SdfaError when nothing learns."""
    if image.learning is None:
        raise SdfaError("nothing learns in this image: export it without --train-last 0, with dense layers at its end")
    return LOSSES[int(image.learning["loss"])]


def class_count(image: Image) -> int:
    """Outputs of the trainable output layer."""
    return int(image.ops[image.op_off.index(int(image.layers[-1]["op"]))][1]["out_n"])


def tail_weight_count(image: Image) -> int:
    """Weights that may learn, without biases."""
    ops = (image.ops[image.op_off.index(int(layer["op"]))][1] for layer in image.layers)
    return sum(int(op["in_n"]) * int(op["out_n"]) for op in ops)


def samples_of(image: Image, path: Path, added: int = 0) -> Samples:
    """A user's .npz file, checked to be what this image learns from. added: classes that are still to be opened."""
    return load_samples(path, **_wanted(image, added))


def samples_from(image: Image, x: npt.NDArray[Any], y: npt.NDArray[Any], added: int = 0) -> Samples:
    """The same of arrays."""
    return check_samples("samples", np.asarray(x), np.asarray(y), **_wanted(image, added))


def _wanted(image: Image, added: int) -> dict[str, Any]:
    """What samples must be like."""
    labels = loss_of(image) == "softmax_ce"  # refuses an image in which nothing learns
    outputs = class_count(image)
    classes = open_classes(image) + added
    left = outputs - classes
    if left < 0:
        have = amount(left + added, "spare class", "spare classes")
        raise SdfaError(f"--add-class {added}: the image has {have} left: export it with more, --spare-classes {added}")
    return {
        "input_shape": input_shape(image), "classes": classes if labels else None, "outputs": outputs,
        "spare": left if labels else 0,
    }  # fmt: skip


def quantize_targets(image: Image, y: npt.NDArray[Any]) -> npt.NDArray[np.int16]:
    """Real targets (n, outputs) to Q15 of the output range (SPEC 3.1)."""
    with np.errstate(over="ignore"):  # what overflows is clipped
        q15 = np.rint(y / (256 * _last_scale(image)) * 32768)
    return np.asarray(np.clip(q15, -32767, 32767), np.int16)


def _last_scale(image: Image) -> float:
    """Real value of one unit of the trainable output layer's output."""
    last = image.ops[image.op_off.index(int(image.layers[-1]["op"]))][1]
    return float(image.tensors[int(last["out"])]["scale"])
