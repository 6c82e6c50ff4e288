"""What all commands share: the app, its consoles and options, and how results leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from sdfa import __version__
from sdfa.files import STDOUT, read_bytes, write_whole
from sdfa.limits import EPOCHS_MAX as EPOCHS_MAX
from sdfa.limits import SEED_MAX as SEED_MAX
from sdfa.limits import STEPS_MAX as STEPS_MAX

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Export int8 models for a microcontroller, let them learn there, and prove what they did.",
)
# names and paths come from users: no markup in them
console = Console(markup=False, emoji=False, highlight=False)
progress = Console(stderr=True, markup=False, emoji=False, highlight=False)

ImageArg = Annotated[Path, typer.Argument(metavar="IMAGE", help="An image made by pytools export (.sdfa).")]
TargetOpt = Annotated[
    str, typer.Option(metavar="TARGET", help="Where to run: host, qemu:mps2-an386, serial:/dev/ttyACM0 and others.")
]
SeedOpt = Annotated[
    int, typer.Option(metavar="N", help="Seed of the order of samples and of the rounding.", min=0, max=SEED_MAX)
]
NameOpt = Annotated[str | None, typer.Option(metavar="NAME", help="C name of the model (default: its own).")]
HeadroomOpt = Annotated[
    float | None,
    typer.Option(metavar="X", help="Keras models: range of what will learn, times what it is now (default 1.25)."),
]
HtmlOpt = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write one HTML page: curve, confusion, differences, memory map."),
]
JsonOpt = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON ('-': to stdout).")
]


def emit(result: dict[str, Any], to: Path | None, show: Callable[[], None]) -> None:
    """JSON to a file or stdout; else (and beside a file) the table for people."""
    text = json.dumps(result, indent=1)
    if to is not None and str(to) == STDOUT:
        print(text)
        return
    if to is not None:
        write_whole(to, f"{text}\n".encode())
    show()


def show_notes(notes: list[str]) -> None:
    """What the user should look at, though nothing is refused."""
    for note in notes:
        console.print(f"note: {note}", style="yellow")


def load_image(path: Path) -> tuple[bytes, Any]:
    """An image's bytes, and the same parsed."""
    from sdfa.image.reader import read_image

    data = read_bytes(path, "an image made by pytools export")
    return data, read_image(data, path.name)


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        if text := context.get_help():  # with rich it prints by itself
            print(text)
        raise typer.Exit(2)
