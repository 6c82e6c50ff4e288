"""Commands that turn files into files: export, quantize, inspect, merge."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdfa.cli.base import SEED_MAX, HeadroomOpt, JsonOpt, NameOpt, app, console, emit, load_image, progress, show_notes
from sdfa.cli.options import Learning, grouped
from sdfa.errors import SdfaError
from sdfa.files import check_outputs, read_bytes, write_whole

if TYPE_CHECKING:
    from sdfa.exporter.export import Options


@dataclass(frozen=True)
class Learns(Learning):
    """How an exported image learns."""

    train_last: Annotated[
        int | None, typer.Option(metavar="N", help="Dense layers that learn; 0: inference only.", min=0)
    ] = None
    feedback: Annotated[
        str | None, typer.Option(metavar="KIND", help="live (the default), aligned, random, dense, bp or last.")
    ] = None
    jacobian: Annotated[
        str | None,
        typer.Option(metavar="HOW", help="Aligned tables from the mean over --calib (the default with it) or product."),
    ] = None
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seed of random feedback and of the rounding.", min=0, max=SEED_MAX),
    ] = None
    loss: Annotated[
        str | None, typer.Option(metavar="LOSS", help="softmax_ce or mse (default: what the model's end suggests).")
    ] = None
    master: Annotated[
        int | None, typer.Option(metavar="BITS", help="Of the weights that learn: 8, or 16 to train from scratch.")
    ] = None
    spare_classes: Annotated[
        int,
        typer.Option(
            metavar="N", help="Outputs for classes that are added on the device; not for a later merge.", min=0
        ),
    ] = 0

    def options(self) -> Options:
        from sdfa.exporter.export import Options

        return Options(
            train_last=self.train_last, feedback=self.feedback, jacobian=self.jacobian, seed=self.seed, loss=self.loss,
            master=self.master, spare=self.spare_classes, **self.chosen(),
        )  # fmt: skip


@app.command()
@grouped
def export(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="MODEL", help="An int8 .tflite file; or .keras, .h5 or a SavedModel folder, with --calib."
        ),
    ],
    out: Annotated[
        Path, typer.Option("-o", metavar="FOLDER", help="A new or empty folder, or that of an earlier export.")
    ],
    *,
    name: NameOpt = None,
    learns: Learns,
    calib: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Inputs (.npz with x): scales of a Keras model, and aligned feedback."),
    ] = None,
    headroom: HeadroomOpt = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="ram=20K,flash=64K", help="Fail when arena, weights and state, or the image, need more."),
    ] = None,
    clock: Annotated[
        float, typer.Option(metavar="MHZ", help="Clock of the core, for the estimate of speed.", min=0.001, max=10000)
    ] = 64.0,
    measure: Annotated[
        str, typer.Option(metavar="TARGET", help="Measure on an emulated board as well: qemu:mps2-an386 and others.")
    ] = "",
    json_to: JsonOpt = None,
) -> None:
    """Turn a model into an image, C source and a report, and say what it will cost on a device.

    Example: [cyan]pytools export models/digits/model.tflite -o build/digits --train-last 3[/cyan]

    A Keras model: [cyan]pytools export model.keras --calib samples.npz -o build/mine --budget ram=20K[/cyan]
    """
    from sdfa.anymodel import export_any
    from sdfa.exporter.estimate import estimate_report
    from sdfa.targets import find_counting

    machine = find_counting(measure) if measure else None
    check_outputs([], [model, calib], json_to)
    with progress.status(f"exporting {model.name}"):
        result = export_any(model, learns.options(), name=name, calib=calib, headroom=headroom, budget=budget)
        result.report["estimate"] = estimate_report(result.image, clock)
        if machine is not None:
            from sdfa.device.bench import bench

            result.report["measured"] = bench(machine, result.data)
    files = result.save(out)
    emit(result.report, json_to, lambda: show_export(result.report, files))


def show_export(report: dict[str, Any], files: list[Path]) -> None:
    from sdfa.show.export_tables import export_tables

    for part in export_tables(report):
        console.print(part)
    show_notes(report["warnings"])
    others = ", ".join(file.suffix for file in files[1:])
    console.print(f"Wrote {files[0]}, {others}", soft_wrap=True)


@app.command()
def quantize(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A .keras or .h5 file, or a SavedModel folder.")],
    calib: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Samples (.npz with x, float32) of all ranges: 10 at least, better 100."),
    ],
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="The int8 .tflite file.")],
    train_last: Annotated[
        int | None, typer.Option(metavar="N", help="Dense layers that will learn (default: up to 2; 0: none).", min=0)
    ] = None,
    headroom: HeadroomOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Turn a Keras model into a full-integer int8 .tflite file, and say what that costs, layer by layer.

    Example: [cyan]pytools quantize model.keras --calib samples.npz -o model.tflite[/cyan]
    """
    from sdfa.anymodel import quantize_any
    from sdfa.show.export_tables import quantization_tables

    check_outputs([out], [model, calib], json_to)
    with progress.status(f"quantizing {model.name}"):
        result = quantize_any(model, calib, train_last, headroom)
    write_whole(out, result.model)

    def show() -> None:
        for part in quantization_tables(result.report):
            console.print(part)
        show_notes(result.report["warnings"])
        console.print(f"Wrote {out}", soft_wrap=True)

    emit(result.report, json_to, show)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite or .keras model, or an .sdfa image.")],
    other: Annotated[
        Path | None, typer.Argument(metavar="OTHER", help="A second image: show what differs, layer by layer.")
    ] = None,
    picture_to: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw the memory map as a PNG.")
    ] = None,
    feedback: Annotated[
        bool, typer.Option("--feedback", help="Of an image: what its feedback delivers, layer by layer.")
    ] = False,
    calib: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Labelled samples (.npz with x and y) to compare --feedback with the gradient."
        ),
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Show what a model or an image holds, and its memory map over time.

    Example: [cyan]pytools inspect build/digits/digits.sdfa --feedback --picture map.png[/cyan]

    What was learned: [cyan]pytools inspect build/digits/digits.sdfa learned.sdfa[/cyan]
    """
    from sdfa.show.inspect import describe, picture, show

    check_outputs([picture_to] if picture_to else [], [path, other, calib], json_to)
    if other is not None:
        if feedback or picture_to is not None or calib is not None:
            raise SdfaError("--feedback, --calib and --picture are about one image: give only one")
        for given in (path, other):
            if given.suffix.lower() in (".tflite", ".keras", ".h5"):
                raise SdfaError(f"{given} is a model, and images are compared: export both, and give the .sdfa files")
        _inspect_both(path, other, json_to)
        return
    what = describe(path)
    if feedback:
        what["feedback"] = _feedback_of(path, what["type"], calib)
    elif calib is not None:
        raise SdfaError("--calib has no use without --feedback: leave it away")
    if picture_to is not None:
        write_whole(picture_to, picture(what))
    emit(what, json_to, lambda: show(what, console))


def _inspect_both(path: Path, other: Path, json_to: Path | None) -> None:
    from sdfa.show.diff import compare_images, show_difference

    result = compare_images(load_image(path)[1], load_image(other)[1])
    emit(result, json_to, lambda: show_difference(result, console))


def _feedback_of(path: Path, kind: str, calib: Path | None) -> dict[str, Any]:
    from sdfa.device.samples import samples_of
    from sdfa.show.feedback import feedback_report

    if kind != "sdfa":
        raise SdfaError(f"{path.name} has no feedback yet: export it, and give the .sdfa image")
    _, image = load_image(path)
    return feedback_report(image, samples_of(image, calib) if calib else None)


@app.command()
def merge(
    learned: Annotated[Path, typer.Argument(metavar="LEARNED", help="A learned image (.sdfa).")],
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="The .tflite file that it was exported from.")],
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="The learned .tflite file.")],
    json_to: JsonOpt = None,
) -> None:
    """Put learned weights back into the .tflite file, for any interpreter.

    Example: [cyan]pytools merge learned.sdfa models/digits/model.tflite -o learned.tflite[/cyan]
    """
    from sdfa.exporter.merge import merge as merge_weights

    check_outputs([out], [learned, model], json_to)
    factory = read_bytes(model, "the .tflite file that the image was exported from")
    _, image = load_image(learned)
    merged = merge_weights(image, factory)
    write_whole(out, merged)
    changed = sum(a != b for a, b in zip(factory, merged, strict=True))
    result = {"model_id": image.model_id.hex(), "bytes": len(merged), "changed_bytes": changed}
    emit(result, json_to, lambda: console.print(f"Wrote {out}: {changed} bytes changed", soft_wrap=True))
