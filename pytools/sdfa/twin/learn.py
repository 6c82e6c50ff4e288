"""The integer twin's learning step (firmware/SPEC.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.checks import ints
from sdfa.image.reader import Image
from sdfa.twin import infer
from sdfa.twin.error import Error, Threshold, cross_entropy, logits, sat16, squared
from sdfa.twin.fixedpoint import Int64Array, i64
from sdfa.twin.layers import Layer, Learning, Live, decode
from sdfa.twin.update import Draws, Rounding, apply, rate_of

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]


@dataclass
class Stats:
    """The counters of 3.5."""

    steps: int = 0
    correct: int = 0
    loss: int = 0
    weights_nonzero: int = 0
    weights_updated: int = 0
    moved: int = 0
    saturated_weights: int = 0
    saturated_activations: int = 0
    saturated_logits: int = 0


@dataclass(frozen=True, eq=False)
class _Pass:
    """One sample through the tail: inputs int8[K] and outputs int8[N] per trainable layer, acc int64[C]."""

    inputs: list[Int8Array]
    outputs: list[Int8Array]
    acc: Int64Array


class Twin:
    """A device in numpy: an image and its trainable state.

    weights: int8[N, K], fractions: of 16-bit master weights, int8[N, K] or None, biases: int32[N], per trainable layer.
    random: the generator's state. frozen: bit l stops layer l. A learned image starts with its learned values. rounding
    other than "stochastic" and threshold other than "sum" are for experiments; the device has neither.
    """

    def __init__(
        self,
        image: Image,
        *,
        rounding: Rounding = "stochastic",
        threshold: Threshold = "sum",
        learned: bool = True,
    ) -> None:
        self.image = image
        self.learning: Learning = decode(image)
        self.layers: tuple[Layer, ...] = self.learning.layers
        self.threshold: Threshold = threshold
        self._draws = [Draws(layer.in_n, rounding, layer.fractions_off is not None) for layer in self.layers]
        self.stats = Stats()
        self.frozen = 0
        self.random, self.tau_q15, rate = self.learning.seed, self.learning.tau_q15, self.learning.rate_q24
        tail = image.tail
        if learned and image.learned is not None and image.learned_tail is not None:
            self.stats.steps, self.random, rate, self.tau_q15 = ints(
                image.learned, "steps", "random", "rate_q24", "tau_q15"
            )
            tail = image.learned_tail
        self.set_tail(tail)
        self.set_rate(rate)

    # --- state ---

    def set_rate(self, rate_q24: int) -> None:
        """Learn with η = rate_q24 / 2^24 from now on; refused (SdfaError) where 3.4 refuses it."""
        self._rates = rate_of(self.layers, rate_q24)
        self.rate_q24 = rate_q24

    def learns(self, i: int) -> bool:
        """Whether layer i is not frozen."""
        return i > 15 or not self.frozen >> i & 1

    def set_tail(self, tail: bytes) -> None:
        """These bytes (1.5) as the trainable tail."""
        # those of the padding stay what they are
        self._start = tail
        self.weights: list[Int8Array] = [layer.weights(tail) for layer in self.layers]
        self.fractions: list[Int8Array | None] = [layer.fractions(tail) for layer in self.layers]
        self.biases: list[Int32Array] = [layer.bias(tail) for layer in self.layers]

    def tail_bytes(self) -> bytes:
        """The trainable tail as it lies in RAM (1.5)."""
        tail = bytearray(self._start)
        for layer, w, f, b in zip(self.layers, self.weights, self.fractions, self.biases, strict=True):
            tail[layer.weights_off : layer.weights_off + w.size] = w.tobytes()
            if layer.fractions_off is not None and f is not None:
                tail[layer.fractions_off : layer.fractions_off + f.size] = f.tobytes()
            tail[layer.bias_off : layer.bias_off + 4 * b.size] = b.astype("<i4").tobytes()
        return bytes(tail)

    # --- inference ---

    def run(self, x: Int8Array) -> infer.Run:
        """Infer x int8[n, input_len] with the present tail."""
        return infer.run(self.image, self.tail_bytes(), x)

    def classify(self, x: Int8Array) -> npt.NDArray[np.int64]:
        """The first output with the largest logit z (3.1) of each sample: int64[n]."""
        return i64(self.logits(x).argmax(axis=1))

    def classes_of(self, ran: infer.Run) -> npt.NDArray[np.int64]:
        """The same of inferences that are done: int64[n]."""
        assert ran.acc is not None
        return i64(self._logits(i64(ran.acc)).argmax(axis=1))

    def logits(self, x: Int8Array) -> Int64Array:
        """z int64[n, C] (3.1)."""
        return self._logits(self._pass(self.features(x)).acc)

    def features(self, x: Int8Array) -> Int8Array:
        """What the first trainable layer reads: int8[n, K]. Learning never changes it."""
        place = self.layers[0].place
        return infer.run_until(self.image, x, place, int(self.image.ops[place][1]["in"]))

    # --- learning ---

    def learn(self, x: Int8Array, label: int) -> int:
        """One step from one sample int8[input_len]; returns the guess before it."""
        return int(self.learn_many(x.reshape(1, -1), np.array([label]))[0])

    def learn_many(self, x: Int8Array, labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """One step per sample int8[n, input_len] with its label [n], in order; the guesses before each."""
        return self.learn_features(self.features(x), labels)

    def learn_features(self, features: Int8Array, labels: npt.ArrayLike) -> npt.NDArray[np.int64]:
        """learn_many from `features`, so that several epochs need the backbone once."""
        self._expect("softmax_ce")
        y = np.asarray(labels)
        classes = self.layers[-1].out_n
        if (
            y.shape != (len(features),)
            or y.dtype.kind not in "iu"
            or (y.size and not 0 <= y.min() <= y.max() < classes)
        ):
            raise SdfaError(
                f"labels are {y.dtype}{list(y.shape)}; they must be {len(features)} integers below {classes}"
            )
        closed = [int(c) for c in np.unique(y) if not self.is_open(int(c))]
        if closed:
            raise SdfaError(f"label {closed[0]} is a spare class: add it first")
        return np.array([self._learn_one(f, int(c)) for f, c in zip(features, y, strict=True)], np.int64)

    def learn_weighted(self, features: Int8Array, label: int, weight_q15: int) -> int:
        """learn_features for one sample int8[K], its error weighted (4.5); the guess before it."""
        if not 0 < weight_q15 < 1 << 20:
            raise SdfaError(f"a weight of {weight_q15} is refused; it must lie above 0 and below 2^20")
        scaled, kept = max(self.rate_q24 * weight_q15 >> 15, 1), self._rates
        self._rates = rate_of(self.layers, scaled, any_small=weight_q15 <= 1 << 15)
        try:
            return int(self.learn_features(features.reshape(1, -1), np.array([label]))[0])
        finally:
            self._rates = kept

    def score_features(self, features: Int8Array, label: int) -> tuple[bool, int]:
        """Whether the class of one sample int8[K] is right, and its loss, of the present weights (4.1)."""
        self._expect("softmax_ce")
        error = cross_entropy(self._logits(self._pass(features).acc), label, self.tau_q15, self.threshold)
        return error.guess == label, error.loss

    def is_open(self, label: int) -> bool:
        """Whether this output is no spare one that waits for a class (4.7)."""
        return int(self.biases[-1][label]) >= -(1 << 30)

    def add_class(self) -> int:
        """Opens the next spare output with the mean of the open ones; its label."""
        w, bias = i64(self.weights[-1]), i64(self.biases[-1])
        is_open = np.array([self.is_open(c) for c in range(len(bias))])
        if is_open.all() or not is_open.any():
            raise SdfaError("no spare class is left; export with more --spare-classes")
        slot, n = int(np.argmin(is_open)), int(is_open.sum())
        towards_zero = np.sign(bias[is_open]) * (np.abs(bias[is_open]) // n)
        rest = int((bias[is_open] - n * towards_zero).sum())
        self.weights[-1][slot] = np.clip(mean_of(w[is_open].sum(axis=0), n), -127, 127)
        fractions = self.fractions[-1]
        if fractions is not None:
            fractions[slot] = 0
        self.biases[-1][slot] = int(towards_zero.sum()) + int(mean_of(i64(rest), n))
        return slot

    def learn_target(self, x: Int8Array, target: npt.ArrayLike) -> None:
        """One step from one sample int8[input_len] and its targets i16[C], of the output range, Q15."""
        self._expect("mse")
        t = np.asarray(target)
        if t.shape != (self.layers[-1].out_n,) or t.dtype.kind not in "iu" or np.abs(i64(t)).max() > 1 << 15:
            raise SdfaError(f"targets are {t.dtype}{list(t.shape)}; they must be {self.layers[-1].out_n} of 16 bits")
        seen = self._pass(self.features(x.reshape(1, -1))[0])
        self._step(seen, squared(self._logits(seen.acc), t, self.tau_q15))

    # --- one step ---

    def _expect(self, loss: str) -> None:
        if self.learning.loss != loss:
            wants = "targets" if loss == "softmax_ce" else "labels"
            raise SdfaError(f"this model learns from {wants}; call {'learn_target' if wants == 'targets' else 'learn'}")

    def _pass(self, features: Int8Array) -> _Pass:
        """The tail on features int8[..., K]."""
        inputs, outputs, x = [], [], features
        acc = i64(0)
        for layer, w, b in zip(self.layers, self.weights, self.biases, strict=True):
            inputs.append(x)
            acc, x = infer.dense(self.image, layer.place, w, b, x)
            outputs.append(x)
        return _Pass(inputs, outputs, acc)

    def _logits(self, acc: Int64Array) -> Int64Array:
        return logits(acc, self.learning.zmult, self.learning.zshift)

    def _learn_one(self, features: Int8Array, label: int) -> int:
        seen = self._pass(features)
        error = cross_entropy(self._logits(seen.acc), label, self.tau_q15, self.threshold)
        self.stats.correct += error.guess == label
        self._step(seen, error)
        return error.guess

    def _step(self, seen: _Pass, error: Error) -> None:
        self.stats.steps += 1
        self.stats.loss += error.loss
        q = seen.outputs[-1]
        self.stats.saturated_logits += int(np.count_nonzero((q == -128) | (q == 127)))
        if not error.e.any():
            return
        deltas = self._deltas(seen, error.e)
        for i in reversed(range(len(self.layers))):
            if self.learns(i):
                self._update(i, deltas[i], seen.inputs[i])

    def _deltas(self, seen: _Pass, e: Int64Array) -> dict[int, Int64Array]:
        """D int64[N] of every layer that needs one (3.2), all from the weights before this step."""
        n = len(self.layers)
        first = next((i for i in range(n) if self.learns(i)), n)
        deltas = {n - 1: e}
        for i in reversed(range(first, n - 1)):
            layer, q = self.layers[i], seen.outputs[i]
            if self.learning.feedback == "bp":
                d = self._transported(i + 1, deltas[i + 1])
            elif not self.learns(i):
                continue
            elif layer.index is not None and layer.coef is not None:
                d = sat16(((layer.coef * e[layer.index]).sum(axis=1) + 128) >> 8)
            else:
                d = self._heard(layer.live, e)
            self.stats.saturated_activations += int((q == layer.act_max).sum())
            deltas[i] = np.where((layer.act_min < q) & (q < layer.act_max), d, 0)
        return deltas

    def _transported(self, i: int, d: Int64Array) -> Int64Array:
        """Back-propagation of layer i's deltas through its weights."""
        sigma = self.layers[i].sigma
        assert sigma is not None  # the reader demands it
        t = (d * sigma + (1 << 14)) >> 15
        return sat16((i64(self.weights[i]).T @ t + 128) >> 8)

    def _heard(self, live: Live | None, e: Int64Array) -> Int64Array:
        """Live feedback: each neuron's strongest present weights to the outputs that have an error."""
        sigma = self.layers[-1].sigma
        assert live is not None  # the reader demands both
        assert sigma is not None
        heard = np.flatnonzero(e)
        v = (i64(self.weights[-1][heard]).T * sigma[heard] + (1 << 11)) >> 12
        if len(heard) > live.k and live.centred:
            v -= (v.sum(axis=1, keepdims=True) * ((1 << 16) // len(heard)) + (1 << 15)) >> 16
        chosen = np.argsort(-np.abs(v), axis=1, kind="stable")[:, : live.k]
        return sat16(((np.take_along_axis(v, chosen, axis=1) * e[heard][chosen]).sum(axis=1) + (1 << 10)) >> 11)

    def _update(self, i: int, d: Int64Array, x: Int8Array) -> None:
        layer = self.layers[i]
        moves, self.random = self._draws[i].plan(self._rates[i], d, self.random)
        self.stats.weights_nonzero += layer.in_n * int(np.count_nonzero(d))
        if not len(moves.rows):
            return
        self.stats.weights_updated += layer.in_n * len(moves.rows)
        a = i64(x) - layer.z_in
        change = apply(layer, self._draws[i], moves, a, self.weights[i], self.fractions[i], self.biases[i])
        self.stats.moved += change.moved
        self.stats.saturated_weights += change.saturated


def mean_of(total: Int64Array, n: int) -> Int64Array:
    """total / n to the nearest, halves away from zero for even n, as C divides."""
    return i64(np.sign(total) * ((np.abs(total) + n // 2) // n))
