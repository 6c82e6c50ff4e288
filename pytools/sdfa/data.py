"""Samples to learn from: scikit-learn's digits, the digits seen by a changed sensor, a user's .npz file."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError

Float32Array = npt.NDArray[np.float32]
Int64Array = npt.NDArray[np.int64]
Inputs = npt.NDArray[np.int8] | Float32Array
Change = Callable[[Float32Array], Float32Array]

DIGITS_SHAPE = (8, 8, 1)
_SPLIT_SEED = 1797
_TEST_EVERY = 5


@dataclass(frozen=True, eq=False)
class Split:
    """Images x float32[n, 8, 8, 1] in 0 ... 1 and their labels y int64[n]."""

    x: Float32Array
    y: Int64Array


@dataclass(frozen=True, eq=False)
class Samples:
    """x int8[n, *input] (already quantized) or float32; y labels int64[n] or targets float32[n, m]."""

    x: Inputs
    y: Int64Array | Float32Array


def load_digits() -> tuple[Split, Split]:
    """scikit-learn's 1797 handwritten digits: 1437 to train and 360 to test, stratified, always the same."""
    try:
        from sklearn import datasets
    except ImportError:
        raise SdfaError("scikit-learn is needed for the digits: pip install 'sdfa[demo]'") from None
    found = datasets.load_digits()
    x = (found.images / 16).astype(np.float32).reshape(-1, *DIGITS_SHAPE)
    y = found.target.astype(np.int64)
    train, test = _split(y)
    return Split(x[train], y[train]), Split(x[test], y[test])


def _split(y: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Indices of the training and of the test samples, each in random order; y int64[n].

    Made from the raw words of a bit generator, whose sequence no version of numpy may change.
    """
    key = np.random.PCG64(_SPLIT_SEED).random_raw(len(y))
    by_class = np.lexsort((key, y))
    in_test = np.zeros(len(y), bool)
    in_test[by_class[::_TEST_EVERY]] = True
    order = np.argsort(key)
    return order[~in_test[order]], order[in_test[order]]


def _shift(x: Float32Array) -> Float32Array:
    """Two pixels to the right; black comes in."""
    out = np.zeros_like(x)
    out[:, :, 2:] = x[:, :, :-2]
    return out


def _mirror(x: Float32Array) -> Float32Array:
    """Left and right exchanged."""
    return np.ascontiguousarray(x[:, :, ::-1])


def _rot90(x: Float32Array) -> Float32Array:
    """A quarter turn, counterclockwise."""
    return np.ascontiguousarray(np.rot90(x, axes=(1, 2)))


# name -> what a changed sensor does to images float32[n, H, W, C] in 0 ... 1
DOMAINS: dict[str, Change] = {"shift": _shift, "mirror": _mirror, "rot90": _rot90}


def change_sensor(x: Float32Array, name: str) -> Float32Array:
    """Images float32[n, H, W, C] in 0 ... 1 as the sensor `name`, a key of DOMAINS, sees them; same shape."""
    change = DOMAINS.get(name)
    if change is None:
        raise SdfaError(f"there is no changed sensor {name!r}; known are {', '.join(DOMAINS)}")
    if x.ndim != 4 or (name == "rot90" and x.shape[1] != x.shape[2]):
        form = "(n, H, H, C)" if name == "rot90" else "(n, H, W, C)"
        raise SdfaError(f"sensor {name} changes images of shape {form}, not {x.shape}; reshape them first")
    return change(x)


def load_samples(
    path: Path, *, input_shape: tuple[int, ...], classes: int | None, outputs: int | None = None, spare: int = 0
) -> Samples:
    """The arrays x and y of a .npz file, checked; raises SdfaError.

    input_shape: of one sample. classes: number of labels; None means that y holds targets, a row per sample.
    outputs: targets in a row, if that is to be checked. spare: outputs that could become classes.
    """
    x, y = read_arrays(path, ("x", "y"))
    return check_samples(path, x, y, input_shape=input_shape, classes=classes, outputs=outputs, spare=spare)


def check_samples(
    path: Path | str,
    x: npt.NDArray[Any],
    y: npt.NDArray[Any],
    *,
    input_shape: tuple[int, ...],
    classes: int | None,
    outputs: int | None,
    spare: int = 0,
) -> Samples:
    """The same of arrays; path: what messages call them."""
    if y.shape[:1] != x.shape[:1]:
        raise SdfaError(f"{path}: x {x.shape} and y {y.shape} must have the same length; save them in pairs")
    samples = check_inputs(path, x, input_shape)
    return Samples(samples, _targets(path, y, outputs) if classes is None else _labels(path, y, classes, spare))


def load_inputs(path: Path, *, input_shape: tuple[int, ...]) -> Inputs:
    """The array x of a .npz file, checked like that of load_samples; raises SdfaError."""
    return check_inputs(path, read_arrays(path, ("x",))[0], input_shape)


def load_arrays(path: Path, *, values: int, outputs: int | None = None) -> tuple[Inputs, Float32Array | None]:
    """The array x of a .npz file, samples of `values` values in any shape, and, with `outputs`, the targets y."""
    found = read_arrays(path, ("x",) if outputs is None else ("x", "y"))
    shape = found[0].shape[1:]
    x = check_inputs(path, found[0], shape if math.prod(shape) == values and shape else (values,))
    return x, None if outputs is None else _targets(path, found[1], outputs)


def read_arrays(path: Path, names: tuple[str, ...]) -> list[npt.NDArray[Any]]:
    """These arrays of a .npz file; raises SdfaError."""
    example = ", ".join(f"{name}={name}" for name in names)
    save = f"save the samples with np.savez(path, {example})"
    if not path.is_file():
        raise SdfaError(f"{path}: there is no such file; {save}")
    if not zipfile.is_zipfile(path):
        raise SdfaError(f"{path} is not a .npz file; {save}")
    try:
        with np.load(path, allow_pickle=False) as found:
            missing = [name for name in names if name not in found.files]
            if not missing:
                return [np.asarray(found[name]) for name in names]
            have = ", ".join(found.files) or "nothing"
    except Exception as error:  # damage shows as one of a dozen kinds, from zipfile, zlib, ast and numpy
        reason = "it holds Python objects" if "allow_pickle" in str(error) else "it is damaged"
        raise SdfaError(f"{path} cannot be read: {reason}; {save}, arrays of numbers only") from None
    raise SdfaError(f"{path} has no array {' and no array '.join(missing)} (it has {have}); {save}")


def check_inputs(path: Path | str, x: npt.NDArray[Any], input_shape: tuple[int, ...]) -> Inputs:
    """x as int8 or float32 of shape (n, *input_shape), n >= 1; raises SdfaError, which names the path."""
    if x.shape[1:] != input_shape or x.ndim == 0:
        how = "give x[..., None]" if x.shape[1:] + (1,) == input_shape else "reshape x"
        raise SdfaError(f"{path}: x has the shape {x.shape}, but the model takes {_batch(input_shape)}; {how}")
    if len(x) == 0:
        raise SdfaError(f"{path}: x is empty; give at least one sample")
    if x.dtype == np.int8:
        return x
    if x.dtype.kind != "f":
        raise SdfaError(
            f"{path}: x is {x.dtype}, which may be raw or scaled; give float32 in the units the model was trained "
            "on, or int8 quantized as the model's input"
        )
    return _finite(path, "x", x)


def _batch(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['n', *map(str, shape)])})"


def _finite(path: Path | str, name: str, values: npt.NDArray[Any]) -> Float32Array:
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    bad = np.argwhere(~np.isfinite(single))
    if len(bad):
        at = ", ".join(map(str, bad[0]))
        what = "1 value that is" if len(bad) == 1 else f"{len(bad)} values that are"
        raise SdfaError(f"{path}: {name} has {what} not finite, first {name}[{at}]; drop those samples")
    return single


def _labels(path: Path | str, y: npt.NDArray[Any], classes: int, spare: int) -> Int64Array:
    """y as int64[n] in 0 ... classes - 1."""
    if y.ndim != 1:
        raise SdfaError(f"{path}: y has the shape {y.shape}, but labels need (n,); give one class number per sample")
    if y.dtype.kind in "US":
        raise SdfaError(
            f"{path}: y holds texts like {str(y.flat[0])!r}, but labels are the numbers of the classes, in the order "
            "of the model's outputs: save [names.index(v) for v in y], where names are those classes"
        )
    if y.dtype.kind not in "iu":
        raise SdfaError(f"{path}: y is {y.dtype}, but labels are integers; save y.astype('int64')")
    bad = np.flatnonzero((y < 0) | (y >= classes))
    if len(bad):
        missing = int(y[y >= 0].max(initial=0)) - classes + 1
        todo = "renumber them" if (y < 0).any() or missing > spare else f"--add-class {missing} adds a class first"
        raise SdfaError(f"{path}: y[{bad[0]}] is {y[bad[0]]}, but the model's labels are 0 ... {classes - 1}; {todo}")
    return y.astype(np.int64)


def _targets(path: Path | str, y: npt.NDArray[Any], outputs: int | None) -> Float32Array:
    """y as finite float32[n, m], m = outputs, or at least 1."""
    if y.ndim != 2 or y.shape[1] == 0 or outputs not in (None, y.shape[1]):
        raise SdfaError(f"{path}: y has the shape {y.shape}, but targets need (n, {outputs or 'outputs'}); reshape y")
    if y.dtype.kind not in "fiu":
        raise SdfaError(f"{path}: y is {y.dtype}, but targets are numbers; save y.astype('float32')")
    return _finite(path, "y", y)
