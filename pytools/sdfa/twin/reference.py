"""The float reference: what the trainable tail would learn without quantization.

The same samples in the same order, the same feedback tables and threshold, in float64 and in real units, starting
from the weights of the image. Its distance from the integer twin is the price of the fixed point.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.reader import Image
from sdfa.twin.infer import Int8Array, run_until
from sdfa.twin.layers import Layer, Live, decode

FloatArray = npt.NDArray[np.float64]

_LARGEST_SCALE = 1e30
_CLAMPS = {"NONE": (-np.inf, np.inf), "RELU": (0.0, np.inf), "RELU6": (0.0, 6.0)}


@dataclass(frozen=True, eq=False)
class FloatLayer:
    """Constants of one layer.

    clamp: real ends of its activation. feedback: B float64[N, C]; how it follows the output weights, for `live`; None
    for the output layer and true transport. live: float64[N], 0 for a row that the image freezes, else 1.
    """

    clamp: tuple[float, float]
    feedback: FloatArray | Live | None
    live: FloatArray


class FloatTail:
    """The trainable tail in float64: weights [N, K] and biases [N] per layer, in real units."""

    def __init__(
        self,
        layers: list[FloatLayer],
        weights: list[FloatArray],
        biases: list[FloatArray],
        output_scale: float | None,
    ) -> None:
        self.layers = layers
        self.weights = weights
        self.biases = biases
        self.output_scale = output_scale

    @classmethod
    def from_image(cls, image: Image, tail: bytes | None = None) -> FloatTail:
        """The dequantized `tail`: None is the image's own, learned before factory.

        Reads meta["tail"][l]: weight_scale (list of N or 1 floats), input_scale, activation, and, for mean
        squared error, output_scale of the last layer.
        """
        learning = decode(image)
        tail = image.present_tail if tail is None else tail
        metas = _metas(image, len(learning.layers))
        classes = learning.layers[-1].out_n
        try:
            parts = [_layer(layer, meta, tail, classes) for layer, meta in zip(learning.layers, metas, strict=True)]
            scale = float(metas[-1]["output_scale"]) if learning.loss == "mse" else None
        except (KeyError, TypeError, ValueError) as e:
            raise SdfaError(f"the image's META does not describe its tail ({e}); export it again") from None
        return cls([p[0] for p in parts], [p[1] for p in parts], [p[2] for p in parts], scale)

    def forward(self, features: FloatArray) -> list[FloatArray]:
        """Activations [..., N] of every layer for features [..., K]; the last are the logits or outputs."""
        found, x = [], features
        for layer, w, b in zip(self.layers, self.weights, self.biases, strict=True):
            x = np.clip(x @ w.T + b, *layer.clamp)
            found.append(x)
        return found

    def logits(self, features: FloatArray) -> FloatArray:
        """Outputs [..., C] for features [..., K]: logits in nats, or values in real units."""
        return self.forward(features)[-1]

    def error(self, z: FloatArray, label: int | FloatArray, tau: float) -> FloatArray:
        """e [C] for outputs z [C]: from a label, or from targets [C] in real units."""
        if self.output_scale is not None:
            e = (z - label) / (256 * self.output_scale)
            return np.where(np.abs(e) < tau, 0.0, e)
        y = int(np.asarray(label))
        p = np.exp(z - z.max())
        p /= p.sum()
        p[y] = 0.0
        e = np.where(p >= tau, p, 0.0)
        e[y] = -e.sum()
        return e

    def deltas(self, activations: list[FloatArray], e: FloatArray) -> list[FloatArray]:
        """Δ [N] of every layer for one sample, from the present weights."""
        found = [e]
        for i in reversed(range(len(self.layers) - 1)):
            layer, h = self.layers[i], activations[i]
            if layer.feedback is None:
                d = self.weights[i + 1].T @ found[0]
            elif isinstance(layer.feedback, Live):
                d = live_deltas(self.weights[-1], e, layer.feedback)
            else:
                d = layer.feedback @ e
            found.insert(0, np.where((layer.clamp[0] < h) & (h < layer.clamp[1]), d, 0.0))
        return found

    def learn_many(self, features: FloatArray, labels: npt.ArrayLike, rate: float, tau: float) -> FloatArray:
        """One step per sample: features [n, K], labels [n] or targets [n, C]; the outputs [n, C] before each."""
        targets = np.asarray(labels)
        if len(targets) != len(features):
            raise SdfaError(f"there are {len(features)} samples and {len(targets)} labels; give one for each")
        outputs = np.zeros((len(features), len(self.biases[-1])))
        for i, x in enumerate(np.asarray(features, np.float64)):
            outputs[i] = self._learn(x, targets[i], rate, tau)
        return outputs

    def _learn(self, x: FloatArray, label: Any, rate: float, tau: float) -> FloatArray:
        activations = self.forward(x)
        e = self.error(activations[-1], label, tau)
        deltas = self.deltas(activations, e)
        for i, (layer, a) in enumerate(zip(self.layers, [x, *activations[:-1]], strict=True)):
            step = rate * layer.live * deltas[i]
            self.weights[i] -= step[:, None] * a
            self.biases[i] -= step
        return activations[-1]


def live_deltas(weights: FloatArray, e: FloatArray, live: Live) -> FloatArray:
    """Δ [N] of live feedback (SPEC 3.2) from output weights [C, N] and errors e [C]."""
    heard = np.flatnonzero(e)
    v = weights[heard].T
    if live.centred and len(heard) > live.k:
        v = v - v.mean(axis=1, keepdims=True)
    chosen = np.argsort(-np.abs(v), axis=1, kind="stable")[:, : live.k]
    found: FloatArray = (np.take_along_axis(v, chosen, axis=1) * e[heard][chosen]).sum(axis=1)
    return found


def features(image: Image, x: Int8Array) -> FloatArray:
    """The int8 backbone's features for x int8[n, input_len], dequantized: float64[n, K]."""
    first = decode(image).layers[0]
    q = run_until(image, x, first.place, int(image.ops[first.place][1]["in"]))
    scale = float(_metas(image, len(image.layers))[0].get("input_scale", first.in_scale))
    return (q.astype(np.float64) - first.z_in) * scale


def _metas(image: Image, n: int) -> list[dict[str, Any]]:
    metas = image.meta.get("tail")
    if not isinstance(metas, list) or len(metas) != n or not all(isinstance(m, dict) for m in metas):
        raise SdfaError("the image's META does not describe its tail; export it again")
    return metas


def _layer(layer: Layer, meta: dict[str, Any], tail: bytes, classes: int) -> tuple[FloatLayer, FloatArray, FloatArray]:
    """(constants, weights [N, K], biases [N]) in real units."""
    scale = np.broadcast_to(np.asarray(meta["weight_scale"], np.float64).reshape(-1), (layer.out_n,))
    if not np.all(np.abs([*scale, float(meta["input_scale"])]) < _LARGEST_SCALE):
        raise ValueError("a scale is not finite, or beyond reason")
    q = layer.weights(tail).astype(np.float64)
    bias = layer.bias(tail) * float(meta["input_scale"]) * scale
    live = (layer.mant > 0).astype(np.float64)
    return FloatLayer(_CLAMPS[meta["activation"]], _feedback(layer, classes), live), q * scale[:, None], bias


def _feedback(layer: Layer, classes: int) -> FloatArray | Live | None:
    """B float64[N, C] = coef · 2^(delta_exp + 7) (SPEC 3.2); a repeated index adds up."""
    if layer.index is None or layer.coef is None:
        return layer.live
    b = np.zeros((layer.out_n, classes))
    np.add.at(b, (np.arange(layer.out_n)[:, None], layer.index), layer.coef.astype(np.float64))
    return b * 2.0 ** (layer.delta_exp + 7)
