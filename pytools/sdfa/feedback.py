"""Feedback tables: which output errors each hidden neuron listens to, and how strongly (DESIGN: sparse DFA).

Crafton et al. 2019 (arXiv:1903.02083) draw them at random; `aligned` takes them from the pre-trained network itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.graph import FloatArray, Int8Array
from sdfa.records import FEEDBACKS

COEF_MAX = 127
BP_SHIFT = 8


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
    exponent = math.ceil(math.log2(peak / COEF_MAX)) if peak > 0 else 0
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
    length = math.sqrt(float(np.mean(np.sum(j**2, axis=1)))) or 1.0
    return quantize_table(index, rng.uniform(-1.0, 1.0, (n, k)) * length * math.sqrt(3.0 / k))


def ranked_table(j: FloatArray, k: int, rank: int, rng: np.random.Generator) -> Table:
    """random_table with a matrix of at most this rank: rows are multiples of `rank` random ones, or mix them where k
    is the number of outputs. As long on average as the rows of j, whatever k and rank are."""
    n, class_n = j.shape
    if rank >= class_n:
        return random_table(j, k, rng)
    index = np.argsort(rng.random((rank, class_n)), axis=1)[:, :k]
    base = np.zeros((rank, class_n))
    np.put_along_axis(base, index, rng.uniform(-1.0, 1.0, (rank, k)), axis=1)
    if k == class_n:
        mixed, chosen = rng.uniform(-1.0, 1.0, (n, rank)) @ base, np.broadcast_to(np.arange(class_n), (n, class_n))
    else:
        which = rng.integers(0, rank, n)
        mixed, chosen = rng.uniform(-1.0, 1.0, (n, 1)) * base[which], index[which]
    values = np.take_along_axis(mixed, chosen, axis=1)
    length = float(np.sqrt(np.mean(np.sum(j**2, axis=1)) / np.mean(np.sum(values**2, axis=1))))
    return quantize_table(chosen, values * (length or 1.0))


def make_tables(kind: str, js: Sequence[FloatArray], k: int, rng: np.random.Generator) -> list[Table]:
    """Tables of all hidden trainable layers. js: downstream Jacobians (n, classes), first layer first."""
    if kind not in FEEDBACKS:
        raise SdfaError(f"unknown feedback {kind!r}; known: {', '.join(FEEDBACKS)}")
    class_n = js[0].shape[1] if js else 0
    if kind in ("random", "aligned") and js and not 1 <= k <= class_n:
        raise SdfaError(f"--connections {k}: between 1 and the number of outputs, {class_n}")
    if kind == "aligned":
        return [aligned_table(j, k) for j in js]
    if kind == "random":
        return [random_table(j, k, rng) for j in js]
    if kind == "dense":
        return [random_table(j, class_n, rng) for j in js]
    return []


def bp_sigma(scale: FloatArray) -> tuple[npt.NDArray[np.uint16], int]:
    """Weight scales of a layer (n,) as Q15 under one power of two: scale = sigma * 2^(E - 15). Returns (sigma, E)."""
    exponent = math.ceil(math.log2(float(scale.max()))) if scale.max() > 0 else 0
    sigma = np.clip(np.rint(scale * 2.0 ** (15 - exponent)), 0, 65535)
    return sigma.astype(np.uint16), exponent
