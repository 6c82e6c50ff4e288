"""model.toml: what the maker of a model says about it (labels, what learns, budgets)."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdfa.arguments import whole
from sdfa.errors import SdfaError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KINDS: dict[str, dict[str, tuple[type, ...]]] = {
    "": {"name": (str,), "sha256": (str,), "labels": (list,)},
    "learning": {
        "train_last": (int,), "feedback": (str,), "connections": (int,), "centred": (bool,), "rank": (int,),
        "jacobian": (str,), "rate": (int, float),
        "threshold": (int, float), "loss": (str,), "seed": (int,), "master": (int,),
    },
    "budget": {"ram": (int,), "flash": (int,)},
}  # fmt: skip
_LEAST = {"train_last": 0, "connections": 1, "rank": 1, "seed": 0, "ram": 1, "flash": 1}


@dataclass(frozen=True)
class ModelSettings:
    """None: not said. rate, threshold: real values. ram, flash: budgets in bytes. sha256: of the model file.
    master: bits of the weights that learn, 8 or 16.
    """

    name: str | None = None
    sha256: str | None = None
    labels: tuple[str, ...] = ()
    train_last: int | None = None
    feedback: str | None = None
    connections: int | None = None
    centred: bool | None = None
    rank: int | None = None
    jacobian: str | None = None
    rate: float | None = None
    threshold: float | None = None
    loss: str | None = None
    seed: int | None = None
    master: int | None = None
    ram: int | None = None
    flash: int | None = None


def load_settings(path: Path) -> ModelSettings:
    """Read a model.toml; an absent file says nothing. Raises SdfaError for one that is wrong."""
    if not path.is_file():
        return ModelSettings()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as e:
        raise SdfaError(f"{path} is not sound TOML: {e}: mend it or take it away") from None
    values: dict[str, Any] = {}
    for section, kinds in _KINDS.items():
        part = table if section == "" else table.get(section, {})
        values |= _section(path, section, part, kinds)
    values["labels"] = tuple(values.get("labels", ()))
    return ModelSettings(**values)


def _section(path: Path, section: str, part: Any, kinds: dict[str, tuple[type, ...]]) -> dict[str, Any]:
    """The known entries of one table; an unknown or wrong one is an error, so that a slip is not silent."""
    if not isinstance(part, dict):
        raise SdfaError(f"{path}: [{section}] must be a table")
    found = {k: v for k, v in part.items() if not (section == "" and k in _KINDS)}
    for key, value in found.items():
        if key not in kinds:
            raise SdfaError(f"{path}: {section or 'top level'} has an unknown entry {key!r}; known: {', '.join(kinds)}")
        _check_value(path, key, value, kinds[key])
    return found


def _check_value(path: Path, key: str, value: object, kind: tuple[type, ...]) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and bool not in kind):
        raise SdfaError(f"{path}: {key} must be a {kind[-1].__name__}, not {value!r}")
    if isinstance(value, int) and key in _LEAST and not _LEAST[key] <= value < 2**31:
        raise SdfaError(f"{path}: {key} is {value}: it must be at least {_LEAST[key]} and below 2^31")
    if isinstance(value, list) and not all(isinstance(label, str) for label in value):
        raise SdfaError(f"{path}: {key} must be a list of strings, not {value!r}")


def beside(model: Path, sha256: str) -> ModelSettings:
    """The settings next to a model file, if they speak of this very file; else none."""
    settings = load_settings(model.with_name("model.toml"))
    return settings if settings.sha256 in (None, sha256) else ModelSettings()


def beside_note(model: Path, sha256: str) -> list[str]:
    """What to tell the user when the settings next to a model file were left aside."""
    said = load_settings(model.with_name("model.toml")).sha256
    return [] if said in (None, sha256) else [f"model.toml beside {model.name} is about another file: not used"]


_UNITS = {"": 1, "K": 1024, "M": 1024**2}


Budget = Mapping[str, int] | str
"""Bytes by name, or as parse_budget takes them."""


def budget_of(budget: Budget | None) -> dict[str, int]:
    """Bytes by name, none for None. Raises SdfaError."""
    if isinstance(budget, str):
        return parse_budget(budget)
    if budget is not None and not isinstance(budget, Mapping):
        raise SdfaError(f"budget is {type(budget).__name__}: give {{'ram': 20480, 'flash': 65536}}, or one of them")
    for name, value in (budget or {}).items():
        if name not in ("ram", "flash"):
            raise SdfaError(f"budget has an unknown entry {name!r}; known: ram, flash")
        whole(f"budget of {name}", value, 1, 2**31 - 1)
    return dict(budget or {})


def parse_budget(text: str) -> dict[str, int]:
    """ "ram=20K,flash=64K" -> bytes by name; K is 1,024. Raises SdfaError."""
    found: dict[str, int] = {}
    for part in text.split(","):
        match = re.fullmatch(r"\s*(ram|flash)\s*=\s*(\d{1,9})([KM]?)B?\s*", part, re.IGNORECASE)
        if match is None or match[1].lower() in found or int(match[2]) == 0:
            raise SdfaError(f"--budget {text!r}: say ram=20K,flash=64K, or one of them; K is 1,024 bytes")
        found[match[1].lower()] = int(match[2]) * _UNITS[match[3].upper()]
    return found


def _learns(parts: dict[str, int]) -> bool:
    """Whether a part of the memory is there because something learns."""
    return bool(parts.get("tail") or parts.get("factory weights that learn"))


def check_budget(settings: ModelSettings, ram: dict[str, int], flash: dict[str, int]) -> None:
    """SdfaError that names the largest contributors when a budget is exceeded. Parts in bytes."""
    for what, budget, parts in (("RAM", settings.ram, ram), ("flash", settings.flash, flash)):
        if budget is not None and sum(parts.values()) > budget:
            fewer = ", let fewer layers learn (--train-last)" if _learns(parts) else ""
            largest = ", ".join(f"{k} {v}" for k, v in sorted(parts.items(), key=lambda kv: -kv[1])[:3])
            raise SdfaError(
                f"{what}: {sum(parts.values())} bytes, the budget is {budget}; largest: {largest}: "
                f"shrink the model{fewer} or raise the budget"
            )
