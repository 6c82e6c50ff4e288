"""Commands of the group `pytools experiment`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from sdfa.cli.base import app, progress

experiment = typer.Typer(
    add_completion=False, rich_markup_mode="rich", no_args_is_help=True,
    help="Experiments that take minutes to hours: resumable, with tables and pictures.",
)  # fmt: skip
app.add_typer(experiment, name="experiment")


@contextmanager
def tracking() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """A bar on stderr for each stage: (what is done, how many steps) -> to be called after each step."""
    from rich.progress import Progress

    with Progress(console=progress, transient=True, disable=not progress.is_terminal) as bar:

        def track(what: str, steps: int) -> Callable[[], None]:
            task = bar.add_task(what, total=steps)
            return lambda: bar.advance(task)

        yield track
