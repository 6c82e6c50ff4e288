"""Pictures as People: each changed camera is a person."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from sdfa.experiment.people import POOL, TEST, FloatArray, People

Pictures = tuple[FloatArray, npt.NDArray[np.int64]]
"""x float32[n, height, width, channels] in 0 ... 1, y[n]."""

_ALL = "all"
_POOL, _SCORED = 2000, 2000


def _turn(degrees: float) -> Callable[[FloatArray], FloatArray]:
    """Turns counterclockwise about the middle, with bilinear interpolation; black comes in."""

    def change(x: FloatArray) -> FloatArray:
        h, w = x.shape[1:3]
        angle = np.deg2rad(degrees)
        v, u = np.mgrid[0:h, 0:w] - np.array([(h - 1) / 2, (w - 1) / 2])[:, None, None]
        row, col = (
            u * np.sin(angle) + v * np.cos(angle) + (h - 1) / 2,
            u * np.cos(angle) - v * np.sin(angle) + (w - 1) / 2,
        )
        top, left = np.floor(row).astype(int), np.floor(col).astype(int)
        out = np.zeros_like(x)
        for r, c in ((0, 0), (0, 1), (1, 0), (1, 1)):
            weight = (1 - np.abs(row - top - r)) * (1 - np.abs(col - left - c))
            inside = (top + r >= 0) & (top + r < h) & (left + c >= 0) & (left + c < w)
            picked = x[:, np.clip(top + r, 0, h - 1), np.clip(left + c, 0, w - 1)]
            out += (weight * inside)[None, :, :, None].astype(np.float32) * picked
        return out

    return change


def _shift(columns: int) -> Callable[[FloatArray], FloatArray]:
    """To the right, or left if negative; black comes in."""

    def change(x: FloatArray) -> FloatArray:
        out = np.roll(x, columns, axis=2)
        out[:, :, slice(0, columns) if columns > 0 else slice(columns, None)] = 0
        return out

    return change


# name -> what a changed camera does to pictures [n, height, width, channels]
CHANGES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "shift": _shift(2), "mirror": lambda x: x[:, :, ::-1], "rot90": lambda x: np.rot90(x, axes=(1, 2)),
    "rot45": _turn(45), "rot-45": _turn(-45), "left": _shift(-2), "upside": lambda x: x[:, ::-1],
    "rot270": lambda x: np.rot90(x, 3, axes=(1, 2)),
}  # fmt: skip
_TUNED_ON = {"shift": "left", "mirror": "upside", "rot90": "rot270", "rot45": "rot-45"}
"""The change that a rate is chosen on, for each that is scored on: alike, but another one."""

DIGIT_CHANGES = ("shift", "mirror", "rot90")
MNIST_CHANGES = ("rot45", "mirror")
CIFAR_CHANGES = ("mirror", "rot90")


def people(train: Pictures, test: Pictures, change: str, known: Sequence[str], base_n: int) -> People:
    """Unchanged cameras are the base; a changed camera's pool comes from training pictures, its test from others."""
    scored = tuple(known) if change == _ALL else (change,)
    tuned = tuple(_TUNED_ON[name] for name in scored)
    # where there are enough, pictures that are learned from were not pre-trained on
    pool = slice(base_n, base_n + _POOL) if len(train[0]) >= base_n + _POOL // 2 else slice(0, _POOL)
    blocks = [(train[0][:base_n], train[1][:base_n], "plain", POOL)]
    for name in (*tuned, *scored):
        blocks.append((CHANGES[name](train[0][pool]), train[1][pool], name, POOL))
        blocks.append((CHANGES[name](test[0][:_SCORED]), test[1][:_SCORED], name, TEST))
    x = np.concatenate([b[0].reshape(len(b[0]), -1) for b in blocks]).astype(np.float32)
    counts = [len(b[0]) for b in blocks]
    labels = np.concatenate([b[1] for b in blocks]).astype(np.int64)
    return People(
        x, x, labels, np.repeat([b[2] for b in blocks], counts), np.repeat([b[3] for b in blocks], counts),
        np.arange(len(x)), tuple(str(c) for c in range(int(labels.max()) + 1)), scored, ("plain",), tuned,
    )  # fmt: skip
