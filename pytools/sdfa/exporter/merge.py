"""Learned weights back into the .tflite file that they came from."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from sdfa.errors import SdfaError
from sdfa.image.reader import Image
from sdfa.tflite.graph import Graph
from sdfa.tflite.load import load_tflite


def merge(image: Image, model: bytes) -> bytes:
    """`model`, the .tflite file that `image` was exported from, with the image's learned weights and biases.

    Raises SdfaError when nothing was learned, the file is another one, or its constants are shared between layers.
    """
    if image.learned_tail is None:
        raise SdfaError("this image holds no learned values: it is fresh from the exporter; let it learn first")
    if model[:4] in (b"PK\3\4", b"\x89HDF"):
        raise SdfaError(
            f"this is a Keras model: give the .tflite file that export wrote beside the image ({image.meta.get('name')}"
            ".tflite), or the one that `pytools quantize` made of it"
        )
    if hashlib.sha256(model).hexdigest() != image.meta.get("source_sha256"):
        source = str(image.meta.get("source"))
        raise SdfaError(f"the image was exported from another file (named {source!r}): give that .tflite file")
    if image.meta.get("spare"):
        raise SdfaError("the image has spare classes, for which the .tflite file has no outputs: it cannot be merged")
    places = _places(load_tflite(model, "model"))
    merged = bytearray(model)
    for meta, layer in zip(_metas(image), image.layers, strict=True):
        for off, data in _constants(image, meta, layer):
            _check_place(meta["place"], off, off + len(data), places)
            merged[off : off + len(data)] = data
    return bytes(merged)


def _places(graph: Graph) -> list[tuple[int, int]]:
    """(start, end) in the file of every constant that an operation reads, once for each that reads it."""
    read = (graph.tensors[i] for op in graph.ops for i in op.inputs if i >= 0)
    return [(t.data_off, t.data_off + t.data.nbytes) for t in read if t.data is not None and t.data_off is not None]


def _check_place(op_place: int, start: int, end: int, places: list[tuple[int, int]]) -> None:
    """SdfaError unless exactly one operation reads these bytes of the file, and all of them."""
    if (start, end) not in places:
        raise SdfaError(f"operation {op_place}: its learned values have no such place in the file; export it again")
    if sum(start < other_end and other_start < end for other_start, other_end in places) > 1:
        raise SdfaError(
            f"operation {op_place} shares a constant with another layer in the file: "
            "convert the model again so that each layer has its own weights and bias"
        )


def _metas(image: Image) -> list[dict[str, Any]]:
    """What META says about the layers that learn; an image is untrusted."""
    metas = image.meta.get("tail")
    need = {"place", "weight_off", "bias_off"}
    if not isinstance(metas, list) or len(metas) != len(image.layers):
        raise SdfaError("the image does not say where its weights belong; export it again")
    if not all(isinstance(m, dict) and all(type(m.get(key)) is int for key in need) for m in metas):
        raise SdfaError("the image does not say where its weights belong; export it again")
    return metas


def _constants(image: Image, meta: dict[str, Any], layer: np.void) -> list[tuple[int, bytes]]:
    """(offset in the file, bytes) of a layer's weights and bias."""
    assert image.learned_tail is not None
    op = image.ops[image.op_off.index(int(layer["op"]))][1]
    n, k = int(op["out_n"]), int(op["in_n"])
    weights = np.frombuffer(image.learned_tail, np.int8, n * k, int(op["weights"]))
    bias = np.frombuffer(image.learned_tail, "<i4", n, int(op["bias"]))
    return [
        (meta["weight_off"], weights.tobytes()),
        (meta["bias_off"], bias.tobytes()),
    ]
