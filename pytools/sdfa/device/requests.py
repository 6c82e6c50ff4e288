"""What a model on a target may be asked to do, and the bytes of each request (firmware/app/app.h)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.device.care import AddClass, Cared, CareStage, Judge
from sdfa.errors import SdfaError
from sdfa.targets.base import Request
from sdfa.targets.codes import request_code
from sdfa.tflite.graph import Int8Array

Int16Array = npt.NDArray[np.int16]
IntArray = npt.NDArray[np.integer[Any]]

NO_CLASS = 0xFFFF
"""In the place of a class: the label was out of range."""
_LEAVE = 0xFFFFFFFF


@dataclass(frozen=True, eq=False)
class Run:
    """x: int8 (n, *input)."""

    x: Int8Array


@dataclass(frozen=True, eq=False)
class Classify:
    """x: int8 (n, *input)."""

    x: Int8Array


@dataclass(frozen=True, eq=False)
class Learn:
    """One step per sample. x: int8 (n, *input); y: integers (n,), classes."""

    x: Int8Array
    y: IntArray


@dataclass(frozen=True, eq=False)
class Remember:
    """Into the replay ring, without learning. x, y: as for Learn."""

    x: Int8Array
    y: IntArray


@dataclass(frozen=True, eq=False)
class HoldOut:
    """To the gate; the present weights become its mark. x, y: as for Learn."""

    x: Int8Array
    y: IntArray


@dataclass(frozen=True, eq=False)
class LearnTarget:
    """One step per sample. x: int8 (n, *input); targets: int16 (n, outputs), as for sdfa_learn_target."""

    x: Int8Array
    targets: Int16Array


@dataclass(frozen=True)
class Set:
    """None leaves a value as it is. rate_q24: 1 ... ; tau_q15: 0 ... 32767; seed: 0 ... 2^32 - 2."""

    rate_q24: int | None = None
    tau_q15: int | None = None
    seed: int | None = None


@dataclass(frozen=True)
class Reset:
    """Back to the factory weights."""


@dataclass(frozen=True)
class Measure:
    """What the calls cost since the Measure before, or since the start. Needs find_target(..., counting=True)."""


@dataclass(frozen=True, eq=False)
class Profile:
    """Runs operation by operation, and counts. x: int8 (n, *input). Needs a target that counts, and a Measure stage."""

    x: Int8Array


Labelled = Learn | Remember | HoldOut
Stage = Run | Classify | Labelled | LearnTarget | Set | Reset | Measure | Profile | CareStage | Judge | Cared | AddClass


def request(name: str, payload: bytes = b"") -> Request:
    return Request(request_code(name), payload)


def rows(x: npt.NDArray[np.generic], dtype: str) -> npt.NDArray[np.uint8]:
    """(n, bytes of a sample). SdfaError unless x holds samples of this type."""
    if x.ndim == 0 or x.dtype != np.dtype(dtype):
        raise SdfaError(f"samples must be an array of {np.dtype(dtype)}, not {x.dtype} of shape {x.shape}")
    flat = np.ascontiguousarray(x, dtype).reshape(len(x), int(np.prod(x.shape[1:])))
    return flat.view(np.uint8)


def _labels(y: IntArray) -> npt.NDArray[np.uint8]:
    if not np.issubdtype(y.dtype, np.integer) or y.ndim != 1:
        raise SdfaError(f"labels must be a vector of integers, not {y.dtype} of shape {y.shape}")
    if y.size and not 0 <= int(y.min()) <= int(y.max()) < NO_CLASS:
        raise SdfaError(f"labels from {y.min()} to {y.max()}: must be classes, counted from 0")
    return y.astype("<u2").reshape(-1, 1).view(np.uint8)


def _pairs(x: npt.NDArray[np.uint8], y: npt.NDArray[np.uint8]) -> bytes:
    if len(x) != len(y):
        raise SdfaError(f"{len(x)} samples with {len(y)} labels or targets")
    return np.concatenate([x, y], axis=1).tobytes()


def encode(stage: Stage) -> Request:
    if isinstance(stage, Run):
        return request("RUN", rows(stage.x, "i1").tobytes())
    if isinstance(stage, Profile):
        return request("PROFILE", rows(stage.x, "i1").tobytes())
    if isinstance(stage, Classify):
        return request("CLASSIFY", rows(stage.x, "i1").tobytes())
    if isinstance(stage, (Learn, Remember, HoldOut)):
        return request(_PLAIN[type(stage)], _pairs(rows(stage.x, "i1"), _labels(stage.y)))
    if isinstance(stage, LearnTarget):
        return request("LEARN_TARGET", _pairs(rows(stage.x, "i1"), rows(stage.targets, "<i2")))
    if isinstance(stage, Set):
        return request("SET", _encode_set(stage))
    if isinstance(stage, CareStage):
        return request("CARE", stage.payload())
    return request(_PLAIN[type(stage)])


_PLAIN: dict[type, str] = {
    Measure: "MEASURE", Reset: "RESET", Judge: "JUDGE", Cared: "CARED", AddClass: "ADD_CLASS",
    Learn: "LEARN", Remember: "REMEMBER", HoldOut: "HOLD_OUT",
}  # fmt: skip
"""Requests whose stages need no more than their name, or name and labelled samples."""


def _encode_set(stage: Set) -> bytes:
    values = (stage.rate_q24, stage.tau_q15, stage.seed)
    if any(value is not None and not 0 <= value < _LEAVE for value in values):
        raise SdfaError(f"{stage}: each value must be in 0 ... 2^32 - 2")
    return struct.pack("<3I", *(_LEAVE if value is None else value for value in values))
