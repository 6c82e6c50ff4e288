"""`pytools device`: what stays on a board, what comes off it, and how it is renewed."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sdfa.cli.base import JsonOpt, console, emit, load_image, progress
from sdfa.cli.device import ImageOpt, counted, device, image_of, session
from sdfa.cli.device_show import behind
from sdfa.cli.options import Where, grouped
from sdfa.errors import SdfaError
from sdfa.files import check_outputs, read_bytes, write_whole


def _need_store(features: frozenset[str]) -> None:
    if "store" not in features:
        raise SdfaError("this board has no store: nothing can be saved on it; `pytools device pull` saves it here")


@device.command()
@grouped
def save(where: Where, json_to: JsonOpt = None) -> None:
    """Save what the device has learned into its flash, safe against a power cut.

    Example: [cyan]pytools device save --port /dev/ttyACM0[/cyan]
    """
    with session(where) as remote:
        _need_store(remote.info.features)
        remote.save()
        result = asdict(remote.stored())
    text = f"saved {behind(result['steps'])}; {result['sequence']} of {result['saves_n']:,} saves of the flash's life"
    emit(result, json_to, lambda: console.print(text))


@device.command()
@grouped
def load(where: Where, json_to: JsonOpt = None) -> None:
    """Go back to what was saved last.

    Example: [cyan]pytools device load --port /dev/ttyACM0[/cyan]
    """
    with session(where) as remote:
        _need_store(remote.info.features)
        remote.load()
        result = {"steps": remote.steps}
    emit(result, json_to, lambda: console.print(f"loaded {behind(result['steps'])}"))


@device.command()
@grouped
def rollback(where: Where, json_to: JsonOpt = None) -> None:
    """Go back to the last good weights: those of the last judgement, else those that were saved.

    Example: [cyan]pytools device rollback --port /dev/ttyACM0[/cyan]
    """
    from sdfa.link.gate import roll_back

    with session(where) as remote:
        result = {"back_to": roll_back(remote)}
    what = "the last judgement" if result["back_to"] == "mark" else "the last save"
    emit(result, json_to, lambda: console.print(f"the weights of {what} are back"))


@device.command()
@grouped
def reset(
    where: Where,
    saved: Annotated[
        bool, typer.Option("--saved", help="Also what is saved: factory weights after a restart.")
    ] = False,
    erase: Annotated[
        bool, typer.Option("--erase", help="Erase the store, whatever model it belongs to; needed once after a push.")
    ] = False,
    json_to: JsonOpt = None,
) -> None:
    """Go back to the factory weights; in RAM only, unless asked for more.

    Example: [cyan]pytools device reset --port /dev/ttyACM0 --saved[/cyan]
    """
    with session(where) as remote:
        if erase or saved:
            _need_store(remote.info.features)
        if erase:
            remote.format()
        if saved:
            remote.forget()
        else:
            remote.reset()
        result = {"saved": saved, "erased": erase}
    now = "in RAM and in flash" if saved else "in RAM; the store is erased" if erase else "in RAM"
    emit(result, json_to, lambda: console.print(f"factory weights {now}"))


@device.command()
@grouped
def selftest(where: Where, json_to: JsonOpt = None) -> None:
    """Let the device prove that it computes what the exporter computed; exit code 0 only if it does.

    Example: [cyan]pytools device selftest --port /dev/ttyACM0[/cyan]
    """
    with session(where) as remote:
        took = remote.selftest()
        result = {"board": remote.info.board, "model_id": remote.info.model_id, "passed": True, "microseconds": took}
    time = "" if took is None else f" in {took:,} µs, checksums included"
    emit(result, json_to, lambda: console.print(f"passed: every operation gave the golden output{time}"))


@device.command()
@grouped
def push(
    where: Where,
    image: Annotated[
        Path | None, typer.Argument(metavar="IMAGE", help="An image made by pytools export (.sdfa).")
    ] = None,
    dropping: Annotated[
        bool, typer.Option("--drop", help="Instead: forget what was pushed, and run the compiled-in image again.")
    ] = False,
    packing: Annotated[
        str, typer.Option(metavar="KIND", help="How weights are packed: plain, or dsp for Cortex-M4, M7 and M33.")
    ] = "plain",
    signature: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What the device's program wants behind the image.")
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Bring another image: the device checks it, tests itself with it, and only then runs it.

    Unless the device's program verifies signatures, anybody who reaches the port can do this.

    Example: [cyan]pytools device push digits.sdfa --port /dev/ttyACM0[/cyan]

    Back: [cyan]pytools device push --drop --port /dev/ttyACM0[/cyan]
    """
    from sdfa.image.packing import repack
    from sdfa.link.push import drop
    from sdfa.link.push import push as bring

    if (image is None) != dropping:
        raise SdfaError("say either which IMAGE to push, or --drop, to run the compiled-in one again")
    check_outputs([], [image, signature], json_to)
    if image is None:
        with session(where) as remote:
            result = {"bytes": 0, "before": remote.info.model_id}
            with progress.status("erasing a slot"):
                drop(remote)
            result |= {"model_id": remote.info.model_id, "verified": "compiled in"}
        emit(result, json_to, lambda: console.print(f"the device runs {result['model_id']} now, its compiled-in model"))
        return
    data = repack(load_image(image)[0], packing)
    if signature is not None:
        data += read_bytes(signature, "a signature")
    with session(where) as remote:
        old = remote.info.model_id
        with counted("pushing", len(data)) as told:
            bring(remote, data, told)
        result = {"bytes": len(data), "model_id": remote.info.model_id, "before": old, "verified": "as the device says"}
    emit(result, json_to, lambda: console.print(f"the device runs {result['model_id']} now ({len(data):,} bytes)"))


@device.command()
@grouped
def pull(
    where: Where,
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="The learned image (.sdfa).")],
    image: ImageOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Fetch the image with what the device has learned, for merge, inspect, check and other devices.

    Example: [cyan]pytools device pull --port /dev/ttyACM0 -o learned.sdfa[/cyan]
    """
    from sdfa.link.push import pull as fetch

    check_outputs([out], [], json_to)
    with session(where) as remote:
        data = fetch(remote, image_of(remote, image)[0])
        result = {"bytes": len(data), "model_id": remote.info.model_id, "steps": remote.steps}
    write_whole(out, data)
    emit(result, json_to, lambda: console.print(f"Wrote {out}: {result['steps']} steps", soft_wrap=True))


@device.command()
@grouped
def trace(
    where: Where,
    out: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="The trace (.npz).")] = None,
    start: Annotated[bool, typer.Option("--start", help="Begin a new trace with the present weights.")] = False,
    json_to: JsonOpt = None,
) -> None:
    """Fetch what the device learned, step by step: labels, the tail's inputs, seed and settings.

    Example: [cyan]pytools device trace --port /dev/ttyACM0 -o session.npz[/cyan], then
    [cyan]pytools device replay session.npz --image digits.sdfa[/cyan]
    """
    from sdfa.link.trace import pull_trace, start_trace, trace_bytes

    if (out is None) != start:
        raise SdfaError("say either -o FILE, to fetch the trace, or --start, to begin a new one")
    check_outputs([out] if out else [], [], json_to)
    result: dict[str, Any]
    with session(where) as remote:
        if out is None:
            start_trace(remote)
            result = {"first": remote.steps}
        else:
            found = pull_trace(remote)
            write_whole(out, trace_bytes(found))
            result = {"first": found.first, "steps": len(found.labels), "lost": found.lost}
    emit(result, json_to, lambda: _show_trace(result, out))


def _show_trace(result: dict[str, Any], out: Path | None) -> None:
    if out is None:
        console.print(f"a trace begins after step {result['first']}")
        return
    console.print(
        f"Wrote {out}: steps {result['first'] + 1} to {result['first'] + result['steps']}"
        + (f"; {result['lost']} later ones did not fit" if result["lost"] else ""),
        soft_wrap=True,
    )


@device.command()
def replay(
    trace_file: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace made by pytools device trace.")],
    image: Annotated[
        Path, typer.Option(metavar="FILE", help="The image, learned if the trace began with its weights.")
    ],
    out: Annotated[Path | None, typer.Option("-o", metavar="FILE", help="The image after the trace (.sdfa).")] = None,
    json_to: JsonOpt = None,
) -> None:
    """Repeat a trace on this computer, bit for bit; exit code 0 only when the device's weights come out.

    Example: [cyan]pytools device replay session.npz --image digits.sdfa[/cyan]
    """
    from sdfa.device.adapt import learned_image
    from sdfa.link.trace import read_trace
    from sdfa.link.trace import replay as repeat

    check_outputs([out] if out else [], [trace_file, image], json_to)
    raw, parsed = load_image(image)
    result = repeat(read_trace(read_bytes(trace_file, "a trace of a device"), str(trace_file)), parsed)
    tail, settings = result.pop("tail"), [result[key] for key in ("random", "rate_q24", "tau_q15")]
    if out is not None:
        write_whole(out, learned_image(raw, tail, result["first"] + result["steps"], *settings))
    emit(result, json_to, lambda: _show_replay(result))
    if result["mismatching_bytes"]:
        raise SdfaError(
            f"{result['mismatching_bytes']} bytes of weights differ from the device's: something else than the trace "
            "changed them since, or the device computes wrongly; `pytools check` tells"
        )


def _show_replay(result: dict[str, Any]) -> None:
    console.print(f"{result['steps']} steps repeated from step {result['first']} on")
    if result["mismatching_bytes"] is None:
        console.print(f"the device did {result['lost']} more, so its weights cannot be compared")
    else:
        console.print(f"{result['bytes']} bytes of weights compared, {result['mismatching_bytes']} differ")
