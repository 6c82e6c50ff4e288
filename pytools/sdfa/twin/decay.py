"""The integer twin's decay towards the factory weights (firmware/SPEC.md 4.6)."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.records import MASTER_BITS
from sdfa.twin.fixedpoint import MASK32, Int64Array, UInt64Array, i64, lcg_jumps, mix
from sdfa.twin.learn import Twin
from sdfa.twin.update import BIAS_MAX


def way_back(way: Int64Array, lambda_q16: int, r: Int64Array) -> Int64Array:
    """floor(way · λ + r) with λ = lambda_q16 / 2^16 and r / 2^16 in [0, 1)."""
    return (way * lambda_q16 + r) >> 16


def decay(twin: Twin, lambda_q16: int) -> None:
    """Each weight and bias goes λ of its way back to the factory value."""
    if not 0 <= lambda_q16 < 1 << 16:
        raise SdfaError(f"a decay of {lambda_q16} is refused; it must lie between 0 and 65535")
    for i in range(len(twin.layers)):
        if twin.learns(i):
            _decay_layer(twin, i, lambda_q16)


def _decay_layer(twin: Twin, i: int, lambda_q16: int) -> None:
    layer = twin.layers[i]
    rows = layer.bias(twin.image.tail) >= -BIAS_MAX  # the factory knows no weights of classes that were added later
    words = _words(twin, int(rows.sum()), 1 + -(-layer.in_n // 4))
    r = _lanes(words[:, 1:]).reshape(len(words), -1)[:, : layer.in_n]
    _decay_weights(twin, i, rows, lambda_q16, r)
    bias = i64(twin.biases[i])[rows]
    way = i64(layer.bias(twin.image.tail))[rows] - bias
    bias = bias + way_back(way, lambda_q16, i64(words[:, 0]) >> 16)
    twin.biases[i][rows] = np.clip(bias, -BIAS_MAX, BIAS_MAX).astype(np.int32)


def _decay_weights(twin: Twin, i: int, rows: npt.NDArray[np.bool_], lambda_q16: int, r: Int64Array) -> None:
    """These rows of layer i; of master weights the masters."""
    layer, tail, fractions = twin.layers[i], twin.image.tail, twin.fractions[i]
    old, factory = i64(twin.weights[i]), i64(layer.weights(tail))
    at_home = layer.fractions(tail)
    if fractions is None or at_home is None:
        new = old[rows] + way_back((factory - old)[rows], lambda_q16, r)
    else:
        old, factory = (old << MASTER_BITS) + fractions, (factory << MASTER_BITS) + at_home
        master = old[rows] + way_back((factory - old)[rows], lambda_q16, r)
        new = (master + (1 << (MASTER_BITS - 1))) >> MASTER_BITS
        fractions[rows] = (master - (new << MASTER_BITS)).astype(np.int8)
    twin.weights[i][rows] = new.astype(np.int8)


def _lanes(y: UInt64Array) -> Int64Array:
    """Words uint64[...] to four dithers of 16 bits, int64[..., 4]: the word, turned right by 8 bits each time."""
    turned = [(y >> np.uint64(8 * i)) | (y << np.uint64(32 - 8 * i)) for i in range(4)]
    return i64(np.stack(turned, axis=-1) & np.uint64(0xFFFF))


def _words(twin: Twin, rows: int, each: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    """The generator's next words, uint64[rows, each]."""
    multiplier, increment = lcg_jumps(rows * each)
    states = (np.uint64(twin.random) * multiplier + increment) & np.uint64(MASK32)
    twin.random = int(states[-1])
    return mix(states).reshape(rows, each)
