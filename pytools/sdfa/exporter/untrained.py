"""Untrained dense nets as images that learn from scratch on the device: what `pytools init` does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.exporter.export import DEFAULT_CONNECTIONS, Export, Options, export_graph, write_files
from sdfa.image.csource import c_name
from sdfa.tflite.dense_model import DenseNet, Scaling, he_net, quantize_dense, real_inputs, with_aligned_start
from sdfa.tflite.load import load_tflite
from sdfa.units import quantize_values, range_notes

DEFAULT_HEADROOM = 4.0
DEFAULT_FEEDBACK = "aligned"
DEFAULT_TAU = {"softmax_ce": 1 / 32, "mse": 0.0}
"""From scratch a threshold costs nothing; of a trained model's few samples the small errors count: see Options."""
POWER_RATE = {"softmax_ce": 0.4, "mse": 0.2}
"""Default learning rate times the mean squared length of an input, and times the hidden layers: by so much of its error
a step moves what a neuron of the first layer computes. Twice as much is too much for some nets."""
OF_WEIGHTS = ("aligned", "live")
"""Feedback that follows the weights: of use to an untrained net whose weights are made for it."""
ALIGNED_SHARE = 0.5
"""Part of the squared size of weights between hidden layers that serves this (dense_model.with_aligned_start)."""
NOISE = 256
"""Inputs of the calibration pass where the user gives none: evenly spread over 0 ... 1."""


@dataclass(frozen=True, eq=False)
class Calibration:
    """x: inputs (n, *input), float in real units or int8 as they are. targets: float (n, out), of a regression."""

    x: npt.NDArray[Any]
    targets: npt.NDArray[Any] | None = None


def untrained(sizes: Sequence[int], feedback: str, k: int, rng: np.random.Generator) -> DenseNet:
    """The net that learns by this kind of feedback, before it has learned."""
    net = he_net(sizes, rng)
    return with_aligned_start(net, k, ALIGNED_SHARE, rng) if feedback in OF_WEIGHTS else net


def init_net(
    sizes: Sequence[int], name: str | None, calibration: Calibration | None, headroom: float, options: Options
) -> tuple[Export, bytes]:
    """The export of an untrained net, and its .tflite file. All layers learn unless options.train_last says less.

    sizes: width of the input and of each layer. name: C name, by default made from the sizes. headroom: how many
    times the largest value of the calibration pass, and the largest weight, fit into the int8 ranges.
    """
    chosen = c_name("net_" + "_".join(map(str, sizes)) if name is None else name)
    if name not in (None, chosen):
        raise SdfaError(f"--name {name!r} is no C name: give {chosen}")
    options = _filled(options, len(sizes) - 1)
    rng = np.random.default_rng(options.seed)
    net = untrained(sizes, options.feedback or DEFAULT_FEEDBACK, options.connections or DEFAULT_CONNECTIONS, rng)
    seen = calibration or Calibration(rng.random((NOISE, sizes[0]), np.float32))
    if options.rate is None:
        options = replace(options, rate=default_rate(seen.x, options.loss, len(sizes) - 2))
    frozen = len(sizes) - 1 - (options.train_last or 0)
    scaling = Scaling(headroom, output_peak=_output_peak(seen, options.loss), frozen=frozen)
    model = quantize_dense(net, seen.x, scaling)
    graph = load_tflite(model, chosen)
    a = graph.tensors[graph.inputs[0]]
    inputs = quantize_values(seen.x, float(a.scale[0]), int(a.zero_point[0]))
    export = export_graph(graph, chosen, options, seen=inputs)
    if calibration is None:
        export.report["warnings"].append("no --calib: inputs are expected between 0 and 1")
    else:
        export.report["warnings"] += range_notes("--calib", calibration.x)
    return export, model


def _filled(options: Options, layers: int) -> Options:
    """The options with the defaults of an untrained net."""
    loss = options.loss or "softmax_ce"
    feedback = options.feedback or DEFAULT_FEEDBACK
    return replace(
        options,
        loss=loss,
        feedback=feedback,
        seed=1 if options.seed is None else options.seed,
        train_last=options.train_last or (1 if feedback == "last" else layers),
        tau=DEFAULT_TAU.get(loss) if options.tau is None else options.tau,
    )


def default_rate(x: npt.NDArray[Any], loss: str | None, hidden: int) -> float:
    """For inputs x like those of Calibration, and a net with that many hidden layers."""
    power = float(np.mean(np.sum(real_inputs(x) ** 2, axis=1)))
    return POWER_RATE.get(loss or "", 0.0) / (max(power, 1.0) * max(hidden, 1))


def _output_peak(seen: Calibration, loss: str | None) -> float | None:
    """What the outputs must be able to reach: of a regression the targets, which an untrained net does not know."""
    if loss != "mse":
        return None
    if seen.targets is None:
        raise SdfaError("--loss mse needs to know the range of the outputs: give --calib with x and y (targets)")
    return float(np.abs(seen.targets).max())


def write_init(export: Export, model: bytes, folder: Path) -> list[Path]:
    """NAME.sdfa .c .h .json as of an export, and NAME.tflite."""
    return write_files(export, folder, {".tflite": model})
