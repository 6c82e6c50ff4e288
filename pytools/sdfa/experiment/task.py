"""What there is to learn from scratch: pictures to learn, and others to score on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import load_digits
from sdfa.errors import SdfaError
from sdfa.experiment.sets import data_folder

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

_TUNE_PART = 6
"""One sample in this many of the training part scores where a rate is chosen."""
_CIFAR_TRAIN = 3200


@dataclass(frozen=True, eq=False)
class Task:
    """x float32 (n, values) in 0 ... 1, y int64 (n,): to learn. x_judge, y_judge: to score on."""

    x: FloatArray
    y: IntArray
    x_judge: FloatArray
    y_judge: IntArray

    def tuning(self) -> Task:
        """The same without the judge's samples: a part of the training samples takes their place."""
        n = len(self.y) - len(self.y) // _TUNE_PART
        return Task(self.x[:n], self.y[:n], self.x[n:], self.y[n:])

    def limited(self, n: int) -> Task:
        """With the first n samples to learn; 0: all."""
        return Task(self.x[:n], self.y[:n], self.x_judge, self.y_judge) if n else self


def _digits() -> Task:
    train, test = load_digits()
    return Task(train.x.reshape(-1, 64), train.y, test.x.reshape(-1, 64), test.y)


def _plain(z: dict[str, npt.NDArray[Any]]) -> Task:
    return Task(_flat(z["X_train"]), _labels(z["y_train"]), _flat(z["X_test"]), _labels(z["y_test"]))


def _cifar(z: dict[str, npt.NDArray[Any]]) -> Task:
    """4,000 training pictures and 200 test pictures: the last 800 go to the test part."""
    x, y, n = _flat(z["X_train"]), _labels(z["y_train"]), _CIFAR_TRAIN
    return Task(
        x[:n], y[:n], np.concatenate([x[n:], _flat(z["X_ic01"])]), np.concatenate([y[n:], _labels(z["y_ic01"])])
    )


def _flat(x: npt.NDArray[Any]) -> FloatArray:
    return x.reshape(len(x), -1).astype(np.float32) / np.float32(255)


def _labels(y: npt.NDArray[Any]) -> IntArray:
    return y.astype(np.int64)


_FILES = {"mnist": _plain, "fashion_mnist": _plain, "cifar10_small": _cifar}
TASKS = ("digits", *_FILES)


def load_task(name: str) -> Task:
    """A data set by name: digits (scikit-learn), or NAME.npz in the folder SDFA_DATA. SdfaError if it is not there."""
    if name == "digits":
        return _digits()
    if name not in _FILES:
        raise SdfaError(f"unknown data set {name!r}; there is {', '.join(TASKS)}")
    path = data_folder() / f"{name}.npz"
    if not path.is_file():
        raise SdfaError(f"{path} is absent: set SDFA_DATA to the folder that holds it, or learn digits")
    try:
        with np.load(path, allow_pickle=False) as found:
            return _FILES[name]({key: found[key] for key in found.files})
    except KeyError as error:
        raise SdfaError(f"{path} has no array {error}: fetch it again") from None
    except Exception as error:  # damage shows as one of a dozen kinds, from zipfile, zlib, ast and numpy
        raise SdfaError(f"{path} cannot be read ({type(error).__name__}): fetch it again") from None
