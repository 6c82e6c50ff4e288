"""Small images made by the exporter, of every loss, feedback and kernel: material for tests of the C runtime."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sdfa.device.adapt import learned_image
from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.image.packing import repack
from sdfa.image.reader import read_image, sections_of
from sdfa.image.records import ADD_SUBTRACT, FEEDBACKS, KEPT_HEADER, KIND_OF, KINDS, LAYER_ZEROS, LOSSES
from sdfa.image.writer import pack_image
from sdfa.tflite.load import load_tflite, read_model
from tests.imagekit import Data, op_image
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
def live_image() -> bytes:
    """Live feedback, master weights and a spare class."""
    model = dense_net(np.random.default_rng(0), (6, 5, 4), softmax=True, per_channel=True)
    return _export(model, Options(train_last=2, feedback="live", centred=True, master=16, spare=1))


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


@functools.cache
def packed_image() -> bytes:
    """Weights packed for the DSP extension, in a convolution and in a dense layer: nine rows, a group and one more."""
    model = cnn(np.random.default_rng(0), (4, 4, 2), channels=9, hidden=(9,), classes=3, residual=False)
    return repack(bare(_export(model, Options(train_last=1))), "dsp")


@functools.cache
def converted_images() -> dict[str, bytes]:
    """The small models that TensorFlow's converter wrote; one dense layer learns where there is one."""
    found = {}
    for path in sorted(Path(__file__).with_name("data").glob("*.tflite")):
        graph, _ = read_model(path)
        try:
            found[path.stem] = export_graph(graph, "sample", Options(train_last=1)).data
        except SdfaError:
            found[path.stem] = export_graph(graph, "sample", Options(train_last=0)).data
    return found


def op_images() -> dict[str, bytes]:
    """One operation each, written by hand: every kind that the other images here lack."""
    shape = (2, 3, 4)
    act = {"act_min": -128, "act_max": 127}
    table = Data()
    at = table.add(range(127, -129, -1), np.int8)
    rows = Data()
    dense = {"weights": rows.add(range(-4, 4), np.int8), "bias": rows.add([7, -9, 7 + 30, -9 - 18], "<i4"),
             "mult": rows.add([1 << 30] * 2, "<i4"), "shift": rows.add([-3, -4], np.int8)}  # fmt: skip
    return {
        "mul": _op("mul", [shape] * 3, Data(), in1=1, mult=1 << 30, shift=-6, **act),
        "subtract": _op("add", [shape] * 3, Data(), in1=1, flags=ADD_SUBTRACT, mult0=1 << 30, mult1=1 << 30,
                        mult_out=1 << 30, shift_out=-18, **act),
        "mean": _op("mean", [shape, (1, 1, 4)], Data(), mult=1 << 30, shift=-1),
        "pad": _op("pad", [shape, (5, 5, 4)], Data(), top=1, left=2),
        "copy": _op("copy", [shape, (2, 3, 6)], Data(), rows=6, row_len=4, off=2),
        "zeros": _op("dense", [shape, (2, 3, 2)], rows, rows=6, in_n=4, out_n=2, flags=LAYER_ZEROS, **dense, **act),
        "table": _op("table", [shape] * 2, table, table=at),
        "maxpool": _op("maxpool", [(4, 4, 2), (2, 2, 2)], Data(), kh=3, kw=3, stride_h=2, stride_w=2, pad_top=1, **act),
    }  # fmt: skip


def _op(kind: str, shapes: Sequence[tuple[int, int, int]], data: Data, /, **fields: int) -> bytes:
    zero_points = [-3, 5, 7][: len(shapes)]
    dtype = KINDS[KIND_OF[kind]][1]
    return op_image(dtype, data, shapes, zero_points, kind=KIND_OF[kind], **fields)


def _export(model: bytes, options: Options) -> bytes:
    return export_graph(load_tflite(model, "sample"), "sample", options).data


def learned(data: bytes, seed: int = 0) -> bytes:
    """The image with learned values: every weight of the tail is another one."""
    tail = np.frombuffer(read_image(data).tail, np.uint8) ^ np.uint8(1)
    return learned_image(data, tail.tobytes(), 5, seed, 100_000, 300)


def with_meta(data: bytes, change: Callable[[dict[str, Any]], Any]) -> bytes:
    """The image after `change` of what META says; sound in every other way."""
    header, sections = read_image(data).header, dict(sections_of(data))
    meta = json.loads(sections[b"META"])
    change(meta)
    sections[b"META"] = json.dumps(meta).encode()
    return pack_image({name: header[name] for name in KEPT_HEADER}, [*sections.items()])


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
    found["live-master-spare"] = live_image()
    found["wide"] = dense_image(sizes=(3, 4, 300))
    found |= converted_images()
    return {name: bare(data) for name, data in found.items()} | op_images() | {"packed": packed_image()}
