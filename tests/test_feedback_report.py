"""`pytools inspect --feedback`: what it says of tables, live feedback and back-propagation."""

from __future__ import annotations

import functools
import io
import json
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sdfa.data import Samples
from sdfa.device.adapt import learned_image
from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import Image, read_image
from sdfa.show.feedback import feedback_report, show_feedback
from sdfa.tflite.load import load_tflite
from sdfa.twin.learn import Twin
from tests.tflite_writer import dense_net

SIZES = (20, 16, 12, 6)


@functools.cache
def _image(loss: str = "softmax_ce", sizes: tuple[int, ...] = SIZES, **options: Any) -> Image:
    model = dense_net(np.random.default_rng(1), sizes, softmax=loss == "softmax_ce", per_channel=True)
    found = Options(**{"train_last": len(sizes) - 1, "rate": 0.01, **options})
    return export_graph(load_tflite(model, "net"), "net", found).image


def _samples(loss: str = "softmax_ce", n: int = 60) -> Samples:
    rng = np.random.default_rng(2)
    y = rng.integers(0, SIZES[-1], n) if loss == "softmax_ce" else rng.normal(0, 1, (n, SIZES[-1])).astype(np.float32)
    return Samples(rng.integers(-128, 128, (n, SIZES[0])).astype(np.int8), y)


def _layers(image: Image, samples: Samples | None = None) -> list[dict[str, Any]]:
    found = feedback_report(image, samples)
    assert json.loads(json.dumps(found)) == found
    layers: list[dict[str, Any]] = found["layers"]
    return layers


@pytest.mark.parametrize("loss", ["softmax_ce", "mse"])
@pytest.mark.parametrize("data", [False, True])
def test_back_propagation_is_the_gradient(loss: str, data: bool) -> None:
    for row in _layers(_image(loss, feedback="bp"), _samples(loss) if data else None):
        assert row["angle"] == pytest.approx(0, abs=1e-4)
        assert (row["kind"], row["connections"], row["rank"], row["uncovered"]) == ("bp", 6, 6, [])
    assert [row["flash"] for row in _layers(_image(loss, feedback="bp"))] == [2 * 12, 2 * 6]


def test_tables_are_described_as_they_are() -> None:
    first, second = _layers(_image(feedback="aligned", connections=2))
    assert [row["kind"] for row in (first, second)] == ["aligned", "aligned"]
    assert (first["neurons"], first["flash"], second["flash"]) == (16, 16 * 2 * 2, 12 * 2 * 2)
    assert first["uncovered"] == second["uncovered"] == []


@pytest.mark.parametrize(("rank", "feedback"), [(1, "random"), (3, "random"), (2, "dense"), (6, "dense")])
def test_the_rank_that_was_asked_for_is_found(rank: int, feedback: str) -> None:
    assert [row["rank"] for row in _layers(_image(feedback=feedback, rank=rank))] == [rank, rank]


def test_random_k_1_of_rank_2_leaves_four_outputs_unheard() -> None:
    for row in _layers(_image(feedback="random", connections=1, rank=2)):
        assert (len(row["uncovered"]), row["listeners"]) == (4, {"min": 0, "median": 0.0})


@pytest.mark.parametrize("centred", [False, True])
def test_live_is_closer_to_the_gradient_than_frozen_tables(centred: bool) -> None:
    """Under a threshold: while every output has an error, both take the same k before anything was learned."""
    live = _layers(_image(feedback="live", centred=centred, tau=1 / 32), _samples())
    aligned = _layers(_image(feedback="aligned", tau=1 / 32), _samples())
    assert [row["kind"] for row in live] == ["aligned", "live, centred" if centred else "live"]
    assert live[1]["flash"] == 2 * 6
    assert live[0] == aligned[0]
    assert live[1]["angle"] < aligned[1]["angle"] < 90


def test_learned_weights_count() -> None:
    """A frozen table drifts away from the weights that it was taken from; live feedback does not."""
    angles = {}
    for kind in ("aligned", "live"):
        image, samples = _image(feedback=kind, sizes=(20, 16, 6)), _samples(n=400)
        twin = Twin(image)
        twin.set_rate(1 << 20)
        twin.learn_many(np.asarray(samples.x, np.int8), samples.y)
        data = learned_image(_bytes(kind), twin.tail_bytes(), 400, twin.random, twin.rate_q24, twin.tau_q15)
        before, after = (_layers(i, samples)[0]["angle"] for i in (image, read_image(data)))
        angles[kind] = after - before
    assert angles["aligned"] > angles["live"] + 5


def _bytes(kind: str) -> bytes:
    model = dense_net(np.random.default_rng(1), (20, 16, 6), softmax=True, per_channel=True)
    options = Options(train_last=2, rate=0.01, feedback=kind)
    return export_graph(load_tflite(model, "net"), "net", options).data


def test_the_table_for_people() -> None:
    text = io.StringIO()
    console = Console(file=text, width=100, markup=False)
    show_feedback(feedback_report(_image(feedback="live"), _samples()), console)
    show_feedback(feedback_report(_image(feedback="random", connections=1, rank=2), None), console)
    show_feedback(feedback_report(_image(feedback="last", train_last=1), None), console)
    said = text.getvalue()
    for part in ("true gradient, mean of", "product of the present weights", "4 unheard", "there is no feedback"):
        assert part in said


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(SdfaError, match="nothing learns in this image"):
        feedback_report(_image(train_last=0, rate=None), None)
    silent, x = _image(feedback="live", tau=0.999), np.zeros((1, SIZES[0]), np.int8)
    with pytest.raises(SdfaError, match="no sample has an error above the threshold"):
        feedback_report(silent, Samples(x, Twin(silent).classify(x)))
