"""Commands of `pytools experiment` over people: personalize, fetch."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from sdfa.cli.base import EPOCHS_MAX, JsonOpt, TargetOpt, console, emit, progress
from sdfa.cli.experiment import experiment, tracking
from sdfa.cli.options import grouped
from sdfa.errors import SdfaError
from sdfa.files import STDOUT, check_folder, check_outputs, write_whole


@dataclass(frozen=True)
class Asked:
    """What is compared, on whom."""

    change: Annotated[
        str | None, typer.Option(metavar="NAME", help="What happened to the sensor of new people (by set).")
    ] = None
    samples: Annotated[str, typer.Option(metavar="K,...", help="Samples per class to learn from.")] = "5"
    seeds: Annotated[int, typer.Option(metavar="N", help="Draws of these samples per person.", min=1)] = 3
    rules: Annotated[str, typer.Option(metavar="A,B,...", help="Rules to compare (default: all).")] = ""
    people: Annotated[str, typer.Option(metavar="A,B,...", help="New people to meet (default: all).")] = ""
    train_last: Annotated[int, typer.Option(metavar="N", help="Dense layers that learn.", min=1, max=3)] = 2
    threshold: Annotated[
        float, typer.Option(metavar="ERROR", help="Smaller output errors are dropped on the device.", min=0.0, max=0.99)
    ] = 0.0
    backbone: Annotated[
        str,
        typer.Option(metavar="NAME", help="cnn: raw signals through a convolutional net (needs sdfa\\[train])."),
    ] = ""
    headroom: Annotated[
        float, typer.Option(metavar="X", help="How many times larger weights and values may grow.", min=1.0, max=64.0)
    ] = 1.25
    epochs: Annotated[int, typer.Option(metavar="N", help="The most that may be chosen.", min=1, max=EPOCHS_MAX)] = 60
    decay: Annotated[bool, typer.Option("--decay", help="The rate falls linearly to 0.")] = False
    gate: Annotated[
        bool, typer.Option("--gate", help="Each rule once more, with a sample of each class held out as a judge.")
    ] = False
    tune_draws: Annotated[int, typer.Option(metavar="N", help="Draws per person whom rates are chosen on.", min=1)] = 3
    quick: Annotated[bool, typer.Option("--quick", help="A coarse choice of rates and epochs.")] = False


@experiment.command()
@grouped
def personalize(
    data: Annotated[
        str, typer.Argument(metavar="DATA", help="digits, the name of a set in $SDFA_DATA, or your .csv or .npz file.")
    ],
    out: Annotated[Path, typer.Option("-o", metavar="FOLDER", help="Results; what is there already is kept.")],
    *,
    asked: Asked,
    target: TargetOpt = "host",
    jobs: Annotated[int, typer.Option(metavar="N", help="Processes at once.", min=1, max=1024)] = 1,
    dask: Annotated[str | None, typer.Option(metavar="ADDRESS", help="A Dask scheduler: tcp://host:8786.")] = None,
    json_to: JsonOpt = None,
) -> None:
    """Compare learning rules on people whom the base model has never seen.

    Each rule learns at its own best rate and epochs, chosen on base people. Writes report.html and its parts; run it
    again to go on after a stop. Sets that may lie in $SDFA_DATA: myo_emg, sisfall_har, fsdd, arabic_commands,
    gas_drift, wisdm_v11_features, mnist, fashion_mnist, cifar10_small. Your own .csv: features, label, person.

    Example: [cyan]pytools experiment personalize digits --quick --seeds 1 -o build/people[/cyan]
    """
    from sdfa.experiment.engine import Journal, need_joblib
    from sdfa.experiment.personalize import check_question, explore
    from sdfa.experiment.question import ask
    from sdfa.experiment.summary import summarize
    from sdfa.show.plots import need_matplotlib
    from sdfa.targets import find_target

    find_target(target)
    need_joblib(jobs, dask)
    need_matplotlib()
    check_outputs([], [], json_to)
    check_folder(out)
    question, known, about = ask(data, target=target, **asdict(asked))
    check_question(question, known)
    journal = Journal(out, question.described(known))
    quiet = json_to is not None and str(json_to) == STDOUT
    with tracking() as track:
        found = explore(question, known, journal, jobs, dask, track)
    result = summarize(question, known, found, about)
    paths = _write(result, found, out)
    emit(result, json_to, lambda: None if quiet else _show(result, paths))


@experiment.command()
def fetch(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A public set, such as mnist; an unknown name lists all.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", metavar="FOLDER", help="Where to put NAME.npz (default: $SDFA_DATA).")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--from", metavar="PLACE", help="A folder or address with the same files.")
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Get a public data set from where its owners publish it, check it, and bring it into the form for experiments.

    Example: [cyan]pytools experiment fetch mnist -o data[/cyan]
    """
    from sdfa.experiment import fetch as source
    from sdfa.experiment.sets import data_folder

    check_outputs([], [], json_to)
    folder = data_folder() if out is None else out
    if not folder.is_dir():
        raise SdfaError(f"there is no folder {folder}: make it first")
    with progress.status(f"fetching {name}") as status:
        path = source.fetch(name, folder, base, lambda place: status.update(f"fetching {place}"))
    origin = source.ORIGINS[name]
    result = {
        "file": str(path),
        "from": list(origin.files),
        "sha256_of_samples": origin.digest,
        "licence": origin.licence,
    }
    emit(result, json_to, lambda: console.print(f"Wrote {path}. Licence: {origin.licence}.", soft_wrap=True))


def _write(result: dict[str, Any], found: Any, out: Path) -> list[Path]:
    from sdfa.experiment.page import CURVE, as_csv, as_html, as_markdown, draw_curve
    from sdfa.show.plots import people_bars

    panels = {
        f"{k} per class": {name: row["by_person"] for name, row in part["rules"].items()}
        for k, part in result["k"].items()
    }
    png = people_bars(panels, f"{result['data']}, change {result['change']}, on {result['target']}")
    files = {
        "results.json": f"{json.dumps(result, indent=1)}\n".encode(), "cells.csv": as_csv(found), "accuracy.png": png,
        "results.md": as_markdown(result), "report.html": as_html(result, png),
    }  # fmt: skip
    for name, content in files.items():
        write_whole(out / name, content)
    curve = [draw_curve(result, out / CURVE)] if len(result["k"]) > 1 else []
    return [*(out / name for name in files), *curve]


_SHOWN = ("rule", "before", "after", "worst", "minus float bp", "minus last", "forgotten")


def _show(result: dict[str, Any], paths: list[Path]) -> None:
    from sdfa.experiment.page import HEADINGS, about, rows_of

    console.print(about(result))
    places = [HEADINGS.index(name) for name in _SHOWN]
    for k in result["k"]:
        table = Table(*_SHOWN, title=f"{k} samples per class")
        for row in rows_of(result, k):
            table.add_row(*(row[place] for place in places))
        console.print(table)
    console.print(f"Wrote {', '.join(map(str, paths))}", soft_wrap=True)
