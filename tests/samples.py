"""Small images made by the exporter, of every loss, feedback and kernel: material for tests of the C runtime."""

from __future__ import annotations

import functools

import numpy as np

from sdfa.adapt import KEPT_HEADER, learned_image
from sdfa.export import Options, export_graph
from sdfa.image import pack_image
from sdfa.image_reader import read_image, sections_of
from sdfa.load import load_tflite
from sdfa.records import FEEDBACKS, LOSSES
from tests.tflite_writer import cnn, dense_net


@functools.cache
def dense_image(
    feedback: str = "aligned", loss: str = "softmax_ce", sizes: tuple[int, ...] = (12, 8, 6, 4), seed: int = 0
) -> bytes:
    """An exported chain of dense layers, all trainable (the output layer alone for `last`)."""
    model = dense_net(np.random.default_rng(seed), sizes, softmax=loss == "softmax_ce", per_channel=True)
    layers = 1 if feedback == "last" else len(sizes) - 1
    return _export(model, Options(train_last=layers, feedback=feedback, loss=loss))


@functools.cache
def frozen_image() -> bytes:
    """Nothing learns."""
    model = dense_net(np.random.default_rng(0), (12, 8, 4), softmax=True, per_channel=True)
    return _export(model, Options(train_last=0))


@functools.cache
def cnn_image() -> bytes:
    """Every kernel, on a small picture; the dense layers learn."""
    rng = np.random.default_rng(0)
    return _export(cnn(rng, (6, 6, 2), channels=4, hidden=(6,), classes=3), Options(train_last=2))


def _export(model: bytes, options: Options) -> bytes:
    return export_graph(load_tflite(model, "sample"), "sample", options).data


def learned(data: bytes, seed: int = 0) -> bytes:
    """The image with learned values: every weight of the tail is another one."""
    tail = np.frombuffer(read_image(data).tail, np.uint8) ^ np.uint8(1)
    return learned_image(data, tail.tobytes(), 5, seed, 100_000, 300)


def bare(data: bytes) -> bytes:
    """The image without META: a smaller target."""
    header = read_image(data).header
    sections = [(tag, payload) for tag, payload in sections_of(data) if tag != b"META"]
    return pack_image({name: header[name] for name in KEPT_HEADER}, sections)


def seeds() -> dict[str, bytes]:
    """Images to start a search from, by name."""
    found = {"frozen": frozen_image(), "cnn": cnn_image(), "learned": learned(dense_image())}
    for loss in LOSSES:
        found |= {f"{loss}-{feedback}": dense_image(feedback, loss) for feedback in FEEDBACKS}
    found["learned-mse-bp"] = learned(dense_image("bp", "mse"))
    found["wide"] = dense_image(sizes=(3, 4, 300))
    return {name: bare(data) for name, data in found.items()}
