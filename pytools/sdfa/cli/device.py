"""`pytools device`: a board with the link. What it is, what it computes, what it learns."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.live import Live
from rich.progress import Progress
from rich.table import Table

from sdfa.cli.base import EPOCHS_MAX, JsonOpt, SeedOpt, app, console, emit, load_image, progress, show_notes
from sdfa.cli.device_show import FOREIGN, info_table, score_text, stats_table, stored_of
from sdfa.cli.options import Where, grouped
from sdfa.errors import SdfaError
from sdfa.files import STDOUT, check_outputs, write_whole

if TYPE_CHECKING:
    from sdfa.image.reader import Image
    from sdfa.link.remote import Remote

device = typer.Typer(
    help="Talk to a board that runs the device program: run, teach, save, judge, watch and renew what is on it.",
    rich_markup_mode="rich", no_args_is_help=True,
)  # fmt: skip
app.add_typer(device, name="device")

ImageOpt = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The device's image, to save reading it from the device.")
]


@contextlib.contextmanager
def session(where: Where) -> Iterator[Remote]:
    """A session with the board at a port. SdfaError when it is another board."""
    from sdfa.link.stream import connected
    from sdfa.start.newproject import port_of

    with connected(where.port, where.baud, where.wait) as remote:
        if where.board is not None and remote.info.board not in (where.board, port_of(where.board)):
            raise SdfaError(f"the board at {where.port} is {remote.info.board!r}, not {where.board!r}")
        yield remote


@contextlib.contextmanager
def counted(what: str, total: int) -> Iterator[Any]:
    """A progress bar; gives the function that is told how far it is."""
    with Progress(console=progress, transient=True, disable=not progress.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda n: bar.update(task, completed=n)


def image_of(remote: Remote, path: Path | None) -> tuple[bytes, Image]:
    """The device's image: from a file, which must be of its model, or read from it."""
    from sdfa.image.reader import read_image
    from sdfa.targets.serial import check_model

    if path is None:
        with progress.status("reading the image from the device (give --image to save the time)"):
            data = remote.image()
        return data, read_image(data, "the device's image")
    raw, image = load_image(path)
    check_model(remote, image)
    return raw, image


@device.command()
def ports(json_to: JsonOpt = None) -> None:
    """List the serial ports of this computer.

    Example: [cyan]pytools device ports[/cyan]
    """
    from sdfa.link.stream import port_names

    found = port_names()
    table = Table("port", "what")
    for url, text in found:
        table.add_row(url, text)
    emit({"ports": [{"url": url, "description": text} for url, text in found]}, json_to, lambda: console.print(table))


@device.command()
@grouped
def info(
    where: Where,
    image: Annotated[Path | None, typer.Option(metavar="FILE", help="Refuse any other model than this.")] = None,
    json_to: JsonOpt = None,
) -> None:
    """Say what a board is: its model, memory, settings, and what its program can do.

    Example: [cyan]pytools device info --port /dev/ttyACM0 --image digits.sdfa --board nucleo_f446re[/cyan]
    """
    from sdfa.link.push import slots
    from sdfa.targets.serial import check_model

    with session(where) as remote:
        if image is not None:
            check_model(remote, load_image(image)[1])
        result = asdict(remote.info) | {"features": sorted(remote.info.features)} | stored_of(remote)
        if "slots" in remote.info.features:
            result["slots"] = asdict(slots(remote))
    emit(result, json_to, lambda: console.print(info_table(result)))


@device.command()
@grouped
def run(
    where: Where,
    inputs: Annotated[
        Path, typer.Option(metavar="FILE", help="Inputs (n, *input), int8 or float: .npy, or .npz with x.")
    ],
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="Outputs: .npy, int8, shape (n, *output).")],
    image: ImageOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Run inference with the weights that the device has now.

    Example: [cyan]pytools device run --port /dev/ttyACM0 --inputs x.npy -o y.npy[/cyan]
    """
    from sdfa.cli.machines import load_array
    from sdfa.data import check_inputs
    from sdfa.device.samples import input_shape, output_shape, quantize_input
    from sdfa.link.work import run_all
    from sdfa.units import image_notes

    check_outputs([out], [image, inputs], json_to)
    array = load_array(inputs)
    with session(where) as remote:
        parsed = image_of(remote, image)[1]
        given = check_inputs(inputs, array, input_shape(parsed))
        x = quantize_input(parsed, given)
        with counted("running", len(x)) as told:
            y = run_all(remote, x, told)
    y = y.reshape(len(y), *output_shape(parsed))
    file = io.BytesIO()
    np.save(file, y)
    write_whole(out, file.getvalue())
    notes = image_notes(inputs, parsed, given)
    result = {
        "board": remote.info.board, "samples": len(y), "shape": list(y.shape), "last_run_us": remote.run_us,
        "warnings": notes,
    }  # fmt: skip

    def show() -> None:
        show_notes(notes)
        console.print(f"Wrote {out}: int8 {y.shape}", soft_wrap=True)

    emit(result, json_to, show)


@device.command()
@grouped
def learn(
    where: Where,
    data: Annotated[Path, typer.Option(metavar="FILE", help="Samples: .npz with x and y.")],
    epochs: Annotated[
        int, typer.Option(metavar="N", help="How often each sample is learned.", min=1, max=EPOCHS_MAX)
    ] = 1,
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate (default: the device's).")] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="ERROR", help="Error threshold (default: the device's).")
    ] = None,
    seed: SeedOpt = 1,
    save: Annotated[bool, typer.Option("--save", help="Save into the device's flash at the end.")] = False,
    image: ImageOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Teach the device samples, from the weights that it has now on.

    To begin with factory weights, run `pytools device reset` first, or use `pytools learn --target serial:URL`.

    --lr and --threshold hold for this learning: afterwards the device has its own again, which are what is saved.

    Example: [cyan]pytools device learn --port /dev/ttyACM0 --data new.npz --epochs 3 --save[/cyan]
    """
    from sdfa.device.device import Stats
    from sdfa.device.samples import samples_of
    from sdfa.device.trouble import notes, reasons
    from sdfa.image.writer import rate_q24, tau_q15
    from sdfa.link.work import settings_for, teach
    from sdfa.units import image_notes

    check_outputs([], [image, data], json_to)
    with session(where) as remote:
        if save and stored_of(remote).get("stored", {}).get("foreign"):
            raise SdfaError(FOREIGN)
        parsed = image_of(remote, image)[1]
        samples = samples_of(parsed, data)
        now = remote.info
        rate = now.rate_q24 if lr is None else rate_q24(lr)
        with (
            settings_for(remote, rate, now.tau_q15 if threshold is None else tau_q15(threshold), seed),
            counted("learning", epochs * len(samples.x)) as told,
            _telling_when_stopped(),
        ):
            result = teach(remote, parsed, samples, epochs, seed, told)
        if save:
            remote.save()
        result |= {"saved": save, "board": now.board, "model_id": now.model_id}
        result["warnings"] = image_notes(data, parsed, samples.x)
        result["warnings"] += notes(
            reasons(parsed, Stats(**result["stats"]), result["scores"]), rate / 2**24,
            "Go back with `pytools device load` or `reset`, then try", "",
        )  # fmt: skip
    emit(result, json_to, lambda: _show_learned(result))


@contextlib.contextmanager
def _telling_when_stopped() -> Iterator[None]:
    """Where ctrl-C in the middle of learning leaves the device."""
    try:
        yield
    except KeyboardInterrupt:
        progress.print(
            "what it learned so far is in the device's RAM, not saved: `pytools device save` keeps it, "
            "`pytools device load` or `reset` goes back",
            soft_wrap=True,
        )
        raise


def _show_learned(result: dict[str, Any]) -> None:
    stats = result["stats"]
    show_notes(result["warnings"])
    console.print(f"{result['steps']} steps, {result['steps_in_all']} in all; {stats['correct']} were right before it")
    console.print("saved" if result["saved"] else "in RAM only: `pytools device save` keeps it over a power cut")


@device.command()
@grouped
def evaluate(
    where: Where,
    data: Annotated[Path | None, typer.Option(metavar="FILE", help="Samples: .npz with x and y.")] = None,
    hold_out: Annotated[
        bool, typer.Option("--hold-out", help="Keep the samples on the device: they judge what it learns from now on.")
    ] = False,
    image: ImageOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Score the device's weights: on samples from here, or on those that it holds out.

    Without --data the device judges itself on its held-out samples: worse weights than at the last judgement are
    replaced by those, and the reason is told.

    Example: [cyan]pytools device evaluate --port /dev/ttyACM0 --data test.npz[/cyan]

    A safety net: [cyan]... evaluate --port P --data held.npz --hold-out[/cyan], then learn, then
    [cyan]... evaluate --port P[/cyan]
    """
    from sdfa.device.samples import samples_of
    from sdfa.link.gate import judge
    from sdfa.link.work import score
    from sdfa.units import image_notes

    check_outputs([], [image, data], json_to)
    with session(where) as remote:
        if data is None:
            if hold_out:
                raise SdfaError("--hold-out needs samples: give some with --data")
            verdict = judge(remote)
            judged = asdict(verdict) | {"refused": verdict.refused}
            emit(judged, json_to, lambda: _show_verdict(judged))
            return
        parsed = image_of(remote, image)[1]
        samples = samples_of(parsed, data)
        with counted("evaluating", len(samples.x)) as told:
            result = score(remote, parsed, samples, told)
        if hold_out:
            result["held_out"] = _hold_out(remote, parsed, samples)
    notes = image_notes(data, parsed, samples.x)

    def show() -> None:
        console.print(score_text(result))
        show_notes(notes)

    emit(result | {"warnings": notes}, json_to, show)


def _hold_out(remote: Remote, image: Image, samples: Any) -> int:
    from sdfa.device.samples import loss_of, quantize_input
    from sdfa.link.gate import hold_out

    if loss_of(image) == "mse":
        raise SdfaError("--hold-out needs labels, and this image learns from targets: leave it away")
    return sum(hold_out(remote, zip(quantize_input(image, samples.x), map(int, samples.y), strict=True)))


def _show_verdict(judged: dict[str, Any]) -> None:
    what = "refused, the weights of before are back" if judged["refused"] else "kept"
    console.print(
        f"{what}: {judged['verdict']} ({judged['right_before']} of {judged['n']} right before, {judged['right']} now)"
    )


@device.command()
@grouped
def stats(
    where: Where,
    json_to: JsonOpt = None,
) -> None:
    """Show the counters of learning since the device was started, its settings, and what is saved.

    Example: [cyan]pytools device stats --port /dev/ttyACM0[/cyan]
    """
    with session(where) as remote:
        state = remote.state()
        result: dict[str, Any] = asdict(state.stats) | {
            "random": state.random, "rate": state.rate_q24 / 2**24, "threshold": state.tau_q15 / 2**15,
        }  # fmt: skip
        result |= stored_of(remote)
    emit(result, json_to, lambda: console.print(stats_table(result)))


@device.command()
@grouped
def monitor(
    where: Where,
    once: Annotated[bool, typer.Option("--once", help="Look for the time of --every, show that and end.")] = False,
    seconds: Annotated[float | None, typer.Option(metavar="N", help="End after N seconds.", min=0)] = None,
    every: Annotated[float, typer.Option(metavar="SECONDS", help="Between two looks.", min=0.05)] = 1.0,
    image: ImageOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Watch a device learn: accuracy before each step, loss, saturation and skipped rows; ctrl-C ends it.

    Example: [cyan]pytools device monitor --port /dev/ttyACM0[/cyan]
    """
    from sdfa.device.samples import tail_weight_count
    from sdfa.link.watch import monitor_row, monitor_table

    check_outputs([], [], json_to)
    rows: list[dict[str, Any]] = []
    with session(where) as remote:
        weights = tail_weight_count(image_of(remote, image)[1])
        before, begin = remote.stats(), time.monotonic()
        pure = json_to is not None and str(json_to) == STDOUT
        screen = Console(quiet=True) if pure else console
        if once:
            time.sleep(every)
            rows.append(monitor_row(remote.stats(), before, weights))
        else:
            with Live(monitor_table(rows, remote.info.board), console=screen, auto_refresh=False) as live:
                while seconds is None or time.monotonic() - begin < seconds:
                    time.sleep(every)
                    now = remote.stats()
                    rows.append(monitor_row(now, before, weights))
                    before = now
                    live.update(monitor_table(rows, remote.info.board), refresh=True)
    result = {"board": remote.info.board, "rows": rows}
    emit(result, json_to, lambda: console.print(monitor_table(rows, remote.info.board)) if once else None)
