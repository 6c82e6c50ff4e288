"""Learning that went wrong is told, with what to try next."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sdfa
from sdfa.bundle import model_dir
from sdfa.data import change_sensor, load_digits
from sdfa.device.device import Stats
from sdfa.device.trouble import notes, reasons
from sdfa.image.reader import Image
from tests.clikit import IMAGE, Cli, done

FINE = Stats(
    steps=100, correct=60, loss=100 * 4096, weights_nonzero=6000, weights_updated=5000, moved=900, saturated_weights=20,
    saturated_activations=30, saturated_logits=50,
)  # fmt: skip


@pytest.fixture(scope="module")
def image() -> Image:
    return sdfa.export(model_dir("digits") / "model.tflite", sdfa.Options(train_last=2)).image


def test_what_is_well_is_no_word_worth(image: Image) -> None:
    assert reasons(image, FINE, (0.5, 0.7)) == []
    assert reasons(image, FINE, (0.5, 0.49)) == []
    assert reasons(image, FINE, ()) == []
    nothing = replace(FINE, steps=0, weights_updated=0, saturated_weights=0, saturated_activations=0, loss=0)
    assert reasons(image, nothing, (0.5, 0.5)) == []
    hard = replace(FINE, loss=100 * 4096 * 5)  # a new sensor: bad at first
    assert reasons(image, hard, (0.1, 0.4)) == []
    assert reasons(image, replace(FINE, steps=20, loss=20 * 4096 * 5, saturated_activations=0), (0.1, 0.1)) == []
    assert notes([], 0.5, "Try", "") == []


@pytest.mark.parametrize(
    ("change", "scores", "says"),
    [
        ({"saturated_weights": 500}, (), "10.0 % of the weight changes stopped at a limit"),
        ({"saturated_activations": 400}, (), "17 % of the hidden outputs stood at their limit"),
        ({"loss": 100 * 4096 * 5}, (0.1, 0.1), "the mean loss was 3.47, more than the 2.30 of guessing"),
        ({}, (0.8, 0.6), "accuracy fell from 80.0 to 60.0 %"),
        ({}, (0.2, 0.7, 0.4), "accuracy fell from 70.0 % after epoch 1 to 40.0 %"),
    ],
)
def test_each_thing_that_goes_wrong(image: Image, change: dict[str, int], scores: tuple[float, ...], says: str) -> None:
    found = reasons(image, replace(FINE, **change), scores)
    assert found == [says]
    assert notes(found, 0.5, "Try", "!") == [f"learning at a rate of 0.5 went wrong: {says}. Try --lr 0.12!"]


def test_a_rate_that_wrecks_the_digits(work: Path, pytools: Cli) -> None:
    train = load_digits()[0]
    np.savez("new.npz", x=change_sensor(train.x, "rot90")[:200], y=train.y[:200])
    command = ("learn", IMAGE, "--data", "new.npz", "--epochs", 2, "-o", "new.sdfa")
    told = json.loads(done(pytools(*command, "--json", "-")).out)
    assert told["warnings"] == []
    text = " ".join(done(pytools(*command, "--lr", 0.5)).out.split())
    assert f"Learn again from {IMAGE}, with --lr 0.12, or let --guard halve find a rate" in text
    assert "note: learning at a rate of 0.5 went wrong: " in text
