"""Options that several commands have, or that belong together: one dataclass for each group."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, get_type_hints

import typer

_Command = Callable[..., None]


def grouped(command: _Command) -> _Command:
    """A command for typer, which knows no groups: each parameter that is a dataclass becomes the fields of it."""
    hints = get_type_hints(command, include_extras=True)
    groups: dict[str, Any] = {name: kind for name, kind in hints.items() if dataclasses.is_dataclass(kind)}
    parameters = [
        single
        for one in inspect.signature(command).parameters.values()
        for single in (_fields(groups[one.name]) if one.name in groups else [_parameter(one, hints[one.name])])
    ]

    @functools.wraps(command)
    def run(**given: Any) -> None:
        for name, kind in groups.items():
            given[name] = kind(**{field.name: given.pop(field.name) for field in dataclasses.fields(kind)})
        command(**given)

    run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {one.name: one.annotation for one in parameters}
    return run


def _fields(kind: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(kind, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, annotation=hints[field.name],
            default=inspect.Parameter.empty if field.default is dataclasses.MISSING else field.default,
        )
        for field in dataclasses.fields(kind)
    ]  # fmt: skip


def _parameter(one: inspect.Parameter, hint: Any) -> inspect.Parameter:
    return one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hint)


@dataclass(frozen=True)
class Where:
    """The board that `pytools device` talks to."""

    port: Annotated[
        str, typer.Option(metavar="URL", help="Where the board is: /dev/ttyACM0, COM5, socket://127.0.0.1:5555.")
    ]
    baud: Annotated[int, typer.Option(metavar="N", help="Speed of a serial port.", min=300)] = 115200
    board: Annotated[str | None, typer.Option(metavar="NAME", help="Refuse any other board than this.")] = None
    wait: Annotated[
        float, typer.Option(metavar="SECONDS", help="Repeat a request after so long a silence.", min=0.01)
    ] = 0.5


@dataclass(frozen=True)
class Learning:
    """How an image learns, of those options that mean the same in export and init. None: the default."""

    connections: Annotated[
        int | None,
        typer.Option(metavar="K", help="Output errors that each hidden neuron listens to (default 2).", min=1),
    ] = None
    centred: Annotated[
        bool | None,
        typer.Option(
            "--centred/--no-centred", help="Live feedback: weights less their mean over the outputs with an error."
        ),
    ] = None
    rank: Annotated[
        int | None, typer.Option(metavar="R", help="Rank of random or dense feedback (default: free).", min=1)
    ] = None
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate to start with.")] = None
    threshold: Annotated[
        float | None, typer.Option(metavar="ERROR", help="Smaller output errors are dropped (0 to below 1).")
    ] = None
    labels: Annotated[str, typer.Option(metavar="A,B,...", help="Names of the classes, with commas.")] = ""

    def chosen(self) -> dict[str, Any]:
        """Under the names that exporter.export.Options has."""
        return {
            "connections": self.connections, "centred": self.centred, "rank": self.rank, "rate": self.lr,
            "tau": self.threshold, "labels": tuple(self.labels.split(",")) if self.labels else (),
        }  # fmt: skip
