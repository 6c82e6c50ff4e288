"""The command that makes a PlatformIO project: new."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdfa.cli.base import JsonOpt, NameOpt, app, console, emit
from sdfa.files import check_outputs


@app.command()
def new(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A new or empty folder for the project.")],
    model: Annotated[Path, typer.Option(metavar="MODEL", help="A full-integer int8 .tflite file.")],
    board: Annotated[str, typer.Option(metavar="BOARD", help="nucleo_f446re, pico, qemu_m4, native and others.")],
    name: NameOpt = None,
    train_last: Annotated[
        int | None, typer.Option(metavar="N", help="Dense layers that learn; 0: inference only.", min=0)
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Make a PlatformIO project that builds as it is: the exported model, a program, the board's port and the library.

    Example: [cyan]pytools new build/blink --model models/digits/model.tflite --board qemu_m4[/cyan]
    """
    from sdfa.exporter.export import Options
    from sdfa.start.newproject import check_new, find_project_board, new_project, write_project

    chosen = find_project_board(board)
    check_new(folder)
    check_outputs([], [model], json_to)
    project = new_project(model, chosen, name, Options(train_last=train_last))
    write_project(project.files, folder)
    export = project.export
    result = {
        "board": chosen.name, "folder": str(folder), "files": sorted(map(str, project.files)), "name": export.name,
        "model_id": export.image.model_id.hex(), "gate": "gate" in project.parts,
        "parts": list(project.parts), "ram": export.report["ram"],
        "flash": export.report["flash"],
    }  # fmt: skip
    emit(result, json_to, lambda: _show(result))


def _show(result: dict[str, object]) -> None:
    folder = result["folder"]
    console.print(f"Wrote {folder}: {result['name']} on {result['board']}", soft_wrap=True)
    console.print(f"Next: cd {folder} && pio run", soft_wrap=True)
    console.print("Its README.md says how to flash and check it.")
