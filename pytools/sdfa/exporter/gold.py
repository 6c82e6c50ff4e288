"""The golden output of an image (firmware/SPEC.md 1.9): what a device must compute to pass its self-test."""

from __future__ import annotations

import zlib

import numpy as np

from sdfa.image.checks import size
from sdfa.image.reader import Image, read_image, sections_of
from sdfa.image.records import GOLD, KEPT_HEADER
from sdfa.image.writer import pack_image
from sdfa.tflite.graph import Int8Array
from sdfa.twin.infer import outputs_of
from sdfa.twin.replay import next_word

SEED = 1
"""Of the golden input that the exporter takes."""
ADDED_LEN = 32
"""Bytes that it adds to an image: an entry of the section table, and the section."""


def golden_input(image: Image, seed: int) -> Int8Array:
    """int8[1, input_len]: the words of the generator, lowest byte first."""
    length = size(image.tensors[int(image.header["input"])])
    words = np.empty(-(-length // 4), "<u4")
    for i in range(len(words)):
        seed, words[i] = next_word(seed)
    return words.view(np.int8)[:length].reshape(1, length)


def golden_crc(image: Image, seed: int) -> int:
    """CRC-32 of what each operation but COPY makes of the golden input with the factory weights, and of the output."""
    crc = 0
    *made, output = outputs_of(image, image.tail, golden_input(image, seed))
    for (name, _), values in zip(image.ops, made, strict=True):
        if name != "copy":
            crc = zlib.crc32(values.tobytes(), crc)
    return zlib.crc32(output.tobytes(), crc)


def with_gold(data: bytes) -> bytes:
    """The image with its golden output, which does not change its model_id."""
    image = read_image(data)
    gold = np.array((SEED, golden_crc(image, SEED)), GOLD)
    sections = [(tag, payload) for tag, payload in sections_of(data) if tag != b"GOLD"]
    header = {name: image.header[name] for name in KEPT_HEADER}
    return pack_image(header, [*sections, (b"GOLD", gold.tobytes())])
