"""Learned weights back into the .tflite file that they came from."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from sdfa.errors import SdfaError
from sdfa.image_reader import Image
from sdfa.load import load_tflite


def merge(image: Image, model: bytes) -> bytes:
    """`model`, the .tflite file that `image` was exported from, with the image's learned weights and biases.

    Raises SdfaError when nothing was learned, the file is another one, or its constants are shared between layers.
    """
    if image.learned_tail is None:
        raise SdfaError("this image holds no learned values: it is fresh from the exporter; run pytools learn first")
    if hashlib.sha256(model).hexdigest() != image.meta.get("source_sha256"):
        raise SdfaError(f"the image was not exported from this file but from another {image.meta.get('source')!r}")
    shared = _shared_offsets(model)
    merged = bytearray(model)
    for meta, layer in zip(image.meta["tail"], image.layers, strict=True):
        for off, data in _constants(image, meta, layer):
            if off in shared:
                raise SdfaError(
                    f"operation {meta['place']} shares a constant with another layer in the file: "
                    "convert the model again so that each layer has its own weights and bias"
                )
            merged[off : off + len(data)] = data
    return bytes(merged)


def _shared_offsets(model: bytes) -> set[int]:
    """Offsets of constants that more than one tensor uses."""
    offsets = [t.data_off for t in load_tflite(model, "model").tensors if t.data_off is not None]
    return {off for off in offsets if offsets.count(off) > 1}


def _constants(image: Image, meta: dict[str, Any], layer: np.void) -> list[tuple[int, bytes]]:
    """(offset in the file, bytes) of a layer's weights and bias; the zero point is unfolded from the bias."""
    assert image.learned_tail is not None
    op = image.ops[image.op_off.index(int(layer["op"]))][1]
    n, k = int(op["out_n"]), int(op["in_n"])
    weights = np.frombuffer(image.learned_tail, np.int8, n * k, int(op["weights"]))
    folded = np.frombuffer(image.learned_tail, "<i4", n, int(op["bias"])).astype(np.int64)
    zero_point = int(image.tensors[int(op["in"])]["zero_point"])
    bias = folded + zero_point * weights.reshape(n, k).astype(np.int64).sum(axis=1)
    return [
        (meta["weight_off"], weights.tobytes()),
        (meta["bias_off"], bias.astype(np.uint32).astype("<u4").tobytes()),
    ]
