"""The command that makes an untrained net: init."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sdfa.cli.base import SEED_MAX, JsonOpt, app, emit
from sdfa.cli.files import show_export
from sdfa.cli.options import Learning, grouped
from sdfa.files import check_outputs

if TYPE_CHECKING:
    from sdfa.exporter.export import Options


@dataclass(frozen=True)
class Learns(Learning):
    """How an untrained net learns."""

    train_last: Annotated[int | None, typer.Option(metavar="N", help="Layers that learn (default: all).", min=1)] = None
    feedback: Annotated[
        str | None, typer.Option(metavar="KIND", help="aligned (the default), live, random, dense, bp or last.")
    ] = None
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Seed of weights, feedback and rounding.", min=0, max=SEED_MAX)
    ] = None
    loss: Annotated[str | None, typer.Option(metavar="LOSS", help="softmax_ce (the default) or mse.")] = None
    master: Annotated[
        int | None, typer.Option(metavar="BITS", help="Of the weights: 8 (the default), or 16 while they learn.")
    ] = None

    def options(self) -> Options:
        from sdfa.exporter.export import Options

        return Options(
            train_last=self.train_last, feedback=self.feedback, seed=self.seed, loss=self.loss, master=self.master,
            **self.chosen(),
        )  # fmt: skip


@app.command()
@grouped
def init(
    sizes: Annotated[str, typer.Argument(metavar="SIZES", help="Width of the input and of each layer: 64-32-10.")],
    out: Annotated[
        Path, typer.Option("-o", metavar="FOLDER", help="A new or empty folder, or that of an earlier init.")
    ],
    *,
    name: Annotated[str | None, typer.Option(metavar="NAME", help="C name (default: net and the sizes).")] = None,
    learns: Learns,
    calib: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Inputs (.npz with x) that set the scales (default: 0 to 1).")
    ] = None,
    headroom: Annotated[
        float, typer.Option(metavar="X", help="How many times larger weights and values may grow.")
    ] = 4.0,
    json_to: JsonOpt = None,
) -> None:
    """Make an untrained dense net that learns from scratch: an image, C source, a report, and a .tflite file.

    Example: [cyan]pytools init 64-32-10 -o build/scratch[/cyan]
    """
    from sdfa.exporter.settings import ModelSettings
    from sdfa.exporter.untrained import DEFAULT_FEEDBACK, init_net, write_init
    from sdfa.tflite.dense_model import parse_sizes

    check_outputs([], [calib], json_to)
    widths = parse_sizes(sizes)
    asked = learns.options()
    asked.refuse_useless(ModelSettings(), DEFAULT_FEEDBACK)
    export, model = init_net(widths, name, _calibration(calib, widths, learns.loss), headroom, asked)
    files = write_init(export, model, out)
    emit(export.report, json_to, lambda: show_export(export.report, files))


def _calibration(path: Path | None, sizes: tuple[int, ...], loss: str | None) -> Any:
    from sdfa.data import load_arrays
    from sdfa.exporter.untrained import Calibration

    if path is None:
        return None
    x, y = load_arrays(path, values=sizes[0], outputs=sizes[-1] if loss == "mse" else None)
    return Calibration(x, y)
