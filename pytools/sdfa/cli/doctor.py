"""The command that looks at the machine: doctor."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Table

from sdfa.cli.base import JsonOpt, app, console, emit, progress
from sdfa.errors import SdfaError
from sdfa.files import check_outputs


@app.command()
def doctor(
    task: Annotated[
        str | None,
        typer.Option(
            metavar="TASK", help="Show this one alone, and fail unless it works: demo, keras, arm and others."
        ),
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Show what is installed here, what is missing for which task, and what to do about it.

    Exit code 0 unless the base (or --task) cannot work.

    Example: [cyan]pytools doctor --task base[/cyan]
    """
    from sdfa.start.doctor import TASKS, World, diagnose, refuse_missing

    if task is not None and task not in TASKS:
        raise SdfaError(f"--task {task}: there is {', '.join(TASKS)}")
    check_outputs([], [], json_to)
    with progress.status("looking around"):
        result = diagnose(World())
    emit(result, json_to, lambda: _show(result, task))
    refuse_missing(result, task or "base")


def _show(result: dict[str, Any], only: str | None) -> None:
    from sdfa.start.doctor import TASKS

    wanted = set(result["parts"]) if only is None else {*TASKS[only].needs, *TASKS[only].helps}
    parts = Table("part", "", "what is here")
    for name, part in ((name, part) for name, part in result["parts"].items() if name in wanted):
        here = part["version"] or "not here"
        parts.add_row(name, "ok" if part["ok"] else "-", f"{here}: {part['wrong']}" if part["wrong"] else here)
    console.print(parts)
    tasks = Table("task", "", "for", "what to do")
    for name, task in ((name, task) for name, task in result["tasks"].items() if only in (None, name)):
        tasks.add_row(name, "ok" if task["ready"] else "-", task["what"], "\n".join(task["todo"]))
    console.print(tasks)
    for note in result["notes"]:
        console.print(f"note: {note}", style="yellow")
