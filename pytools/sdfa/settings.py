"""model.toml: what the maker of a model says about it (labels, what learns, budgets)."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdfa.errors import SdfaError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_KINDS: dict[str, dict[str, tuple[type, ...]]] = {
    "": {"name": (str,), "sha256": (str,), "labels": (list,)},
    "learning": {
        "train_last": (int,), "feedback": (str,), "connections": (int,), "rate": (int, float),
        "threshold": (int, float), "loss": (str,), "seed": (int,),
    },
    "budget": {"ram": (int,), "flash": (int,)},
}  # fmt: skip


@dataclass(frozen=True)
class ModelSettings:
    """None: not said. rate, threshold: real values. ram, flash: budgets in bytes. sha256: of the model file."""

    name: str | None = None
    sha256: str | None = None
    labels: tuple[str, ...] = ()
    train_last: int | None = None
    feedback: str | None = None
    connections: int | None = None
    rate: float | None = None
    threshold: float | None = None
    loss: str | None = None
    seed: int | None = None
    ram: int | None = None
    flash: int | None = None


def load_settings(path: Path) -> ModelSettings:
    """Read a model.toml; an absent file says nothing. Raises SdfaError for one that is wrong."""
    if not path.is_file():
        return ModelSettings()
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SdfaError(f"{path} is not sound TOML: {e}") from None
    values: dict[str, Any] = {}
    for section, kinds in _KINDS.items():
        part = table if section == "" else table.get(section, {})
        values |= _section(path, section, part, kinds)
    values["labels"] = tuple(map(str, values.get("labels", ())))
    return ModelSettings(**values)


def _section(path: Path, section: str, part: Any, kinds: dict[str, tuple[type, ...]]) -> dict[str, Any]:
    """The known entries of one table; an unknown or mistyped one is an error, so that a slip is not silent."""
    if not isinstance(part, dict):
        raise SdfaError(f"{path}: [{section}] must be a table")
    found = {k: v for k, v in part.items() if not (section == "" and k in _KINDS)}
    for key, value in found.items():
        if key not in kinds:
            raise SdfaError(f"{path}: {section or 'top level'} has an unknown entry {key!r}; known: {', '.join(kinds)}")
        if not isinstance(value, kinds[key]) or isinstance(value, bool):
            raise SdfaError(f"{path}: {key} must be a {kinds[key][-1].__name__}, not {value!r}")
    return found


def beside(model: Path, sha256: str) -> ModelSettings:
    """The settings next to a model file, if they speak of this very file; else none."""
    settings = load_settings(model.with_name("model.toml"))
    return settings if settings.sha256 in (None, sha256) else ModelSettings()


def check_budget(settings: ModelSettings, ram: dict[str, int], flash: dict[str, int]) -> None:
    """SdfaError that names the largest contributors when a budget is exceeded. Parts in bytes."""
    for what, budget, parts in (("RAM", settings.ram, ram), ("flash", settings.flash, flash)):
        if budget is not None and sum(parts.values()) > budget:
            largest = ", ".join(f"{k} {v}" for k, v in sorted(parts.items(), key=lambda kv: -kv[1])[:3])
            raise SdfaError(f"{what}: {sum(parts.values())} bytes, the budget is {budget}; largest: {largest}")
