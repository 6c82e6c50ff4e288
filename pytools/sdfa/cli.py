"""The `pytools` command. Thin: parse, call, print."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.console import Console
from rich.table import Table

from sdfa import __version__
from sdfa.errors import SdfaError

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Export int8 models for a microcontroller, let them learn there, and prove what they did.",
)
console = Console()

# typer carries its own click since 0.2x, and older ones use the real click: the common name of both
_UsageError: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")

ImageArg = Annotated[Path, typer.Argument(help="An image made by pytools export (.sdfa).")]
TargetOpt = Annotated[str, typer.Option(help="Where to run: host, qemu:mps2-an386, qemu:microbit.")]
SeedOpt = Annotated[int, typer.Option(help="Seed of the order of samples and of the rounding.", min=0)]
JsonOpt = Annotated[Path | None, typer.Option("--json", help="Write the result as JSON ('-': to stdout).")]


def main() -> None:
    """Run the command line; every error is one line and a non-zero exit."""
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except SdfaError as e:
        _fail(str(e))
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as e:
        _fail(f"{e.filename or 'file'}: {e.strerror or e}")
    except _UsageError as e:
        _fail(f"{e.format_message()} (see --help)", e.exit_code)


def _fail(message: str, code: int = 1) -> None:
    print(f"pytools: {' '.join(message.split())}", file=sys.stderr)
    sys.exit(code)


def _emit(result: dict[str, Any], to: Path | None, show: Callable[[], None]) -> None:
    """JSON to a file or stdout; else (and beside a file) the table for people."""
    if to is not None and str(to) == "-":
        print(json.dumps(result, indent=1))
        return
    if to is not None:
        to.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    show()


def _load_image(path: Path) -> bytes:
    from sdfa.image_reader import read_image

    data = path.read_bytes()
    read_image(data, path.name)
    return data


def _load_array(path: Path) -> npt.NDArray[Any]:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as e:
        raise SdfaError(f"{path} is not a .npy array: save it with numpy.save ({e})") from None
    if not isinstance(array, np.ndarray):
        raise SdfaError(f"{path} holds several arrays: save the inputs alone with numpy.save")
    return array


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    if version:
        print(__version__)
        raise typer.Exit


@app.command()
def export(
    model: Annotated[Path, typer.Argument(help="A full-integer int8 .tflite file.")],
    out: Annotated[Path, typer.Option("-o", help="A new or empty folder.")],
    name: Annotated[str | None, typer.Option(help="C name of the model (default: from the file).")] = None,
    train_last: Annotated[int | None, typer.Option(help="Dense layers that learn; 0: inference only.", min=0)] = None,
    feedback: Annotated[str | None, typer.Option(help="aligned (the default), random, dense, bp or last.")] = None,
    connections: Annotated[
        int | None, typer.Option(help="Output errors that each hidden neuron listens to (default 2).", min=1)
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of random feedback and of the rounding.", min=0)] = None,
    calib: Annotated[Path | None, typer.Option(help="Inputs (.npz with x) to average the Jacobian over.")] = None,
    lr: Annotated[float | None, typer.Option(help="Learning rate to start with.")] = None,
    threshold: Annotated[float | None, typer.Option(help="Errors below it are dropped.")] = None,
    loss: Annotated[
        str | None, typer.Option(help="softmax_ce or mse (default: what the model's end suggests).")
    ] = None,
    labels: Annotated[str, typer.Option(help="Names of the classes, with commas.")] = "",
    json_to: JsonOpt = None,
) -> None:
    """Turn a .tflite model into an image, C source and a report.

    Example: [cyan]pytools export models/digits/model.tflite -o build/digits --name digits --train-last 3[/cyan]
    """
    from sdfa.export import Options, export_file, write_files
    from sdfa.load import read_model
    from sdfa.settings import beside

    graph, _ = read_model(model)
    said = beside(model, graph.sha256)
    asked = Options(
        train_last, feedback, connections, seed, lr, threshold, loss, tuple(filter(None, labels.split(","))),
        _calibration(graph, calib),
    )  # fmt: skip
    result = export_file(model, name, asked, said)
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
        console.print(f"[yellow]note:[/yellow] {warning}")
    console.print("Wrote " + ", ".join(str(f) for f in files), soft_wrap=True)


@app.command()
def inspect(
    path: Annotated[Path, typer.Argument(help="A .tflite model or an .sdfa image.")], json_to: JsonOpt = None
) -> None:
    """Show what a model or an image holds.

    Example: [cyan]pytools inspect build/digits/digits.sdfa[/cyan]
    """
    from sdfa.inspect import describe, show

    what = describe(path)
    _emit(what, json_to, lambda: show(what, console))


@app.command()
def run(
    image: ImageArg,
    inputs: Annotated[Path, typer.Option(help="Inputs: .npy, int8 or float, shape (n, *input).")],
    out: Annotated[Path, typer.Option("-o", help="Outputs: .npy, int8, shape (n, *output).")],
    target: TargetOpt = "host",
) -> None:
    """Run inference on a target and save the raw int8 outputs.

    Example: [cyan]pytools run digits.sdfa --target qemu:microbit --inputs x.npy -o y.npy[/cyan]
    """
    from sdfa.adapt import input_shape, quantize_input
    from sdfa.data import check_inputs
    from sdfa.device import Device
    from sdfa.image_reader import read_image
    from sdfa.targets import find_target

    data = _load_image(image)
    parsed = read_image(data, image.name)
    x = quantize_input(parsed, check_inputs(inputs, _load_array(inputs), input_shape(parsed)))
    y = Device(find_target(target), data).run(x)
    shape = parsed.meta["output"]["shape"][1:] or [-1]
    with out.open("wb") as f:
        np.save(f, y.reshape(len(y), *shape))
    console.print(f"{len(y)} outputs of {y.shape[1]} bytes from {target} in {out}")


@app.command()
def learn(
    image: ImageArg,
    data: Annotated[Path, typer.Option(help="Samples: .npz with x and y.")],
    out: Annotated[Path, typer.Option("-o", help="The learned image.")],
    target: TargetOpt = "host",
    epochs: Annotated[int, typer.Option(min=1)] = 1,
    lr: Annotated[float | None, typer.Option(help="Learning rate (default: the image's).")] = None,
    threshold: Annotated[float | None, typer.Option(help="Error threshold (default: the image's).")] = None,
    seed: SeedOpt = 1,
    eval_data: Annotated[Path | None, typer.Option(help="Samples to score on (default: the learned ones).")] = None,
    json_to: JsonOpt = None,
) -> None:
    """Let an image learn on a target; save the learned image and a report.

    Example: [cyan]pytools learn digits.sdfa --data new.npz --epochs 5 -o learned.sdfa --json r.json[/cyan]
    """
    from sdfa.adapt import Settings, adapt, report
    from sdfa.image_reader import read_image
    from sdfa.targets import find_target

    raw = _load_image(image)
    parsed = read_image(raw, image.name)
    samples, judge = _samples(parsed, data), _samples(parsed, eval_data) if eval_data else None
    settings = Settings(epochs, lr, threshold, seed)
    with console.status(f"learning {len(samples.x)} samples, {epochs} epochs, on {target}"):
        outcome = adapt(find_target(target), raw, samples, judge, settings)
    out.write_bytes(outcome.image)
    result = report(outcome, parsed, settings, str(eval_data or data))
    _emit(result, json_to, lambda: _show_learning(result, out))


def _samples(image: Any, path: Path) -> Any:
    from sdfa.adapt import class_count, input_shape, loss_of
    from sdfa.data import load_samples

    classes = class_count(image) if loss_of(image) == "softmax_ce" else None
    return load_samples(path, input_shape=input_shape(image), classes=classes)


def _show_learning(result: dict[str, Any], out: Path) -> None:
    name = "accuracy" if "accuracy_before" in result else "rmse"
    table = Table("", "before", "after", title=f"{result['steps']} steps, scored on {result['evaluated_on']}")
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
    data: Annotated[Path | None, typer.Option(help="Samples: .npz with x and y (default: random ones).")] = None,
    steps: Annotated[int, typer.Option(help="Learning steps to compare.", min=1)] = 1000,
    seed: SeedOpt = 1,
    json_to: JsonOpt = None,
) -> None:
    """Compare a target with the integer twin, byte for byte, and with the float reference.

    Exit code 0 only when no byte differs. Example: [cyan]pytools check digits.sdfa --target qemu:microbit[/cyan]
    """
    from sdfa.check import check as compare
    from sdfa.image_reader import read_image
    from sdfa.targets import find_target

    raw = _load_image(image)
    parsed = read_image(raw, image.name)
    if data is not None and parsed.learning is None:
        raise SdfaError("nothing learns in this image, so labelled --data has no use here: leave it away")
    with console.status(f"checking on {target}"):
        samples = _samples(parsed, data) if data else None
        result = compare(find_target(target), raw, samples, steps, seed)
    _emit(result, json_to, lambda: _show_check(result))
    if result["mismatching_bytes"]:
        raise SdfaError(f"{result['mismatching_bytes']} bytes differ from the integer twin on {target}")


def _show_check(result: dict[str, Any]) -> None:
    inference = result["inference"]
    print(f"inference: {inference['bytes']} output bytes compared, {inference['mismatching_bytes']} differ")
    if "learning" in result:
        part, ref = result["learning"], result["float"]
        print(
            f"learning:  {result['steps']} steps, {part['bytes']} bytes of weights and biases, generator and counters "
            f"compared, {part['mismatching_bytes']} differ"
        )
        if ref["cosine"] is not None:
            print(f"float reference: cosine of the weight changes {ref['cosine']:.3f}", end="")
            print(f", same class for {100 * ref['agreement']:.1f} % of the samples" if "agreement" in ref else "")


@app.command()
def merge(
    learned: Annotated[Path, typer.Argument(help="A learned image (.sdfa).")],
    model: Annotated[Path, typer.Argument(help="The .tflite file that it was exported from.")],
    out: Annotated[Path, typer.Option("-o", help="The learned .tflite file.")],
) -> None:
    """Put learned weights back into the .tflite file, for any interpreter.

    Example: [cyan]pytools merge learned.sdfa model.tflite -o learned.tflite[/cyan]
    """
    from sdfa.image_reader import read_image
    from sdfa.merge import merge as merge_weights

    merged = merge_weights(read_image(learned.read_bytes(), learned.name), model.read_bytes())
    out.write_bytes(merged)
    console.print(f"Wrote {out}", soft_wrap=True)


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", help="Folder for the results.")] = Path("build/demo"),
    sensor: Annotated[str, typer.Option(help="How the sensor changes: shift, mirror, rot90.")] = "mirror",
    target: TargetOpt = "host",
    json_to: JsonOpt = None,
) -> None:
    """Digits meet a changed sensor: adapt on the device with five rules, and check every bit.

    Example: [cyan]pytools demo --sensor rot90[/cyan]
    """
    from sdfa.demo import run_demo

    result = run_demo(out, sensor, target, console)
    if json_to is not None:
        with suppress(BrokenPipeError):
            _emit(result, json_to, lambda: None)
    if result["mismatching_bytes"]:
        raise SdfaError(f"{result['mismatching_bytes']} bytes differ from the integer twin on {target}")


if __name__ == "__main__":
    main()
