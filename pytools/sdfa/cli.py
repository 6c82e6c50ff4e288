"""The `pytools` command. Thin: parse, call, print."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from sdfa import __version__
from sdfa.errors import SdfaError
from sdfa.files import STDOUT, check_outputs, read_bytes, write_whole

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Export int8 models for a microcontroller, let them learn there, and prove what they did.",
)
# names and paths come from users: no markup in them
console = Console(markup=False, emoji=False, highlight=False)
progress = Console(stderr=True, markup=False, emoji=False, highlight=False)

STOPPED = 130
"""Exit code after ctrl-C, as shells have it."""
SEED_MAX, EPOCHS_MAX, STEPS_MAX = 2**31 - 1, 10_000, 1_000_000

# typer carries its own click since 0.2x, and older ones use the real click: the common name of both
_UsageError: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

ImageArg = Annotated[Path, typer.Argument(metavar="IMAGE", help="An image made by pytools export (.sdfa).")]
TargetOpt = Annotated[
    str, typer.Option(metavar="TARGET", help="Where to run: host, qemu:mps2-an386, qemu:microbit and others.")
]
SeedOpt = Annotated[
    int, typer.Option(metavar="N", help="Seed of the order of samples and of the rounding.", min=0, max=SEED_MAX)
]
JsonOpt = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the result as JSON ('-': to stdout).")
]


def main() -> None:
    """Run the command line; every error is one line and a non-zero exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without box characters is no reason to fail
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == STOPPED:
            _fail("stopped", STOPPED)
        sys.exit(code if isinstance(code, int) else 0)
    except SdfaError as e:
        _fail(str(e))
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped", STOPPED)
    except BrokenPipeError:
        _close_stdout()
        sys.exit(1)
    except OSError as e:
        _close_stdout()
        _fail(f"{e.filename or 'output'}: {e.strerror or e}")
    except MemoryError:
        _fail("out of memory: give fewer samples, steps or epochs at once")
    except _UsageError as e:
        _fail(f"{e.format_message()} (see --help)", e.exit_code)


def _close_stdout() -> None:
    """Nobody listens: the interpreter shall not try again at its end."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int = 1) -> None:
    print(f"pytools: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _emit(result: dict[str, Any], to: Path | None, show: Callable[[], None]) -> None:
    """JSON to a file or stdout; else (and beside a file) the table for people."""
    text = json.dumps(result, indent=1)
    if to is not None and str(to) == STDOUT:
        print(text)
        return
    if to is not None:
        write_whole(to, f"{text}\n".encode())
    show()


def _load_image(path: Path) -> tuple[bytes, Any]:
    """An image's bytes, and the same parsed."""
    from sdfa.image_reader import read_image

    data = read_bytes(path, "an image made by pytools export")
    return data, read_image(data, path.name)


def _load_array(path: Path) -> npt.NDArray[Any]:
    try:
        array = np.load(io.BytesIO(read_bytes(path, "inputs saved with numpy.save")), allow_pickle=False)
    except (ValueError, EOFError, MemoryError, SyntaxError):
        raise SdfaError(f"{path} is no .npy array of numbers, or damaged: save it with numpy.save") from None
    if not isinstance(array, np.ndarray):
        raise SdfaError(f"{path} is a .npz file: save the inputs alone with numpy.save")
    return array


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


@app.command()
def export(
    model: Annotated[Path, typer.Argument(metavar="MODEL", help="A full-integer int8 .tflite file.")],
    out: Annotated[
        Path, typer.Option("-o", metavar="FOLDER", help="A new or empty folder, or that of an earlier export.")
    ],
    name: Annotated[str | None, typer.Option(metavar="NAME", help="C name of the model (default: its own).")] = None,
    train_last: Annotated[
        int | None, typer.Option(metavar="N", help="Dense layers that learn; 0: inference only.", min=0)
    ] = None,
    feedback: Annotated[
        str | None, typer.Option(metavar="KIND", help="aligned (the default), random, dense, bp or last.")
    ] = None,
    connections: Annotated[
        int | None,
        typer.Option(metavar="K", help="Output errors that each hidden neuron listens to (default 2).", min=1),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(metavar="N", help="Seed of random feedback and of the rounding.", min=0, max=SEED_MAX),
    ] = None,
    calib: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Inputs (.npz with x) to average the Jacobian over.")
    ] = None,
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate to start with.")] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="ERROR", help="Smaller output errors are dropped (0 to below 1).")
    ] = None,
    loss: Annotated[
        str | None, typer.Option(metavar="LOSS", help="softmax_ce or mse (default: what the model's end suggests).")
    ] = None,
    labels: Annotated[str, typer.Option(metavar="A,B,...", help="Names of the classes, with commas.")] = "",
    json_to: JsonOpt = None,
) -> None:
    """Turn a .tflite model into an image, C source and a report.

    Example: [cyan]pytools export models/digits/model.tflite -o build/digits --train-last 3[/cyan]
    """
    from sdfa.export import Options, export_file, write_files
    from sdfa.load import read_model
    from sdfa.settings import beside, beside_note

    check_outputs([json_to], [model, calib])
    graph, _ = read_model(model)
    said = beside(model, graph.sha256)
    asked = Options(
        train_last, feedback, connections, seed, lr, threshold, loss, tuple(filter(None, labels.split(","))),
        _calibration(graph, calib),
    )  # fmt: skip
    asked.refuse_useless(said)
    result = export_file(model, name, asked, said)
    result.report["warnings"] += beside_note(model, graph.sha256)
    files = write_files(result, out)
    _emit(result.report, json_to, lambda: _show_export(result.report, files))


def _calibration(graph: Any, calib: Path | None) -> npt.NDArray[np.int8] | None:
    from sdfa.adapt import quantize_values
    from sdfa.data import load_inputs

    if calib is None:
        return None
    t = graph.tensors[graph.inputs[0]]
    x = load_inputs(calib, input_shape=tuple(t.shape[1:]))
    return quantize_values(x, float(t.scale[0]), int(t.zero_point[0]))


def _show_export(report: dict[str, Any], files: list[Path]) -> None:
    from sdfa.report import export_tables

    for part in export_tables(report):
        console.print(part)
    for warning in report["warnings"]:
        console.print(f"note: {warning}", style="yellow")
    others = ", ".join(file.suffix for file in files[1:])
    console.print(f"Wrote {files[0]}, {others}", soft_wrap=True)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A .tflite model or an .sdfa image.")],
    picture_to: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Draw the memory map as a PNG.")
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Show what a model or an image holds, and its memory map over time.

    Example: [cyan]pytools inspect build/digits/digits.sdfa --picture map.png[/cyan]
    """
    from sdfa.inspect import describe, picture, show

    check_outputs([json_to, picture_to], [path])
    what = describe(path)
    if picture_to is not None:
        write_whole(picture_to, picture(what))
    _emit(what, json_to, lambda: show(what, console))


@app.command()
def run(
    image: ImageArg,
    inputs: Annotated[Path, typer.Option(metavar="FILE", help="Inputs: .npy, int8 or float, shape (n, *input).")],
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="Outputs: .npy, int8, shape (n, *output).")],
    target: TargetOpt = "host",
    json_to: JsonOpt = None,
) -> None:
    """Run inference on a target and save the raw int8 outputs.

    Example: [cyan]pytools run build/digits/digits.sdfa --target qemu:microbit --inputs x.npy -o y.npy[/cyan]
    """
    from sdfa.adapt import input_shape, output_shape, quantize_input
    from sdfa.data import check_inputs
    from sdfa.device import Device
    from sdfa.targets import find_target

    machine = find_target(target)
    check_outputs([out, json_to], [image, inputs])
    data, parsed = _load_image(image)
    x = quantize_input(parsed, check_inputs(inputs, _load_array(inputs), input_shape(parsed)))
    with progress.status(f"running {len(x)} samples on {target}"):
        y = Device(machine, data).run(x)
    y = y.reshape(len(y), *output_shape(parsed))
    file = io.BytesIO()
    np.save(file, y)
    write_whole(out, file.getvalue())
    result = {"target": target, "model_id": parsed.model_id.hex(), "samples": len(y), "shape": list(y.shape)}
    _emit(result, json_to, lambda: console.print(f"Wrote {out}: int8 {y.shape} from {target}", soft_wrap=True))


@app.command()
def learn(
    image: ImageArg,
    data: Annotated[Path, typer.Option(metavar="FILE", help="Samples: .npz with x and y.")],
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="The learned image.")],
    target: TargetOpt = "host",
    epochs: Annotated[
        int, typer.Option(metavar="N", help="How often each sample is learned.", min=1, max=EPOCHS_MAX)
    ] = 1,
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate (default: the image's).")] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="ERROR", help="Error threshold (default: the image's).")
    ] = None,
    seed: SeedOpt = 1,
    eval_data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples to score on (default: the learned ones).")
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Let an image learn on a target; save the learned image and a report.

    Example: [cyan]pytools learn build/digits/digits.sdfa --data new.npz --epochs 5 -o learned.sdfa[/cyan]
    """
    from sdfa.adapt import Settings, adapt, report
    from sdfa.targets import find_target

    machine = find_target(target)
    check_outputs([out, json_to], [data, eval_data])  # the image itself may go on learning in place
    check_outputs([json_to], [image])
    raw, parsed = _load_image(image)
    samples, judge = _samples(parsed, data), _samples(parsed, eval_data) if eval_data else None
    settings = Settings(epochs, lr, threshold, seed)
    with progress.status(f"learning {len(samples.x)} samples, {epochs} epochs, on {target}"):
        outcome = adapt(machine, raw, samples, judge, settings)
    write_whole(out, outcome.image)
    result = report(outcome, parsed, settings, str(eval_data or data))
    _emit(result, json_to, lambda: _show_learning(result, out))


def _samples(image: Any, path: Path) -> Any:
    from sdfa.adapt import class_count, input_shape, loss_of
    from sdfa.data import load_samples

    classes = class_count(image) if loss_of(image) == "softmax_ce" else None
    return load_samples(path, input_shape=input_shape(image), classes=classes)


def _show_learning(result: dict[str, Any], out: Path) -> None:
    name = "accuracy" if "accuracy_before" in result else "rmse"
    table = Table("", "before", "after")
    console.print(f"{result['steps']} steps, scored on {result['evaluated_on']}", soft_wrap=True)
    scores = [result[f"{name}_before"], result[f"{name}_after"]]
    table.add_row(name, *(f"{100 * v:.1f} %" if name == "accuracy" else f"{v:.4g}" for v in scores))
    console.print(table)
    share = 100 * result["weights_updated"] / max(result["weights_total"], 1)
    sat = result["saturations"]
    console.print(f"{share:.1f} % of all weight updates were done; the others were too small to matter")
    console.print(
        f"stopped at a limit: {sat['weights']} weights, {sat['activations']} activations, {sat['logits']} logits"
    )
    console.print(f"Wrote {out}", soft_wrap=True)


@app.command()
def check(
    image: ImageArg,
    target: TargetOpt = "host",
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples: .npz with x and y (default: random ones).")
    ] = None,
    steps: Annotated[int, typer.Option(metavar="N", help="Learning steps to compare.", min=1, max=STEPS_MAX)] = 1000,
    seed: SeedOpt = 1,
    json_to: JsonOpt = None,
) -> None:
    """Compare a target with the integer twin, byte for byte, and with the float reference.

    Exit code 0 only when no byte differs.

    Example: [cyan]pytools check build/digits/digits.sdfa --target qemu:microbit[/cyan]
    """
    from sdfa.check import check as compare
    from sdfa.targets import find_target

    machine = find_target(target)
    check_outputs([json_to], [image, data])
    raw, parsed = _load_image(image)
    if data is not None and parsed.learning is None:
        raise SdfaError("nothing learns in this image, so labelled --data has no use here: leave it away")
    samples = _samples(parsed, data) if data else None
    with progress.status(f"checking on {target}"):
        result = compare(machine, raw, samples, steps, seed)
    _emit(result, json_to, lambda: _show_check(result))
    _refuse_mismatch(result)


def _refuse_mismatch(result: dict[str, Any]) -> None:
    if result["mismatching_bytes"]:
        raise SdfaError(
            f"{result['mismatching_bytes']} bytes differ from the integer twin on {result['target']}: "
            "do not trust this build; please report it with the model"
        )


def _show_check(result: dict[str, Any]) -> None:
    inference = result["inference"]
    console.print(
        f"inference: {inference['bytes']} output bytes of {inference['samples']} samples compared, "
        f"{inference['mismatching_bytes']} differ"
    )
    if "learning" not in result:
        console.print("learning:  nothing learns in this image")
        return
    part, ref = result["learning"], result["float"]
    console.print(
        f"learning:  {result['steps']} steps, {part['bytes']} bytes of weights and biases, "
        f"generator and counters compared, {part['mismatching_bytes']} differ"
    )
    if ref["cosine"] is None:
        console.print("float reference: diverged" if ref["diverged"] else "float reference: no weight moved")
        return
    same = f", same class for {100 * ref['agreement']:.1f} % of the samples" if "agreement" in ref else ""
    console.print(f"float reference: cosine of the weight changes {ref['cosine']:.3f}{same}")


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
    from sdfa.merge import merge as merge_weights

    check_outputs([out, json_to], [learned, model])
    factory = read_bytes(model, "the .tflite file that the image was exported from")
    _, image = _load_image(learned)
    merged = merge_weights(image, factory)
    write_whole(out, merged)
    changed = sum(a != b for a, b in zip(factory, merged, strict=True))
    result = {"model_id": image.model_id.hex(), "bytes": len(merged), "changed_bytes": changed}
    _emit(result, json_to, lambda: console.print(f"Wrote {out}: {changed} bytes changed", soft_wrap=True))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", metavar="FOLDER", help="Folder for the results.")] = Path("build/demo"),
    sensor: Annotated[
        str, typer.Option(metavar="SENSOR", help="How the sensor changes: shift, mirror, rot90.")
    ] = "mirror",
    target: TargetOpt = "host",
    json_to: JsonOpt = None,
) -> None:
    """Digits meet a changed sensor: adapt on the device with five rules, and check every bit.

    Example: [cyan]pytools demo --sensor rot90[/cyan]
    """
    from sdfa.demo import run_demo

    check_outputs([json_to])
    pure = json_to is not None and str(json_to) == STDOUT
    result = run_demo(out, sensor, target, progress if pure else console)
    if json_to is not None:
        _emit(result, json_to, lambda: None)
    _refuse_mismatch(result)


if __name__ == "__main__":
    main()
