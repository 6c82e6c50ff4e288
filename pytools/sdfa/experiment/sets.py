"""The public data sets that experiments know: how each file becomes People. Features as features.py says."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import load_digits
from sdfa.errors import SdfaError
from sdfa.experiment import features, pictures
from sdfa.experiment.basenet import Training
from sdfa.experiment.people import GAP, POOL, TEST, People

Arrays = Mapping[str, npt.NDArray[Any]]

UNCHANGED = "none"


@dataclass(frozen=True)
class DataSet:
    """load: (arrays of NAME.npz, change) -> People. raw: the same with raw windows for features, and window: their
    (time, channels); None where there are none. changes: what may happen to the sensor of new people.

    standardize: features to mean 0 and deviation 1 of the base people. about: what a sample is, for reports.
    """

    load: Callable[[Arrays, str], People]
    about: str
    training: Training
    changes: tuple[str, ...] = (UNCHANGED,)
    standardize: bool = True
    file: bool = True
    raw: Callable[[Arrays, str], People] | None = None
    window: tuple[int, int] | None = None
    raw_about: str = ""
    raw_training: Training = field(default_factory=Training)


def data_folder() -> Path:
    """$SDFA_DATA. SdfaError when it is not set or no folder."""
    found = Path(os.environ.get("SDFA_DATA", ""))
    if not os.environ.get("SDFA_DATA") or not found.is_dir():
        raise SdfaError("set SDFA_DATA to the folder that holds the data sets (NAME.npz)")
    return found


def load_set(name: str, change: str = UNCHANGED, *, raw: bool = False) -> People:
    """A named set. raw: windows of the signal, not features.

    SdfaError for an unknown name or change, for a file that is absent or damaged, and where there are no raw windows.
    """
    known = SETS.get(name)
    if known is None:
        raise SdfaError(f"unknown data set {name!r}; there is {', '.join(SETS)}, or give your own .csv or .npz file")
    if change not in known.changes:
        raise SdfaError(f"{name} has no change {change!r}; there is {', '.join(known.changes)}")
    load = known.raw if raw else known.load
    if load is None:
        able = ", ".join(n for n, s in SETS.items() if s.raw)
        raise SdfaError(f"--backbone cnn reads raw signals, and {name} has none; there is {able}")
    if not known.file:
        return load({}, change)
    path = data_folder() / f"{name}.npz"
    if not path.is_file():
        raise SdfaError(f"{path} is absent: put it there (pytools experiment fetch makes some of them)")
    try:
        with np.load(path, allow_pickle=False) as found:
            arrays = {key: found[key] for key in found.files}
        return load(arrays, change)
    except KeyError as error:
        raise SdfaError(f"{path} has no array {error}: fetch or convert it again") from None
    except Exception as error:  # damage shows as one of a dozen kinds, from zipfile, zlib, ast and numpy
        raise SdfaError(f"{path} cannot be read ({type(error).__name__}): fetch or convert it again") from None


def _numbered(*keys: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """One number for each combination of values."""
    whole = np.array(["/".join(map(str, row)) for row in zip(*(k.tolist() for k in keys), strict=True)])
    return np.asarray(np.unique(whole, return_inverse=True)[1], np.int64)


def _names(values: npt.NDArray[Any]) -> tuple[str, ...]:
    return tuple(str(v) for v in np.unique(values).tolist())


def _listed(values: npt.NDArray[Any]) -> tuple[str, ...]:
    """Names of classes, in the order of their numbers."""
    return tuple(str(v) for v in values.tolist())


def _by_role(person: npt.NDArray[Any], role: npt.NDArray[Any]) -> dict[str, tuple[str, ...]]:
    return {"base": _names(person[role == "base"]), "new": _names(person[role == "new"])}


_EMG_WINDOW, _EMG_STEP, _TURN = 52, 26, 2
_LATER_REPS = 2


View = Callable[[npt.NDArray[Any]], npt.NDArray[np.float32]]
"""From windows [n, time, channels] to what a net takes, [n, values]."""


def _myo(z: Arrays, change: str, view: View = features.emg) -> People:
    """Adapt on session training0, score on Test1, another session. Base people have one session: reps 0-1 and 2-3."""
    ends = np.cumsum(z["length"])
    cut = [features.windows_of(w, _EMG_WINDOW, _EMG_STEP) for w in np.split(z["emg"], ends[:-1])]
    of = np.repeat(np.arange(len(cut)), [len(c) for c in cut])
    raw = np.concatenate(cut)
    base = z["role"] == "base"
    first = np.where(base, z["rep"] < _LATER_REPS, z["session"] == "training0")
    last = np.where(base, z["rep"] >= _LATER_REPS, z["session"] == "Test1")
    part = np.where(first, POOL, np.where(last, TEST, GAP))
    x = view(raw)
    changed = x if change == UNCHANGED else view(np.roll(raw, _TURN, axis=2))
    return People(
        x, changed, z["y"][of].astype(np.int64), z["subject"][of], part[of], of,
        _listed(z["classes"]), **_by_role(z["subject"], z["role"]),
    )  # fmt: skip


def _sisfall(z: Arrays, change: str, view: View = features.motion) -> People:
    """New people are the elderly. turned: the sensor by a quarter about its third axis."""
    raw = z["X"]
    turn = raw[..., [1, 0, 2, 4, 3, 5]] * np.array([-1, 1, 1, -1, 1, 1], np.float32)
    elderly = np.char.startswith(z["subject"], "SE")
    x = view(raw)
    return People(
        x, x if change == UNCHANGED else view(turn), z["y"].astype(np.int64), z["subject"],
        z["phase"].astype(np.int64), _numbered(z["subject"], z["code"], z["trial"]), _listed(z["classes"]),
        new=_names(z["subject"][elderly]), base=_names(z["subject"][z["role"] == "base"]),
    )  # fmt: skip


def _fsdd(z: Arrays, _: str) -> People:
    x = features.cepstra(z["logmel"])
    part = np.where(z["idx"] >= 25, POOL, TEST)
    digits = tuple(str(d) for d in range(10))
    return People(x, x, z["y"].astype(np.int64), z["speaker"], part, np.arange(len(x)), digits, _names(z["speaker"]))


def _arabic(z: Arrays, _: str) -> People:
    x = features.cepstra(z["logmel"])
    speaker = np.char.add("s", np.char.zfill(z["speaker"].astype(str), 2))
    part, y = z["phase"].astype(np.int64), z["y"].astype(np.int64)
    return People(x, x, y, speaker, part, np.arange(len(x)), _listed(z["words"]), **_by_role(speaker, z["role"]))


def _gas(z: Arrays, _: str) -> People:
    """A person is a batch, months of the same sensors; half of each is the pool."""
    x = features.signed_log(z["X"])
    batch = np.char.add("batch ", z["batch"].astype(str))
    part = np.where(np.random.default_rng(0).random(len(x)) < 0.5, POOL, TEST)
    return People(
        x, x, z["y"].astype(np.int64), batch, part, np.arange(len(x)), _listed(z["classes"]),
        new=tuple(n for n in _names(batch) if n not in ("batch 1", "batch 2")), base=("batch 1", "batch 2"),
    )  # fmt: skip


_WISDM_LEAST, _WISDM_CLASSES = 8, 4


def _wisdm(z: Arrays, _: str) -> People:
    """First half of each person's activity adapts, second half tests; new: who did at least four activities."""
    x, y = features.filled(z["X"]), z["y"].astype(np.int64)
    user = np.char.add("u", np.char.zfill(z["user"].astype(str), 2))
    part = np.full(len(y), GAP)
    rich: dict[str, int] = {}
    for name in _names(user):
        for c in range(len(z["classes"])):
            mine = np.flatnonzero((user == name) & (y == c))
            mine = mine[np.argsort(z["uid"][mine], kind="stable")]
            if len(mine) >= _WISDM_LEAST:
                rich[name] = rich.get(name, 0) + 1
                part[mine[: len(mine) // 2]], part[mine[len(mine) // 2 :]] = POOL, TEST
    new = tuple(name for name, n in rich.items() if n >= _WISDM_CLASSES)[::2]
    base = tuple(name for name in _names(user) if name not in new)
    return People(x, x, y, user, part, _numbered(user, z["uid"]), _listed(z["classes"]), new, base)


def _digits(_: Arrays, change: str) -> People:
    train, test = load_digits()
    return pictures.people((train.x, train.y), (test.x, test.y), change, pictures.DIGIT_CHANGES, len(train.y))


_PICTURES = 10_000


def _mnist(z: Arrays, change: str) -> People:
    train, test = ((z[f"X_{part}"] / np.float32(255))[..., None] for part in ("train", "test"))
    known = pictures.MNIST_CHANGES
    return pictures.people((train, z["y_train"]), (test, z["y_test"]), change, known, _PICTURES)


def _cifar(z: Arrays, change: str) -> People:
    train, test = (z[f"X_{part}"] / np.float32(255) for part in ("train", "ic01"))
    known = pictures.CIFAR_CHANGES
    return pictures.people((train, z["y_train"]), (test, z["y_ic01"]), change, known, len(train) // 2)


_RAW = "raw, through a small convolutional net that was trained on base people and stays"
_CAMERA = "a new person is a changed camera"
_PLAIN = Training(hidden=(64, 32), epochs=30, noise=0.0)
_LARGE = Training(hidden=(128, 64), epochs=10, noise=0.0)
_SPEECH = Training(epochs=40, noise=0.3)

SETS: dict[str, DataSet] = {
    "digits": DataSet(
        _digits, f"8x8 pixels; {_CAMERA}", _PLAIN, ("all", *pictures.DIGIT_CHANGES),
        standardize=False, file=False,
    ),
    "myo_emg": DataSet(
        _myo, "time-domain features of 260 ms of 8 electrodes; adapts in one session, scored in another",
        Training(epochs=20), (UNCHANGED, "turned"), raw=partial(_myo, view=features.raw), window=(_EMG_WINDOW, 8),
        raw_training=Training(epochs=8, batch=128, rate=2e-3),
        raw_about=f"260 ms of 8 electrodes, {_RAW}; adapts in one session, scored in another",
    ),
    "sisfall_har": DataSet(
        _sisfall, "statistics and band powers of 2.56 s of motion; base: adults, new: elderly",
        Training(), (UNCHANGED, "turned"), raw=partial(_sisfall, view=features.raw), window=(128, 6),
        raw_training=Training(epochs=12, batch=128, rate=2e-3),
        raw_about=f"2.56 s of motion, {_RAW}; base: adults, new: elderly",
    ),
    "fsdd": DataSet(_fsdd, "cepstra of spoken digits, leave one speaker out", _SPEECH),
    "arabic_commands": DataSet(
        _arabic, "cepstra of 40 spoken commands", Training(hidden=(256, 128), epochs=20, noise=0.3)
    ),
    "gas_drift": DataSet(
        _gas, "logarithms of 128 gas sensor features; base: the first months, new: later ones",
        Training(hidden=(64, 32), epochs=60, noise=0.05),
    ),
    "wisdm_v11_features": DataSet(
        _wisdm, "43 features of 10 s of motion of a phone", Training(hidden=(64, 32), epochs=30)
    ),
    "mnist": DataSet(_mnist, f"28x28 pixels; {_CAMERA}", _LARGE, pictures.MNIST_CHANGES, False),
    "fashion_mnist": DataSet(_mnist, f"28x28 pixels; {_CAMERA}", _LARGE, pictures.MNIST_CHANGES, False),
    "cifar10_small": DataSet(_cifar, f"32x32x3 pixels; {_CAMERA}", _LARGE, pictures.CIFAR_CHANGES, False),
}  # fmt: skip
