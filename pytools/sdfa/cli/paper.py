"""Commands of `pytools experiment` about learning from scratch, and those that make the results page."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from sdfa.cli.base import JsonOpt, TargetOpt, app, console, emit, progress
from sdfa.cli.experiment import experiment, tracking
from sdfa.cli.options import grouped
from sdfa.errors import SdfaError
from sdfa.files import check_folder, check_outputs, write_whole

JobsOpt = Annotated[int, typer.Option(metavar="N", help="Processes at a time.", min=1, max=256)]
QuickOpt = Annotated[bool, typer.Option("--quick", help="Few cells: a first look in seconds.")]


OutOpt = Annotated[Path, typer.Option("-o", metavar="FOLDER", help="Results; a run that was stopped goes on there.")]
DataOpt = Annotated[str, typer.Option(metavar="NAME", help="digits, or NAME.npz in the folder SDFA_DATA.")]
SeedsOpt = Annotated[int | None, typer.Option(metavar="N", help="Nets per rule.", min=1, max=100)]


@dataclass(frozen=True)
class Asked:
    """What is tried."""

    data: DataOpt = "digits"
    rules: Annotated[str, typer.Option(metavar="A,B,...", help="Only these rules (default: all).")] = ""
    arithmetic: Annotated[
        str, typer.Option(metavar="A,B,...", help="Only these of float32, int8, int16 and others (default: all).")
    ] = ""
    seeds: SeedsOpt = None
    samples: Annotated[int | None, typer.Option(metavar="N", help="Samples to learn from (0: all).", min=0)] = None
    target: TargetOpt = "host"
    quick: QuickOpt = False

    def question(self, known: Mapping[str, Any]) -> Any:
        """The paper.Question of these options. known: by data set."""
        if self.data not in known:
            raise SdfaError(f"unknown data set {self.data!r}; there is {', '.join(known)}")
        question = replace(known[self.data], target=self.target)
        question = replace(question, rules=tuple(self.rules.split(","))) if self.rules else question
        question = replace(question, engines=tuple(self.arithmetic.split(","))) if self.arithmetic else question
        question = question.quick() if self.quick else question
        chosen = {k: v for k, v in (("seeds", self.seeds), ("samples", self.samples)) if v is not None}
        question = replace(question, **chosen)
        question.check()
        return question


@experiment.command()
@grouped
def paper(
    out: OutOpt,
    *,
    asked: Asked,
    jobs: JobsOpt = 1,
    json_to: JsonOpt = None,
) -> None:
    """Try the sparse-DFA paper's claims: learn from scratch by k, by rank, densely, and by back-propagation.

    Example: [cyan]pytools experiment paper --data digits --quick -o build/paper[/cyan]
    """
    from sdfa.experiment import paper_report
    from sdfa.experiment.paper import QUESTIONS

    _prepare(out, jobs, asked.target, json_to)
    question = asked.question(QUESTIONS)
    found = _explored(question, out, jobs)
    result = paper_report.result_of(question, found)
    pictures = paper_report.draw_all(result, out)
    _finish(out, result, paper_report.as_markdown(result, pictures), json_to)


@experiment.command()
@grouped
def scratch(
    out: OutOpt,
    *,
    asked: Asked,
    jobs: JobsOpt = 1,
    json_to: JsonOpt = None,
) -> None:
    """Learn from scratch in integers, beside float and beside what others reach with integers.

    Example: [cyan]pytools experiment scratch --data digits --quick -o build/scratch[/cyan]
    """
    from sdfa.experiment import scratch_report

    _prepare(out, jobs, asked.target, json_to)
    question = asked.question(scratch_report.QUESTIONS)
    result = scratch_report.result_of(question, _explored(question, out, jobs))
    _finish(out, result, scratch_report.as_markdown(result), json_to)


@experiment.command()
def convs(
    out: OutOpt,
    data: DataOpt = "digits",
    seeds: SeedsOpt = None,
    jobs: JobsOpt = 1,
    quick: QuickOpt = False,
    json_to: JsonOpt = None,
) -> None:
    """Try the sparse-DFA paper's claims about convolutions: deep ones, and frozen ones below new dense layers.

    Example: [cyan]pytools experiment convs --data digits --quick -o build/convs[/cyan]
    """
    from sdfa.experiment.convs import QUESTIONS, as_markdown, explore
    from sdfa.experiment.engine import Journal

    _prepare(out, jobs, "host", json_to)
    if data not in QUESTIONS:
        raise SdfaError(f"unknown data set {data!r}; there is {', '.join(QUESTIONS)}")
    question = QUESTIONS[data].quick() if quick else QUESTIONS[data]
    question = replace(question, seeds=question.seeds if seeds is None else seeds)
    with tracking() as track:
        result = explore(question, Journal(out, question.described()), jobs, track)
    page = as_markdown(result)
    write_results(out, result, page)
    emit(result, json_to, lambda: console.print(page))


@experiment.command()
def costs(
    out: OutOpt,
    target: Annotated[
        str | None, typer.Option(metavar="TARGET", help="Measure steps on this emulated board too: qemu:mps2-an386.")
    ] = None,
    quick: QuickOpt = False,
    json_to: JsonOpt = None,
) -> None:
    """Count what one learning step computes and moves: back-propagation, dense and sparse feedback.

    Example: [cyan]pytools experiment costs --target qemu:mps2-an386 -o build/costs[/cyan]
    """
    from sdfa.experiment import cost_report
    from sdfa.show.plots import need_matplotlib
    from sdfa.targets import find_counting

    check_outputs([], [], json_to)
    check_folder(out)
    need_matplotlib()
    machine = None if target is None else find_counting(target)
    with progress.status("counting"):
        result = cost_report.result_of(machine, steps=20 if quick else 200)
    out.mkdir(parents=True, exist_ok=True)
    cost_report.draw_costs(result, out / cost_report.PICTURE)
    page = cost_report.as_markdown(result)
    write_results(out, result, page)
    emit(result, json_to, lambda: console.print(page))


@experiment.command()
def results(
    out: Annotated[Path, typer.Option("-o", metavar="FOLDER", help="Where the page goes: results.md.")],
    work: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Where experiments keep what they have finished.")
    ] = Path("build/results"),
    only: Annotated[str, typer.Option(metavar="A,B,...", help="Only these experiments; the page keeps the rest.")] = "",
    jobs: JobsOpt = 1,
    quick: QuickOpt = False,
    json_to: JsonOpt = None,
) -> None:
    """Run every experiment of the results page and write the page.

    Example: [cyan]pytools experiment results --quick -o build/page[/cyan]
    """
    from sdfa.experiment.collect import PARTS, chosen_runs, keep_parts, write_page

    check_outputs([], [], json_to)
    check_folder(out)
    check_folder(work)
    out.mkdir(parents=True, exist_ok=True)
    found: dict[str, Any] = {"ran": [], "skipped": {}, "seconds": {}}
    say = progress.print if json_to else console.print
    for run in chosen_runs(only.split(",") if only else [], quick):
        if missing := run.missing():
            say(f"{run.name}: skipped, there is no {missing}; its part of the page stays as it is")
            found["skipped"][run.name] = f"there is no {missing}"
            continue
        progress.print(f"{run.name} ...")
        options = [*(["--quick"] if quick else []), *(["--jobs", str(jobs)] if run.command[0] in _PARALLEL else [])]
        folder = work / f"{run.name}{'-quick' if quick else ''}"
        began = time.monotonic()
        with console.capture() if json_to else nullcontext():
            app(["experiment", *run.command, *options, "-o", str(folder)], standalone_mode=False)
        keep_parts(folder, out / PARTS / run.name)
        found["ran"].append(run.name)
        found["seconds"][run.name] = round(time.monotonic() - began, 1)
        progress.print(f"{run.name}: {found['seconds'][run.name]:.0f} s")
    found["page"] = str(write_page(out))
    emit(found, json_to, lambda: console.print(f"Wrote {found['page']}", soft_wrap=True))


_PARALLEL = ("personalize", "paper", "scratch", "convs")


def _prepare(out: Path, jobs: int, target: str, json_to: Path | None) -> None:
    """Everything that can be refused before the work."""
    from sdfa.experiment.engine import need_joblib
    from sdfa.show.plots import need_matplotlib
    from sdfa.targets import find_target

    check_outputs([], [], json_to)
    check_folder(out)
    need_joblib(jobs, None)
    need_matplotlib()
    find_target(target)


def _explored(question: Any, out: Path, jobs: int) -> Any:
    from sdfa.experiment.engine import Journal
    from sdfa.experiment.paper import explore

    with tracking() as track:
        return explore(question, Journal(out, question.described()), jobs, track)


def _finish(out: Path, result: dict[str, Any], page: str, json_to: Path | None) -> None:
    from sdfa.experiment.paper_report import as_csv

    write_whole(out / "accuracy.csv", as_csv(result))
    write_results(out, result, page)
    emit(result, json_to, lambda: _show(result, out))


def _show(result: dict[str, Any], out: Path) -> None:
    from rich.table import Table

    table = Table("rule", *(f"{name}, %" for name in result["accuracy"]))
    for rule in next(iter(result["accuracy"].values())):
        table.add_row(rule, *(f"{100 * rows[rule]['mean']:.1f}" for rows in result["accuracy"].values()))
    console.print(table)
    console.print("Accuracy on test samples after the last epoch, mean over seeds.")
    console.print(f"Wrote {out / 'results.md'}, results.json, accuracy.csv", soft_wrap=True)


def write_results(out: Path, result: dict[str, Any], page: str) -> None:
    """results.json and results.md, as `make results` collects them."""
    write_whole(out / "results.json", f"{json.dumps(result, indent=1)}\n".encode())
    write_whole(out / "results.md", page.encode())
