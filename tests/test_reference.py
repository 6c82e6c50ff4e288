"""The float reference: its steps are gradients, its weights are the image's, and the integer twin follows it."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.twin.learn import Twin
from sdfa.twin.reference import FloatArray, FloatTail, features
from tests.imagekit import Recipe, inputs, tail_of

SIZES = (20, 12, 9, 5)


def loss_of(tail: FloatTail, x: FloatArray, label: int | FloatArray) -> float:
    z = tail.logits(x)
    if tail.output_scale is not None:
        return float(((z - label) ** 2).sum() / 2 / (256 * tail.output_scale))
    return float(np.log(np.exp(z - z.max()).sum()) + z.max() - z[int(np.asarray(label))])


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6"])
@pytest.mark.parametrize("loss", ["softmax_ce", "mse"])
def test_back_propagation_is_the_gradient(activation: str, loss: str) -> None:
    tail = FloatTail.from_image(tail_of(Recipe(SIZES, feedback="bp", activation=activation, loss=loss, weight_max=60)))
    rng = np.random.default_rng(1)
    x = rng.normal(size=20)
    label = 2 if loss == "softmax_ce" else rng.normal(size=5)
    before = [w.copy() for w in tail.weights], [b.copy() for b in tail.biases]
    tail.learn_many(x[None], np.array([label]), 1.0, 0.0)
    steps = [old - new for old, new in zip(before[0] + before[1], tail.weights + tail.biases, strict=True)]
    tail.weights, tail.biases = before
    for values, step in zip(tail.weights + tail.biases, steps, strict=True):
        for _ in range(15):
            at = tuple(int(rng.integers(0, n)) for n in values.shape)
            numeric = _slope(tail, values, at, x, label)
            assert step[at] == pytest.approx(numeric, abs=1e-6, rel=1e-4)


def _slope(tail: FloatTail, values: FloatArray, at: tuple[int, ...], x: FloatArray, label: int | FloatArray) -> float:
    h, kept, found = 1e-6, values[at], []
    for sign in (1, -1):
        values[at] = kept + sign * h
        found.append(loss_of(tail, x, label))
    values[at] = kept
    return (found[0] - found[1]) / (2 * h)


@pytest.mark.parametrize("activation", ["NONE", "RELU", "RELU6"])
def test_it_starts_as_the_twin(activation: str) -> None:
    """The dequantized tail computes what the integer twin does, up to the rounding of activations."""
    image = tail_of(Recipe(SIZES, activation=activation, weight_max=40))
    tail, twin = FloatTail.from_image(image), Twin(image)
    x = inputs(np.random.default_rng(2), 200, 20)
    nats = twin.logits(x) / 4096 / np.log2(np.e)
    real = tail.logits(features(image, x))
    assert np.abs(nats - real).max() < 0.1 * np.abs(real).max()
    assert np.corrcoef(nats.ravel(), real.ravel())[0, 1] > 0.99


@pytest.mark.parametrize("recipe", [
    Recipe(SIZES, rate=0.02, weight_max=60),
    Recipe(SIZES, rate=0.02, weight_max=60, feedback="bp"),
    Recipe(SIZES, rate=0.02, weight_max=60, feedback="dense"),
    Recipe(SIZES, rate=0.02, weight_max=60, feedback="live", k=1),
    Recipe(SIZES, rate=0.02, weight_max=60, feedback="live", centred=True),
    Recipe(SIZES, rate=0.02, weight_max=60, frozen=2),
    Recipe((20, 5), rate=0.01, weight_max=60, feedback="last"),
], ids=lambda r: f"{r.feedback}-{r.k}-{r.frozen}")  # fmt: skip
def test_the_twin_follows_it(recipe: Recipe) -> None:
    """One step of the twin, averaged over generator seeds, is the float step: the rounding is unbiased."""
    image = tail_of(dataclasses.replace(recipe, tau=0))
    x = inputs(np.random.default_rng(3), 1, 20)
    tail = FloatTail.from_image(image)
    start = [w.copy() for w in tail.weights], [b.copy() for b in tail.biases]
    tail.learn_many(features(image, x), [1], recipe.rate, 0.0)
    sums = [np.zeros_like(w) for w in start[0]], [np.zeros_like(b) for b in start[1]]
    for seed in range(400):
        twin = Twin(image)
        twin.random = seed * 7919
        twin.learn(x[0], 1)
        moved = FloatTail.from_image(image, twin.tail_bytes())
        for n in range(len(start[0])):
            sums[0][n] += moved.weights[n] - start[0][n]
            sums[1][n] += moved.biases[n] - start[1][n]
    for total, before, after in zip(sums[0] + sums[1], start[0] + start[1], tail.weights + tail.biases, strict=True):
        mean, wanted = (total / 400).ravel(), (after - before).ravel()
        assert mean @ wanted / (wanted @ wanted) == pytest.approx(1, abs=0.1)
        assert np.corrcoef(mean, wanted)[0, 1] > 0.97


def test_frozen_rows_stay() -> None:
    image = tail_of(Recipe(SIZES, frozen=2))
    tail = FloatTail.from_image(image)
    before = [w[:2].copy() for w in tail.weights]
    tail.learn_many(np.random.default_rng(4).normal(size=(20, 20)), np.zeros(20, int), 0.1, 0.0)
    assert all((w[:2] == b).all() for w, b in zip(tail.weights, before, strict=True))


def test_threshold_keeps_the_sum() -> None:
    tail = FloatTail.from_image(tail_of(Recipe(SIZES)))
    z = np.array([1.0, 0.9, -3.0, 0.2, 0.5])
    e = tail.error(z, 0, 0.1)
    assert e.sum() == pytest.approx(0)
    assert e[2] == 0
    assert np.count_nonzero(e) == 4


def test_images_without_description_are_refused() -> None:
    image = tail_of(Recipe(SIZES))
    tail_meta = image.meta["tail"]
    metas: list[dict[str, Any]] = [{}, {"tail": 3}, {"tail": tail_meta[:-1]}, {"tail": [{}, {}, {}]}]
    for meta in metas:
        with pytest.raises(SdfaError, match="META"):
            FloatTail.from_image(dataclasses.replace(image, meta=meta))
    with pytest.raises(SdfaError, match="labels"):
        FloatTail.from_image(image).learn_many(np.zeros((2, 20)), [1], 0.1, 0.0)
