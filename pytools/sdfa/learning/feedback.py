"""Feedback tables: which output errors each hidden neuron listens to, and how strongly.

Crafton et al. 2019 (arXiv:1903.02083) draw them at random; `aligned` takes them from the pre-trained network itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.records import FEEDBACKS, LIVE_MAX, table_count
from sdfa.tflite.graph import FloatArray, Int8Array

COEF_MAX = 127


@dataclass(frozen=True, eq=False)
class Table:
    """Feedback of one hidden layer of n neurons.

    index: int64 (n, k), outputs listened to. coef: int8 (n, k). exponent: B = coef * 2^exponent.
    """

    index: npt.NDArray[np.int64]
    coef: Int8Array
    exponent: int

    def matrix(self, class_n: int) -> FloatArray:
        """B as float64 (n, class_n)."""
        b = np.zeros((len(self.index), class_n))
        np.add.at(b, (np.arange(len(b))[:, None], self.index), self.coef * 2.0**self.exponent)
        return b


def quantize_table(index: npt.NDArray[np.int64], values: FloatArray) -> Table:
    """Round real coefficients (n, k) to int8 with one power-of-two scale, chosen so that the largest uses 64 .. 127."""
    peak = float(np.abs(values).max(initial=0.0))
    # so small that its scale is no float: as good as zero
    exponent = math.ceil(math.log2(peak / COEF_MAX)) if peak > 1e-300 else 0
    coef = np.clip(np.rint(values / 2.0**exponent), -COEF_MAX, COEF_MAX).astype(np.int8)
    return Table(index, coef, exponent)


def products(weights: Sequence[FloatArray]) -> list[FloatArray]:
    """Downstream weight product of each hidden layer, float64 (n, classes), first hidden layer first.

    weights: (out, in) of each trainable layer. The linearised Jacobian dz/dh, transposed.
    """
    result: list[FloatArray] = []
    down = weights[-1].T
    for w in reversed(weights[:-1]):
        result.insert(0, down)
        down = w.T @ down
    return result


def jacobians(weights: Sequence[FloatArray], masks: Sequence[npt.NDArray[np.bool_]]) -> list[FloatArray]:
    """Mean downstream Jacobian of each hidden layer over samples, float64 (n, classes).

    masks: for each hidden layer, bool (samples, n): f' of its outputs. h_l feeds W_{l+1}, then mask l+1, and so on.
    """
    samples = len(masks[0])
    result: list[FloatArray] = []
    down = np.broadcast_to(weights[-1].T, (samples, *weights[-1].T.shape))
    for level in range(len(weights) - 2, -1, -1):
        result.insert(0, down.mean(axis=0))
        if level > 0:
            down = np.einsum("ji,sjc->sic", weights[level], down * masks[level][:, :, None])
    return result


def _strongest(j: FloatArray, k: int) -> npt.NDArray[np.int64]:
    """The k outputs with the largest |entry| of each row, strongest first."""
    return np.argsort(-np.abs(j), axis=1, kind="stable")[:, :k]


def _cover(index: npt.NDArray[np.int64], j: FloatArray) -> npt.NDArray[np.int64]:
    """Give every output a neuron: an uncovered one takes the weakest slot of the neuron that it depends on most.

    A slot is only taken from an output that keeps another neuron.
    """
    index = index.copy()
    count = np.bincount(index.ravel(), minlength=j.shape[1])
    for c in np.flatnonzero(count == 0):
        for i in np.argsort(-np.abs(j[:, c]), kind="stable"):
            old = index[i, -1]
            if count[old] > 1:
                count[old] -= 1
                count[c] += 1
                index[i, -1] = c
                break
    return index


def aligned_table(j: FloatArray, k: int) -> Table:
    """The k largest entries per neuron of the downstream Jacobian j (n, classes), all classes covered if possible."""
    if not np.any(j):
        raise SdfaError(
            "aligned feedback needs a trained network: its output weights are all zero; use --feedback random"
        )
    index = _cover(_strongest(j, k), j)
    return quantize_table(index, np.take_along_axis(j, index, axis=1))


def random_table(j: FloatArray, k: int, rng: np.random.Generator) -> Table:
    """k distinct outputs per neuron, coefficients uniform; rows as long on average as those of j, whatever k is."""
    n, class_n = j.shape
    index = np.argsort(rng.random((n, class_n)), axis=1)[:, :k]
    return quantize_table(index, rng.uniform(-1.0, 1.0, (n, k)) * _row_length(j) * math.sqrt(3.0 / k))


def _row_length(j: FloatArray) -> float:
    """Root of the mean squared length of the rows of j; 1 for an untrained net."""
    return math.sqrt(float(np.mean(np.sum(j**2, axis=1)))) or 1.0


def ranked_table(j: FloatArray, k: int, rank: int, rng: np.random.Generator) -> Table:
    """Random feedback of a given rank, as int8 has it: each neuron hears one of `rank` patterns, or its opposite.

    A pattern is k distinct outputs with uniform coefficients. All are equally long (as the rows of j on average),
    linearly independent and equally often used, whatever k and rank are. k = 1: `rank` outputs are heard, no others.
    SdfaError where there is no such table.
    """
    n, class_n = j.shape
    if not 1 <= rank <= min(n, class_n):
        raise SdfaError(
            f"--rank {rank}: between 1 and {min(n, class_n)}, the least of {class_n} outputs and {n} neurons of a layer"
        )
    pattern = rng.permutation(np.arange(n) % rank)
    sign = rng.choice((-1.0, 1.0), (n, 1))
    for _ in range(_RANK_TRIES):
        index, values = _patterns(class_n, k, rank, rng)
        table = quantize_table(index[pattern], sign * values[pattern] * _row_length(j))
        if np.linalg.matrix_rank(table.matrix(class_n)) == rank:
            return table
    raise SdfaError(
        f"--rank {rank}: no {rank} independent patterns of {k} int8 coefficients found; give a smaller rank"
    )


_RANK_TRIES = 100


def _patterns(class_n: int, k: int, rank: int, rng: np.random.Generator) -> tuple[npt.NDArray[np.int64], FloatArray]:
    """(outputs int64, coefficients) of patterns of length 1, both (rank, k). Each has an output of its own in front."""
    order = rng.random((rank, class_n))
    order[np.arange(rank), rng.permutation(class_n)[:rank]] = -1.0
    values = rng.uniform(-1.0, 1.0, (rank, k))
    return np.argsort(order, axis=1)[:, :k], values / np.linalg.norm(values, axis=1, keepdims=True)


def make_tables(
    kind: str, js: Sequence[FloatArray], k: int, rng: np.random.Generator, rank: int | None = None
) -> list[Table]:
    """Tables of the hidden trainable layers that have one. js: downstream Jacobians (n, classes), first layer first.

    rank: of random and dense feedback; None leaves it free.
    """
    if kind not in FEEDBACKS:
        raise SdfaError(f"unknown feedback {kind!r}; known: {', '.join(FEEDBACKS)}")
    class_n = js[0].shape[1] if js else 0
    if kind in ("random", "aligned", "live") and js and not 1 <= k <= class_n:
        raise SdfaError(f"--connections {k}: between 1 and the number of outputs, {class_n}")
    if kind == "live" and k > LIVE_MAX:
        raise SdfaError(f"--connections {k}: live feedback has at most {LIVE_MAX}")
    if kind in ("aligned", "live"):
        return [aligned_table(j, k) for j in js[: table_count(kind, len(js) + 1)]]
    if kind in ("random", "dense"):
        k = class_n if kind == "dense" else k
        return [random_table(j, k, rng) if rank is None else ranked_table(j, k, rank, rng) for j in js]
    return []


def bp_sigma(scale: FloatArray) -> tuple[npt.NDArray[np.uint16], int]:
    """Weight scales of a layer (n,) as Q15 under one power of two: scale = sigma * 2^(E - 15). Returns (sigma, E)."""
    exponent = math.ceil(math.log2(float(scale.max()))) if scale.max() > 0 else 0
    sigma = np.clip(np.rint(scale * 2.0 ** (15 - exponent)), 0, 65535)
    return sigma.astype(np.uint16), exponent
