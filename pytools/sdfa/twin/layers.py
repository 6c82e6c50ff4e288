"""The trainable layers of an image (firmware/SPEC.md 1.5, 1.6), decoded for twin and float reference."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.checks import ints
from sdfa.image.reader import Image
from sdfa.image.records import FEEDBACKS, LIVE_CENTRED, LOSSES, RATIO, table_count
from sdfa.twin.fixedpoint import Int64Array, i64

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Live:
    """Connections of each neuron, and whether its weights are centred over the outputs with an error (3.2)."""

    k: int
    centred: bool


@dataclass(frozen=True, eq=False)
class Layer:
    """One trainable layer: K = in_n inputs, N = out_n neurons, C outputs of the model.

    place: index of its DENSE operation. z_in: zero point of its input; in_scale: its scale.
    bias_off, weights_off, fractions_off: bytes, in the tail; None: no 16-bit master weights.
    mant, exp: int64[N], s_a / s_w = mant · 2^exp; mant = 0 freezes.
    index, coef: int64[N, k] or None. sigma: int64[N] or None. live: of the last hidden layer with `live` feedback.
    """

    place: int
    in_n: int
    out_n: int
    z_in: int
    in_scale: float
    act_min: int
    act_max: int
    bias_off: int
    weights_off: int
    mant: Int64Array
    exp: Int64Array
    fractions_off: int | None
    index: Int64Array | None
    coef: Int64Array | None
    sigma: Int64Array | None
    live: Live | None
    delta_exp: int
    bias_mant: int
    bias_exp: int

    def weights(self, tail: bytes) -> Int8Array:
        """A copy of its weights int8[N, K] in these bytes."""
        flat = np.frombuffer(tail, np.int8, self.out_n * self.in_n, self.weights_off)
        return flat.reshape(self.out_n, self.in_n).copy()

    def fractions(self, tail: bytes) -> Int8Array | None:
        """A copy of the fractions of its master weights int8[N, K], if it has any."""
        if self.fractions_off is None:
            return None
        flat = np.frombuffer(tail, np.int8, self.out_n * self.in_n, self.fractions_off)
        return flat.reshape(self.out_n, self.in_n).copy()

    def bias(self, tail: bytes) -> Int32Array:
        """A copy of its biases int32[N] in these bytes."""
        return np.frombuffer(tail, "<i4", self.out_n, self.bias_off).astype(np.int32)


@dataclass(frozen=True, eq=False)
class Learning:
    """What and how the image learns. loss, feedback: of records.LOSSES, FEEDBACKS; zmult, zshift: int64[C]."""

    layers: tuple[Layer, ...]
    loss: str
    feedback: str
    rate_q24: int
    tau_q15: int
    seed: int
    zmult: Int64Array
    zshift: Int64Array


def decode(image: Image) -> Learning:
    """The image's learning part, or an SdfaError where it has none."""
    header = image.learning
    if header is None:
        raise SdfaError("this model has no trainable layers; export it with --train-last")
    feedback = FEEDBACKS[int(header["feedback"])]
    n = len(image.layers)
    ops = [image.ops[image.op_off.index(int(layer["op"]))][1] for layer in image.layers]
    classes = int(ops[-1]["out_n"])
    layers = tuple(_layer(image, image.layers[i], feedback, i, n, classes) for i in range(n))
    zmult, zshift, rate, tau, seed = ints(header, "zmult", "zshift", "rate_q24", "tau_q15", "seed")
    z = i64(image.constant(zmult, "<i4", classes)), i64(image.constant(zshift, np.int8, classes))
    return Learning(layers, LOSSES[int(header["loss"])], feedback, rate, tau, seed, *z)


def _layer(image: Image, record: np.void, feedback: str, i: int, n: int, classes: int) -> Layer:
    place = image.op_off.index(int(record["op"]))
    op = image.ops[place][1]
    source = image.tensors[int(op["in"])]
    in_n, out_n, act_min, act_max = ints(op, "in_n", "out_n", "act_min", "act_max")
    weights_off, master = int(op["weights"]), image.learning is not None and int(image.learning["master_bits"])
    fractions_off = weights_off + -(-out_n * in_n // 4) * 4 if master else None
    ratio = image.constant(int(record["ratio"]), RATIO, out_n)
    index, coef = _tables(image, record, out_n, classes) if i < table_count(feedback, n) else (None, None)
    transported = feedback == "bp" or (feedback == "live" and i == n - 1)
    sigma = i64(image.constant(int(record["sigma"]), "<u2", out_n)) if i and transported else None
    live = None
    if feedback == "live" and i == n - 2:
        live = Live(int(record["k"]), bool(int(record["flags"]) & LIVE_CENTRED))
    return Layer(
        place, in_n, out_n, int(source["zero_point"]), float(source["scale"]), act_min, act_max,
        int(op["bias"]), weights_off, i64(ratio["mant"]), i64(ratio["exp"]), fractions_off, index, coef, sigma, live,
        *ints(record, "delta_exp", "bias_mant", "bias_exp"),
    )  # fmt: skip


def _tables(image: Image, record: np.void, n: int, classes: int) -> tuple[Int64Array, Int64Array]:
    k, index, coef = ints(record, "k", "index", "coef")
    dtype = np.dtype("u1" if classes <= 256 else "<u2")
    return (
        i64(image.constant(index, dtype, n * k)).reshape(n, k),
        i64(image.constant(coef, np.int8, n * k)).reshape(n, k),
    )
