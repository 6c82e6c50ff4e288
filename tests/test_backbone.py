"""A convolutional backbone over raw signals: what TensorFlow trained is what the device computes and teaches."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sdfa.device.device import Device
from sdfa.experiment import features
from sdfa.experiment.backbone import with_headroom
from sdfa.experiment.basenet import Training
from sdfa.experiment.people import POOL, TEST, People
from sdfa.experiment.protocol import Cell, Settings, trained, work_of
from sdfa.experiment.rules import RULES
from sdfa.experiment.sets import SETS
from sdfa.targets import Host
from sdfa.tflite.dense_model import Scaling, he_net, quantize_dense
from sdfa.tflite.load import load_tflite
from tests.clikit import Cli, one_line

WINDOW = (16, 2)


def test_headroom_is_that_of_a_net_made_with_it() -> None:
    """Our own quantizer without headroom, widened afterwards, beside the same with headroom from the start."""
    net, x = he_net((10, 8, 3), np.random.default_rng(1)), np.random.default_rng(2).random((40, 10), np.float32)
    plain, wide = (load_tflite(quantize_dense(net, x, Scaling(h)), "net") for h in (1.0, 1.5))
    for made, expected in zip(with_headroom(plain, net, 1.5).tensors, wide.tensors, strict=True):
        np.testing.assert_allclose(made.scale, expected.scale, rtol=1e-6)
        if expected.data is not None and made.data is not None:
            assert np.abs(made.data.astype(np.int64) - expected.data.astype(np.int64)).max() <= 1


def test_another_layer_than_expected_is_noticed() -> None:
    net, x = he_net((10, 8, 3), np.random.default_rng(1)), np.random.default_rng(2).random((40, 10), np.float32)
    graph = load_tflite(quantize_dense(net, x, Scaling(1.0)), "net")
    with pytest.raises(ValueError, match="the converter has changed"):
        with_headroom(graph, he_net((10, 7, 3), np.random.default_rng(1)), 1.5)


def _signals() -> People:
    """Three people; class 0, 1, 2: a slow, a middle and a fast swing, of any phase."""
    rng = np.random.default_rng(3)
    n = 360
    y, person = np.arange(n) % 3, np.repeat(["a", "b", "c"], n // 3)
    phase, t = rng.random((n, 1, 1)) * 6.3, np.arange(WINDOW[0])[:, None]
    x = np.sin(phase + (y[:, None, None] + 0.5) * t) + 0.2 * rng.standard_normal((n, *WINDOW))
    part = np.where(np.arange(n) // 3 % 2 == 0, POOL, TEST)
    flat = x.reshape(n, -1).astype(np.float32)
    return People(flat, flat, y, person, part, np.arange(n), ("slow", "middle", "fast"), ("c",), ("a", "b"))


@pytest.mark.filterwarnings("ignore")  # TensorFlow's own
def test_what_was_trained_is_what_the_device_computes_and_teaches() -> None:
    people = _signals()
    training = Training(hidden=(16, 8), epochs=5, batch=8, rate=5e-3)
    net = trained(people, ("a", "b"), Settings(training=training, window=WINDOW))
    rows = people.rows(("c",), TEST)
    real = net.net.forward(net.prepared(people.x[rows]))[-1].argmax(axis=1)
    fixed = Device(Host(), net.image(RULES["live k=2"], 1)).classify(net.quantized(people.x[rows]))
    assert np.mean(real == people.y[rows]) > 0.9
    assert np.mean(real == fixed) > 0.95
    wrong = replace(people, y=(people.y + 1) % 3)  # another meaning of the same signals has to be learned
    net.people = wrong
    cell = Cell("test", "all", "c", 10, 1, "live k=2", 0.02, 20)
    scores = work_of(cell, RULES["live k=2"], net, (20,)).work()["test"]
    assert scores[0] < 0.2
    assert scores[-1] > 0.8


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (("digits", "--backbone", "cnn"), "digits has none; there is myo_emg, sisfall_har"),
        (("digits", "--backbone", "rnn"), "--backbone rnn: there is cnn"),
        (("mine.csv", "--backbone", "cnn"), "leave it away with your own features"),
        (("digits", "--backbone", "cnn", "--rules", "scratch"), "leave it out of --rules"),
    ],
)
def test_refusals(args: tuple[str, ...], message: str, pytools: Cli, tmp_path: Path) -> None:
    assert message in one_line(pytools("experiment", "personalize", *args, "-o", tmp_path / "out"))


def test_without_tensorflow_it_is_one_line(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *more: None if name == "tensorflow" else found(name))
    command = ("experiment", "personalize", "myo_emg", "--backbone", "cnn", "-o", tmp_path / "out")
    assert "needs TensorFlow: pip install 'sdfa[train]'" in one_line(pytools(*command))


def test_raw_windows_are_those_that_features_are_made_of() -> None:
    rng, n = np.random.default_rng(0), 40
    arrays = {
        "X": rng.integers(-200, 200, (n, 128, 6)).astype(np.int16), "y": np.arange(n) % 2, "phase": np.arange(n) % 3,
        "subject": np.repeat(["SA01", "SE01"], n // 2), "role": np.repeat(["base", "new"], n // 2),
        "code": np.full(n, "D01"), "trial": np.zeros(n, int), "classes": np.array(["a", "b"]),
    }  # fmt: skip
    known = SETS["sisfall_har"]
    assert known.raw is not None
    plain, raw = known.load(arrays, "turned"), known.raw(arrays, "turned")
    assert np.array_equal(plain.y, raw.y)
    assert np.array_equal(raw.x.reshape(n, 128, 6), arrays["X"])
    np.testing.assert_allclose(features.motion(raw.changed.reshape(n, 128, 6)), plain.changed, rtol=1e-4)
