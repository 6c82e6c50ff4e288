"""The order of weights in an image: plain, or packed for a core family (firmware/SPEC.md 1.4).

An image is exported plain, and `model_id` belongs to that form. Packing happens in place: no offset and no length
changes, so that it can be undone, and every core reads every packing.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.reader import Image, read_image
from sdfa.image.records import HEADER, LAYER_PACKABLE, LAYER_PACKED, SECTION
from sdfa.tflite.graph import Int8Array

PACKINGS = ("plain", "dsp")
"""dsp: SMLAD pairs (Cortex-M4, M7, M33)."""
GROUP = 8
ROW_SUM_MAX = 1 << 16


def packable(weights: Int8Array) -> bool:
    """Whether int8[n, k] may be packed for the DSP extension: sums of both rows of a pair must come apart again."""
    w = weights.reshape(len(weights), -1).astype(np.int64)
    return len(w) >= GROUP and bool((w >= -127).all()) and bool((np.abs(w).sum(axis=1) < ROW_SUM_MAX).all())


def pack_rows(weights: Int8Array) -> Int8Array:
    """int8[n, k] with its whole groups of eight rows packed; int8[n * k]."""
    n, k = weights.shape
    groups, whole = n // GROUP, k // 4 * 4
    w = weights[: groups * GROUP].astype(np.int16).reshape(groups, 4, 2, k)
    both = (w[:, :, 1] * 256 + w[:, :, 0]).astype("<i2")
    blocks = both[:, :, :whole].reshape(groups, 4, -1, 2, 2).transpose(0, 2, 4, 1, 3).reshape(groups, -1)
    rest = both[:, :, whole:].transpose(0, 2, 1).reshape(groups, -1)
    packed = np.ascontiguousarray(np.concatenate([blocks, rest], axis=1)).view(np.int8).reshape(-1)
    return np.concatenate([packed, weights[groups * GROUP :].reshape(-1)])


def unpack_rows(packed: Int8Array, n: int, k: int) -> npt.NDArray[np.int16]:
    """The rows of pack_rows as int16[n, k]: a packed row may hold what int8 cannot, in a damaged image."""
    groups, whole = n // GROUP, k // 4 * 4
    both = np.ascontiguousarray(packed[: groups * GROUP * k]).view("<i2").reshape(groups, -1)
    blocks = both[:, : whole * 4].reshape(groups, -1, 2, 4, 2).transpose(0, 3, 1, 4, 2).reshape(groups, 4, whole)
    rest = both[:, whole * 4 :].reshape(groups, k - whole, 4).transpose(0, 2, 1)
    pairs = np.concatenate([blocks, rest], axis=2)
    first = pairs.astype(np.int8).astype(np.int16)
    second = ((pairs.astype(np.int32) - first) >> 8).astype(np.int16)
    rows = np.stack([first, second], axis=2).reshape(groups * GROUP, k)
    plain = packed[groups * GROUP * k :].reshape(n - groups * GROUP, k).astype(np.int16)
    return np.concatenate([rows, plain])


def layer_rows(image: Image, name: str, op: np.void) -> tuple[int, int]:
    """(rows, products of a row) of a DENSE or CONV."""
    if name == "dense":
        return int(op["out_n"]), int(op["in_n"])
    taps = int(op["kh"]) * int(op["kw"])
    return int(image.tensors[int(op["out"])]["c"]), taps * int(image.tensors[int(op["in"])]["c"])


def op_macs(image: Image, kind: str, op: np.void) -> int:
    """Multiplications of weights with inputs, those with padding too; 0 for operations without weights."""
    out = image.tensors[int(op["out"])]
    pixels = int(out["h"]) * int(out["w"])
    if kind == "dense":
        return int(op["rows"]) * int(op["in_n"]) * int(op["out_n"])
    if kind == "conv":
        n, k = layer_rows(image, kind, op)
        return pixels * n * k
    return pixels * int(out["c"]) * int(op["kh"]) * int(op["kw"]) if kind == "depthwise" else 0


def repack(data: bytes, packing: str) -> bytes:
    """The image in another packing, with its model_id; the same bytes where nothing changes. SdfaError if damaged."""
    if packing not in PACKINGS:
        raise SdfaError(f"unknown packing {packing!r}; known: {', '.join(PACKINGS)}")
    image = read_image(data)
    constants = bytearray(image.data)
    ops = bytearray()
    done: set[int] = set()
    for name, op in image.ops:
        record = op.copy()
        if name in ("dense", "conv") and int(op["flags"]) & LAYER_PACKABLE:
            record["flags"] = _repack_layer(constants, image, name, op, packing, done)
        ops += record.tobytes()
    if not done:
        return data
    return _spliced(data, {b"OPS": bytes(ops), b"DATA": bytes(constants)})


def repacked(data: bytes, packing: str) -> bytes:
    """repack, for a target: bytes that are no image stay as they are, for the target to refuse."""
    try:
        return repack(data, packing)
    except SdfaError:
        return data


def _spliced(data: bytes, payloads: dict[bytes, bytes]) -> bytes:
    """The image with other payloads of the same lengths, and its CRC-32."""
    whole = bytearray(data)
    n = int(np.frombuffer(data, HEADER, 1)[0]["section_n"])
    for entry in np.frombuffer(data, SECTION, n, HEADER.itemsize):
        payload = payloads.get(bytes(entry["tag"]).rstrip())
        if payload is not None:
            whole[int(entry["off"]) : int(entry["off"]) + len(payload)] = payload
    length = int(np.frombuffer(data, HEADER, 1)[0]["image_len"])
    whole[4:8] = zlib.crc32(bytes(whole[8:length])).to_bytes(4, "little")
    return bytes(whole)


def _repack_layer(constants: bytearray, image: Image, name: str, op: np.void, packing: str, done: set[int]) -> int:
    """Rewrite one layer's weights; its flags from now on."""
    flags, at = int(op["flags"]), int(op["weights"])
    wanted = (flags & ~LAYER_PACKED) | (LAYER_PACKED if packing == "dsp" else 0)
    if wanted == flags or at in done:
        return wanted
    n, k = layer_rows(image, name, op)
    old = np.frombuffer(image.data, np.int8, n * k, at)
    new = pack_rows(old.reshape(n, k)) if packing == "dsp" else unpack_rows(old, n, k).astype(np.int8).reshape(-1)
    constants[at : at + n * k] = new.tobytes()
    done.add(at)
    return wanted


def plain_weights(image: Image, name: str, op: np.void) -> npt.NDArray[Any]:
    """The rows of a DENSE or CONV whose weights are in `DATA`, whatever its packing: int8 or int16 [n, k]."""
    n, k = layer_rows(image, name, op)
    stored = image.constant(int(op["weights"]), np.int8, n * k)
    return unpack_rows(stored, n, k) if int(op["flags"]) & LAYER_PACKED else stored.reshape(n, k)
