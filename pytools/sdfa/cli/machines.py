"""Commands that use a target: run, learn, check, bench, demo."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import numpy.typing as npt
import typer
from rich.table import Table

from sdfa.cli.base import (
    EPOCHS_MAX,
    STEPS_MAX,
    HtmlOpt,
    ImageArg,
    JsonOpt,
    SeedOpt,
    TargetOpt,
    app,
    console,
    emit,
    load_image,
    progress,
    show_notes,
)
from sdfa.cli.options import grouped
from sdfa.data import read_arrays
from sdfa.errors import SdfaError
from sdfa.files import STDOUT, check_outputs, read_bytes, write_whole

if TYPE_CHECKING:
    from sdfa.device.adapt import Settings
    from sdfa.image.reader import Image


def load_array(path: Path) -> npt.NDArray[Any]:
    """The array of a .npy file, or x of a .npz file."""
    if zipfile.is_zipfile(path):
        return read_arrays(path, ("x",))[0]
    raw = read_bytes(path, "inputs saved with numpy.save")
    try:
        array = np.load(io.BytesIO(raw), allow_pickle=False)
    except Exception:  # damage shows as one of a dozen kinds, from zipfile, tokenize, ast and numpy
        raise SdfaError(f"{path} is no .npy array of numbers, or damaged: save it with numpy.save") from None
    return np.asarray(array)


@app.command()
def run(
    image: ImageArg,
    inputs: Annotated[
        Path, typer.Option(metavar="FILE", help="Inputs (n, *input), int8 or float: .npy, or .npz with x.")
    ],
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="Outputs: .npy, int8, shape (n, *output).")],
    target: TargetOpt = "host",
    json_to: JsonOpt = None,
) -> None:
    """Run inference on a target and save the raw int8 outputs.

    Example: [cyan]pytools run build/digits/digits.sdfa --target qemu:microbit --inputs x.npy -o y.npy[/cyan]
    """
    from sdfa.data import check_inputs
    from sdfa.device.device import Device
    from sdfa.device.samples import input_shape, output_shape, quantize_input
    from sdfa.targets import find_target
    from sdfa.units import image_notes

    machine = find_target(target)
    check_outputs([out], [image, inputs], json_to)
    data, parsed = load_image(image)
    given = check_inputs(inputs, load_array(inputs), input_shape(parsed))
    x, notes = quantize_input(parsed, given), image_notes(inputs, parsed, given)
    with progress.status(f"running {len(x)} samples on {target}"):
        y = Device(machine, data).run(x)
    y = y.reshape(len(y), *output_shape(parsed))
    file = io.BytesIO()
    np.save(file, y)
    write_whole(out, file.getvalue())
    result = {
        "target": target, "model_id": parsed.model_id.hex(), "samples": len(y), "shape": list(y.shape),
        "warnings": notes,
    }  # fmt: skip

    def show() -> None:
        show_notes(notes)
        console.print(f"Wrote {out}: int8 {y.shape} from {target}", soft_wrap=True)

    emit(result, json_to, show)


@dataclass(frozen=True)
class Learns:
    """How a target learns, and what looks after it (sdfa_care.h)."""

    epochs: Annotated[
        int, typer.Option(metavar="N", help="How often each sample is learned.", min=1, max=EPOCHS_MAX)
    ] = 1
    lr: Annotated[float | None, typer.Option(metavar="RATE", help="Learning rate (default: the image's).")] = None
    threshold: Annotated[
        float | None, typer.Option(metavar="ERROR", help="Error threshold (default: the image's).")
    ] = None
    seed: SeedOpt = 1
    hold_out: Annotated[
        int,
        typer.Option(metavar="M", help="Hold M samples out; an epoch that does worse on them is taken back.", min=0),
    ] = 0
    replay: Annotated[int, typer.Option(metavar="N", help="Keep N samples in a replay ring.", min=0)] = 0
    replay_policy: Annotated[
        str, typer.Option(metavar="POLICY", help="Which samples stay: reservoir, balanced (over the classes).")
    ] = "reservoir"
    replay_steps: Annotated[
        int, typer.Option(metavar="N", help="Steps from the ring after each new sample.", min=1, max=1000)
    ] = 1
    guard: Annotated[
        str, typer.Option(metavar="WHAT", help="When learning goes wrong: report, or halve the rate and go back.")
    ] = ""
    freeze: Annotated[
        str, typer.Option(metavar="LAYERS", help="Trainable layers that stay as they are: 0 is the first; 0,1 two.")
    ] = ""
    balance: Annotated[bool, typer.Option("--balance", help="Errors of rare classes weigh more.")] = False
    decay: Annotated[
        float, typer.Option(metavar="SHARE", help="Go this share of the way back to the factory weights...", min=0)
    ] = 0.0
    decay_every: Annotated[int, typer.Option(metavar="N", help="... after every N samples.", min=1, max=STEPS_MAX)] = 16
    add_class: Annotated[
        int, typer.Option(metavar="N", help="Open N spare classes first; their labels follow the others.", min=0)
    ] = 0

    def settings(self) -> Settings:
        from sdfa.device.adapt import Settings
        from sdfa.device.care import Care, layer_numbers

        care = Care(
            self.replay, self.replay_policy, self.replay_steps, self.guard, frozen=layer_numbers(self.freeze),
            balance=self.balance, decay=self.decay, decay_every=self.decay_every, hold_out=self.hold_out,
            added=self.add_class,
        )  # fmt: skip
        return Settings(self.epochs, self.lr, self.threshold, self.seed, care)


@app.command()
@grouped
def learn(
    image: ImageArg,
    data: Annotated[Path, typer.Option(metavar="FILE", help="Samples: .npz with x and y.")],
    out: Annotated[Path, typer.Option("-o", metavar="FILE", help="The learned image.")],
    *,
    target: TargetOpt = "host",
    learns: Learns,
    eval_data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples to score on (default: the learned ones).")
    ] = None,
    old_data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples that must not be forgotten, to score on.")
    ] = None,
    replay_data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples that the ring starts with, such as old ones.")
    ] = None,
    html_to: HtmlOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Let an image learn on a target; save the learned image and a report.

    Example: [cyan]pytools learn build/digits/digits.sdfa --data new.npz --epochs 5 -o learned.sdfa
    --html report.html[/cyan]

    Example without forgetting: [cyan]pytools learn build/digits/digits.sdfa --data new.npz --replay 50
    --replay-policy balanced --replay-data old.npz --old-data old_test.npz --hold-out 20
    --guard halve -o learned.sdfa[/cyan]
    """
    from sdfa.device.adapt import adapt, report
    from sdfa.device.differences import learned_where
    from sdfa.device.samples import samples_of
    from sdfa.device.trouble import notes, reasons
    from sdfa.show.page.learning import learn_page
    from sdfa.targets import find_target
    from sdfa.units import image_notes

    machine = find_target(target)
    pages = [html_to] if html_to else []
    check_outputs([out, *pages], [data, eval_data, old_data, replay_data], json_to)
    check_outputs(pages, [image], json_to)  # a learned image may go on learning in place
    raw, parsed = load_image(image)
    _keep_fresh(parsed, image, out)
    read = {
        path: samples_of(parsed, path, learns.add_class) for path in (data, eval_data, old_data, replay_data) if path
    }
    samples, judge, old, memories = read[data], *(read[p] if p else None for p in (eval_data, old_data, replay_data))
    with progress.status(f"learning {len(samples.x)} samples, {learns.epochs} epochs, on {target}"):
        outcome = adapt(machine, raw, samples, judge, learns.settings(), memories=memories, old=old)
    write_whole(out, outcome.image)
    result = {"target": target} | report(outcome, parsed, learns.settings(), str(eval_data or data))
    result["warnings"] = [note for path, s in read.items() for note in image_notes(path, parsed, s.x)]
    result["warnings"] += notes(
        reasons(parsed, outcome.stats, outcome.scores), result["settings"]["learning_rate"],
        f"Learn again from {image}, with", "" if learns.guard == "halve" else ", or let --guard halve find a rate",
    )  # fmt: skip
    result |= learned_where(parsed, outcome, judge or samples)
    if html_to:
        files = {"learned": data, "scored on": eval_data, "old samples": old_data, "ring began with": replay_data}
        write_whole(html_to, learn_page(result, parsed, raw, image, files))
    emit(result, json_to, lambda: _show_learning(result, out))


def _keep_fresh(parsed: Image, image: Path, out: Path) -> None:
    if parsed.learned is None and out.resolve() == image.resolve():
        raise SdfaError(f"{out} is fresh from the exporter and would be overwritten: give another file to -o")


def _show_learning(result: dict[str, Any], out: Path) -> None:
    from sdfa.device.care import care_lines
    from sdfa.show.export_tables import ram_line

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
    for line in care_lines(result):
        console.print(line)
    console.print(ram_line(result["ram"]))
    show_notes(result["warnings"])
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
    html_to: HtmlOpt = None,
    json_to: JsonOpt = None,
) -> None:
    """Compare a target with the integer twin, byte for byte, and with the float reference.

    Exit code 0 only when no byte differs.

    Example: [cyan]pytools check build/digits/digits.sdfa --target qemu:microbit[/cyan]
    """
    from sdfa.device.check import check as compare
    from sdfa.device.samples import samples_of
    from sdfa.show.page.learning import check_page
    from sdfa.targets import find_target
    from sdfa.units import image_notes

    machine = find_target(target)
    check_outputs([html_to] if html_to else [], [image, data], json_to)
    raw, parsed = load_image(image)
    if data is not None and parsed.learning is None:
        raise SdfaError("nothing learns in this image, so labelled --data has no use here: leave it away")
    samples = samples_of(parsed, data) if data else None
    with progress.status(f"checking on {target}"):
        result = compare(machine, raw, samples, steps, seed)
    result["warnings"] = image_notes(data, parsed, samples.x) if data and samples else []
    if html_to:
        write_whole(html_to, check_page(result, parsed, raw, image, {"samples": data}))
    emit(result, json_to, lambda: _show_check(result))
    _refuse_mismatch(result)


def _refuse_mismatch(result: dict[str, Any]) -> None:
    if result["mismatching_bytes"]:
        raise SdfaError(
            f"{result['mismatching_bytes']} bytes differ from the integer twin on {result['target']}: "
            "do not trust this build; please report it with the model"
        )


def _show_check(result: dict[str, Any]) -> None:
    from sdfa.show.export_tables import ram_line

    show_notes(result["warnings"])
    console.print(ram_line(result["ram"]))
    inference = result["inference"]
    twice = ", before and after learning," if inference["runs"] == 2 else ""
    console.print(
        f"inference: {inference['bytes']} output bytes of {inference['samples']} samples{twice} compared, "
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
    console.print(
        f"float reference: the weights moved its way with a cosine of {ref['cosine']:.3f}{same}\n"
        "(1: exactly so; random rounding makes it smaller where steps are small; a comparison, not a test)"
    )


@app.command()
def bench(
    image: ImageArg,
    target: TargetOpt,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Samples: .npz with x (and y if it learns); default: random.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option(metavar="N", help="Samples to measure at most (default: all; random: 10).", min=1)
    ] = None,
    json_to: JsonOpt = None,
) -> None:
    """Count what a model costs on an emulated board: instructions, by layer too, RAM, stack and flash.

    On a real board, the time by its own clock: microseconds of an inference and of a learning step.

    Example: [cyan]pytools bench build/digits/digits.sdfa --target qemu:mps2-an386[/cyan]

    Time: [cyan]pytools bench build/digits/digits.sdfa --target serial:/dev/ttyACM0[/cyan]
    """
    from sdfa.device.bench import bench as measure
    from sdfa.device.bench import load_any
    from sdfa.show.bench_tables import show_bench, show_times
    from sdfa.targets import Qemu, find_counting, find_target
    from sdfa.targets.serial import Serial

    machine = find_target(target) if target.startswith("serial:") else find_counting(target)
    check_outputs([], [image, data], json_to)
    raw, parsed = load_image(image)
    chosen = None if data is None else load_any(parsed, data)
    if isinstance(machine, Serial):
        with progress.status(f"measuring on {target}"):
            times = machine.bench(parsed, chosen, samples)
        emit(times, json_to, lambda: show_times(times, console))
        return
    assert isinstance(machine, Qemu)
    with progress.status(f"measuring on {target}"):
        result = measure(machine, raw, chosen, samples)
    emit(result, json_to, lambda: show_bench(result, console))


@app.command()
def demo(
    out: Annotated[Path, typer.Option("-o", metavar="FOLDER", help="Folder for the results.")] = Path("build/demo"),
    sensor: Annotated[
        str, typer.Option(metavar="SENSOR", help="How the sensor changes: shift, mirror, rot90.")
    ] = "mirror",
    target: TargetOpt = "host",
    json_to: JsonOpt = None,
) -> None:
    """Digits meet a changed sensor: adapt on the device with six rules, and check every bit.

    Example: [cyan]pytools demo --sensor rot90[/cyan]
    """
    from sdfa.start.demo import run_demo

    check_outputs([], [], json_to)
    pure = json_to is not None and str(json_to) == STDOUT
    result = run_demo(out, sensor, target, progress if pure else console)
    if json_to is not None:
        emit(result, json_to, lambda: None)
    _refuse_mismatch(result)
