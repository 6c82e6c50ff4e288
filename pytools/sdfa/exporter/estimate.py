"""What an image will cost on a core, before anything runs there: an estimate from measured kernels.

The figures are those of tests/bench/results.json, which `make bench` measures: executed instructions on emulated
boards. Instructions of a layer are its multiplications, or elements, times the measured rate of the same kernel at the
most similar length of a dot product. Those of an update, sdfa_learn, are a fixed part and a rate for each weight that
moves, which depends on how the weights of its layer move. tests/test_estimate.py says how far off that is.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sdfa.bundle import bench_file
from sdfa.image.packing import layer_rows, op_macs
from sdfa.image.reader import Image
from sdfa.image.records import FEEDBACKS, LAYER_ZEROS

CORES = {
    "Cortex-M0": "microbit", "Cortex-M3": "mps2-an385", "Cortex-M4": "mps2-an386", "Cortex-M33": "mps2-an505",
    "Cortex-M55": "mps3-an547", "RISC-V rv32imac": "riscv32",
}  # fmt: skip
"""Core -> the emulated board that was measured. A Cortex-M7 takes what an M4 takes."""

OFF = {
    "Cortex-M0": (-0.06, 0.05), "Cortex-M3": (-0.10, 0.06), "Cortex-M4": (-0.17, 0.19), "Cortex-M33": (-0.17, 0.19),
    "Cortex-M55": (-0.23, 0.38), "RISC-V rv32imac": (-0.05, 0.05),
}  # fmt: skip
"""Between what shares the estimates of an inference are off on the networks of the benchmark; a test measures them.
Small nets come out too low, because what an operation costs beside its multiplications is not counted."""

ZEROS = {"Cortex-M0": 0.66, "Cortex-M3": 0.81}
"""Share of its instructions that a dense layer takes half of whose inputs are zeros, passed over; tests/test_zeros.py
measures it."""

MOVES = 0.5
"""Share of the weights that an update is thought to move."""

Figures = dict[str, int]

# (length of a dot product, multiplications) of what was measured
_DENSE = {"dense 64->32": (64, 2048), "dense 256->64": (256, 16384), "dense 784->128": (784, 100352)}
_CONV = {
    "conv 3x3 28x28x1->8": (9, 56448), "conv 3x3 16x16x8->16": (72, 294912), "conv 3x3 16x16x32->32": (288, 2359296),
    "conv 3x3 8x8x64->64": (576, 2359296),
}  # fmt: skip
_DEPTHWISE, _POOL, _SOFTMAX, _ADD = 72_000, 4096, 10, 4096


@dataclass(frozen=True)
class Estimate:
    """run, learn: instructions; code, stack: bytes.

    learn: of sdfa_learn alone, which is what `pytools bench` calls an update, when half of the weights move, as with
    samples that the model does not know; learn_most: when all do. Both are 0 where nothing learns.
    """

    run: int
    learn: int
    learn_most: int
    code: int
    stack: int

    @property
    def step(self) -> int:
        """An inference and the update that follows it."""
        return self.run + self.learn


def estimates(image: Image) -> dict[str, Estimate]:
    """By the name of the core."""
    figures: dict[str, Figures] = json.loads(bench_file().read_text(encoding="utf-8"))["figures"]
    return {core: _estimate(image, figures[board], ZEROS.get(core, 1.0)) for core, board in CORES.items()}


def _estimate(image: Image, of: Figures, zeros: float) -> Estimate:
    learns = image.learning is not None
    digits = "digits, learning" if learns else "digits, inference"
    run = sum(_instructions(image, kind, op, of) * (zeros if _has_zeros(kind, op) else 1) for kind, op in image.ops)
    half, most = (_update(image, share, of) if learns else 0.0 for share in (MOVES, 1.0))
    code, stack = of[f"{digits}: code, bytes"], of[f"{digits}: stack, bytes"]
    return Estimate(round(run), round(half), round(most), code, stack)


def _update(image: Image, share: float, of: Figures) -> float:
    """Of sdfa_learn, when this share of the weights moves."""
    moves = 0.0
    for place, layer in enumerate(image.layers):
        op = image.ops[image.op_off.index(int(layer["op"]))][1]
        weights = int(op["in_n"]) * int(op["out_n"])
        moves += share * weights * of[f"update, {_how(image, op)}: 1000 weights, instructions"] / 1000
        if place and _feedback(image) == "bp":  # errors go back through these weights
            moves += weights * _rate(_DENSE, int(op["out_n"]), of)
    return of["update, words: fixed, instructions"] + moves


def _feedback(image: Image) -> str:
    assert image.learning is not None
    return FEEDBACKS[int(image.learning["feedback"])]


def _how(image: Image, op: np.void) -> str:
    """How the weights of a layer move (firmware/src/learn/sdfa_update.c)."""
    assert image.learning is not None
    if int(image.learning["master_bits"]):
        return "master"
    starts_at_0 = int(image.tensors[int(op["in"])]["zero_point"]) == -128
    return "words" if starts_at_0 and int(op["in_n"]) % 4 == 0 else "single"


def _has_zeros(kind: str, op: np.void) -> bool:
    return kind == "dense" and int(op["flags"]) & LAYER_ZEROS > 0


def _instructions(image: Image, kind: str, op: np.void, of: Figures) -> float:
    """Of one operation."""
    out = image.tensors[int(op["out"])]
    elements = int(out["h"]) * int(out["w"]) * int(out["c"])
    if kind == "dense":
        return op_macs(image, kind, op) * _rate(_DENSE, int(op["in_n"]), of)
    if kind == "conv":
        return op_macs(image, kind, op) * _rate(_CONV, layer_rows(image, kind, op)[1], of)
    if kind == "depthwise":
        return op_macs(image, kind, op) * of["depthwise 3x3 25x5x64: instructions"] / _DEPTHWISE
    if kind in ("avgpool", "maxpool"):
        return elements * int(op["kh"]) * int(op["kw"]) * of["max pool 2x2: instructions"] / _POOL
    if kind == "softmax":
        return elements * of["softmax: instructions"] / _SOFTMAX
    source = image.tensors[int(op["in"])]
    return max(elements, int(source["h"]) * int(source["w"]) * int(source["c"])) * of["add: instructions"] / _ADD


def _rate(measured: dict[str, tuple[int, int]], length: int, of: Figures) -> float:
    """Instructions per multiplication of dot products of this length: linear in 1 / length between measured ones."""
    known = sorted((1 / k, of[f"{name}: instructions"] / macs) for name, (k, macs) in measured.items())
    inverse, rates = zip(*known, strict=True)
    if 1 / length > inverse[-1]:  # shorter than any: what each product costs beside its multiplications counts
        slope = (rates[-1] - rates[-2]) / (inverse[-1] - inverse[-2])
        return float(rates[-1] + slope * (1 / length - inverse[-1]))
    return float(np.interp(1 / length, inverse, rates))


def estimate_report(image: Image, clock: float) -> dict[str, Any]:
    """As data, for cores at `clock` MHz; per second: at one instruction per cycle, which real cores do not reach."""
    rows = {}
    for core, e in estimates(image).items():
        rows[core] = {
            "run": e.run, "learn": e.learn, "learn_most": e.learn_most, "code": e.code, "stack": e.stack,
            "runs_per_second": clock * 1e6 / max(e.run, 1),
            "steps_per_second": clock * 1e6 / max(e.step, 1) if e.learn else None, "off": list(OFF[core]),
        }  # fmt: skip
    return {"clock_mhz": clock, "cores": rows}
