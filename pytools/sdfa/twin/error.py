"""The error of one learning step (firmware/SPEC.md 3.1) and what the counters take from it (3.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sdfa.twin.fixedpoint import MASK32, Int64Array, i64, log2_q12, mbqm, pow2

Threshold = Literal["sum", "plain"]

SAT16 = 32767


@dataclass(frozen=True, eq=False)
class Error:
    """e: int64[C], Q15. guess: the first c with z_c = z_max. loss: what this step adds to the counter."""

    e: Int64Array
    guess: int
    loss: int


def logits(acc: npt.ArrayLike, zmult: Int64Array, zshift: Int64Array) -> Int64Array:
    """z int64[..., C] from accumulators int32[..., C]; zmult and zshift as in the image, [C]."""
    room = i64(1) << (31 - np.maximum(zshift, 0))
    # a left shift by s keeps 32 - s bits; without one the room is all of int32
    return mbqm(np.clip(i64(acc), -room, room - 1), zmult, zshift)


def sat16(x: npt.ArrayLike) -> Int64Array:
    """Clamp to ±32767."""
    return np.minimum(np.maximum(i64(x), -SAT16), SAT16)


def probabilities(z: Int64Array) -> tuple[Int64Array, int]:
    """Softmax of logits z [C] in bits, Q12: p [C] in Q15, and the sum S in Q16."""
    t = (int(z.max()) - z) & MASK32
    n, f = t >> 12, t & 4095
    e = np.where(n > 16, 0, np.minimum(pow2(f) >> np.minimum(n, 16), 65535))
    total = int(e.sum())
    m = max(total.bit_length() - 17, 0)
    reciprocal = MASK32 // (total >> m)
    return ((e * reciprocal) & MASK32) >> (17 + m), total


def cross_entropy(z: Int64Array, label: int, tau_q15: int, threshold: Threshold) -> Error:
    """softmax(z) − onehot(label), with small errors left out so that the sum stays 0.

    threshold "plain" is not on the device: it leaves every small error out, the label's too, and so drifts.
    """
    p, total = probabilities(z)
    p[label] = 0
    if threshold == "sum":
        e = np.where(p >= tau_q15, p, 0)
        e[label] = -min(int(e.sum()), SAT16)
    else:
        e = p
        e[label] = -min(int(p.sum()), SAT16)
        e = np.where(np.abs(e) >= tau_q15, e, 0)
    loss = ((int(z.max()) - int(z[label])) & MASK32) + log2_q12(total) - (16 << 12)
    return Error(e, int(z.argmax()), max(loss, 0))


def squared(z: Int64Array, target: npt.ArrayLike, tau_q15: int) -> Error:
    """z − target, both in units of the output range, Q15; target i16[C]."""
    e = sat16(np.clip(z, -(1 << 20), 1 << 20) - i64(target))
    loss = int((e * e).sum()) >> 15
    return Error(np.where(np.abs(e) < tau_q15, 0, e), int(z.argmax()), loss)
