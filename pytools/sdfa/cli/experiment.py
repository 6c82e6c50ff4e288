"""Commands of the group `pytools experiment`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sdfa.cli.base import JsonOpt, TargetOpt, app, console, emit, progress
from sdfa.errors import SdfaError
from sdfa.files import check_folder, check_outputs, write_whole

experiment = typer.Typer(
    add_completion=False, rich_markup_mode="rich", no_args_is_help=True,
    help="Experiments that take minutes to hours: resumable, with tables and pictures.",
)  # fmt: skip
app.add_typer(experiment, name="experiment")

JobsOpt = Annotated[int, typer.Option(metavar="N", help="Processes at a time.", min=1, max=256)]
QuickOpt = Annotated[bool, typer.Option("--quick", help="Few cells: a first look in seconds.")]


@contextmanager
def tracking() -> Iterator[Callable[[str, int], Callable[[], None]]]:
    """A bar on stderr for each stage: (what is done, how many steps) -> to be called after each step."""
    from rich.progress import Progress

    with Progress(console=progress, transient=True, disable=not progress.is_terminal) as bar:

        def track(what: str, steps: int) -> Callable[[], None]:
            task = bar.add_task(what, total=steps)
            return lambda: bar.advance(task)

        yield track


@experiment.command()
def paper(
    out: Annotated[Path, typer.Option("-o", metavar="FOLDER", help="Results; a run that was stopped goes on there.")],
    data: Annotated[str, typer.Option(metavar="NAME", help="digits, or NAME.npz in the folder SDFA_DATA.")] = "digits",
    rules: Annotated[str, typer.Option(metavar="A,B,...", help="Only these rules (default: all).")] = "",
    seeds: Annotated[int | None, typer.Option(metavar="N", help="Nets per rule.", min=1, max=100)] = None,
    samples: Annotated[int | None, typer.Option(metavar="N", help="Samples to learn from (0: all).", min=0)] = None,
    target: TargetOpt = "host",
    jobs: JobsOpt = 1,
    quick: QuickOpt = False,
    json_to: JsonOpt = None,
) -> None:
    """Try the sparse-DFA paper's claims: learn from scratch by k, by rank, densely, and by back-propagation.

    Example: [cyan]pytools experiment paper --data digits --quick -o build/paper[/cyan]
    """
    from sdfa.experiment.engine import Journal, need_joblib
    from sdfa.experiment.paper import QUESTIONS, explore
    from sdfa.experiment.paper_report import as_csv, as_markdown, cost_markdown, draw_all, result_of
    from sdfa.plots import need_matplotlib
    from sdfa.targets import find_target

    check_outputs([], [], json_to)
    check_folder(out)
    need_joblib(jobs, None)
    need_matplotlib()
    find_target(target)
    if data not in QUESTIONS:
        raise SdfaError(f"unknown data set {data!r}; there is {', '.join(QUESTIONS)}")
    question = replace(QUESTIONS[data], target=target)
    if rules:
        question = replace(question, rules=tuple(rules.split(",")))
    question = question.quick() if quick else question
    question = replace(
        question, seeds=question.seeds if seeds is None else seeds,
        samples=question.samples if samples is None else samples,
    )  # fmt: skip
    question.chosen_rules()
    with tracking() as track:
        found = explore(question, Journal(out, question.described()), jobs, track)
    result = result_of(question, found)
    pictures = draw_all(result, out)
    write_whole(out / "accuracy.csv", as_csv(result))
    page = as_markdown(result, pictures) + "\n" + cost_markdown(result, pictures)
    write_results(out, result, page)
    emit(result, json_to, lambda: _show_paper(result, out))


def _show_paper(result: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    table = Table("rule", *(f"{name}, %" for name in result["accuracy"]))
    for rule in next(iter(result["accuracy"].values())):
        table.add_row(rule, *(f"{100 * rows[rule]['mean']:.1f}" for rows in result["accuracy"].values()))
    console.print(table)
    console.print("Accuracy on test samples after the last epoch, mean over seeds, each rule at its own best rate.")
    console.print(f"Wrote {out / 'results.md'}, results.json, accuracy.csv and pictures", soft_wrap=True)


def write_results(out: Path, result: dict[str, Any], page: str) -> None:
    """results.json and results.md, as `make results` collects them."""
    write_whole(out / "results.json", f"{json.dumps(result, indent=1)}\n".encode())
    write_whole(out / "results.md", page.encode())
