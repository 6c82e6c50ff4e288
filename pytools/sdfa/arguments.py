"""What a caller from Python may give: checked, so that a slip is one line and not an error from deep within."""

from __future__ import annotations

import math
import os
import re
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError

Choices = TypeVar("Choices", bound=Any)

_SCALARS: dict[type, tuple[type, str]] = {
    int: (Integral, "a whole number"), float: (Real, "a number"), bool: (bool, "True or False"),
    str: (str, "a string"),
}  # fmt: skip


@contextmanager
def python_words(**names: str) -> Iterator[None]:
    """A refusal inside names options as Python has them: `--hold-out` is hold_out; names: of those that differ."""
    try:
        yield
    except SdfaError as error:
        text = re.sub(r"--([a-z][a-z-]*)", lambda found: _python_name(found[1], names), str(error))
        raise SdfaError(text) from None


def _python_name(option: str, names: dict[str, str]) -> str:
    name = option.replace("-", "_")
    return names.get(name, name)


def path_of(value: object, what: str) -> Path:
    """`what` says what to give, for the message."""
    if not isinstance(value, (str, os.PathLike)):
        raise SdfaError(f"{type(value).__name__} is no path: give {what}")
    text = os.fspath(value)
    if not isinstance(text, str) or "\0" in text:
        raise SdfaError(f"{text!r} is no path (a null byte, or no text): give {what}")
    return Path(text)


def whole(name: str, value: object, least: int, most: int) -> int:
    """A whole number from `least` to `most`."""
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise SdfaError(f"{name} is {_shown(value)}: give a whole number")
    number = int(value)
    if not least <= number <= most:
        raise SdfaError(f"{name} is {number}: it must be from {least} to {most}")
    return number


def real(name: str, value: object) -> float | None:
    """A finite number, or None."""
    if value is None:
        return None
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, Real) or not math.isfinite(value):
        raise SdfaError(f"{name} is {_shown(value)}: give a finite number")
    return float(value)


def array_of(name: str, value: object) -> npt.NDArray[Any]:
    """What numpy makes of it; rows of different lengths and the like are refused."""
    try:
        return np.asarray(value)
    except (ValueError, TypeError, OverflowError):
        raise SdfaError(f"{name} is no array: give numbers, with rows of the same length") from None


def checked(thing: Choices) -> Choices:
    """A dataclass with its scalars, and its tuples of them, as the types that it declares; SdfaError for others."""
    found: dict[str, object] = {}
    for name, kind in get_type_hints(type(thing)).items():
        value = getattr(thing, name)
        choices = get_args(kind) if get_origin(kind) in (Union, types.UnionType) else (kind,)
        if value is None and type(None) in choices:
            continue
        for choice in choices:
            if choice in _SCALARS:
                found[name] = _scalar(name, value, choice)
            elif get_origin(choice) is tuple and get_args(choice)[0] in _SCALARS:
                found[name] = _tuple(name, value, get_args(choice)[0])
    return replace(thing, **found)


def _scalar(name: str, value: object, kind: type) -> object:
    want, words = _SCALARS[kind]
    if kind is float and value is not None:
        return real(name, value)
    if not isinstance(value, want) or (isinstance(value, bool) and kind is not bool):
        raise SdfaError(f"{name} is {_shown(value)}: give {words}")
    return kind(value)


def _tuple(name: str, value: object, kind: type) -> tuple[object, ...]:
    if not isinstance(value, (tuple, list)):
        raise SdfaError(f"{name} is {_shown(value)}: give a tuple")
    return tuple(_scalar(f"an item of {name}", item, kind) for item in value)


def _shown(value: object) -> str:
    """Short, on one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 40 else type(value).__name__
