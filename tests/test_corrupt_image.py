"""An image cut at every length and damaged at every byte: always refused, or, with the CRC-32 repaired, harmless."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

import pytest

from sdfa.errors import SdfaError
from sdfa.image.reader import read_image
from tests.cprogram import output, sanitized
from tests.imagekit import resealed
from tests.samples import bare, cnn_image, dense_image, learned, live_image, packed_image

IMAGES = {
    "aligned": dense_image(),
    "bp": bare(dense_image("bp")),
    "live": bare(live_image()),
    "mse": bare(dense_image("random", "mse")),
    "learned": bare(learned(dense_image("bp", "mse"))),
    "cnn": bare(cnn_image()),
    "packed": packed_image(),
}
MASKS = (0x01, 0x10, 0x80, 0xFF)  # those of corrupt.c


@pytest.mark.parametrize("name", IMAGES)
def test_the_runtime_survives_every_cut_and_every_damaged_byte(name: str, tmp_path: Path) -> None:
    path = tmp_path / "image.sdfa"
    path.write_bytes(IMAGES[name])
    said = output(sanitized("corrupt", "exercise.c", "corrupt.c"), path)
    counts = re.fullmatch(r"images (\d+) accepted (\d+) learnable (\d+)\n", said)
    assert counts
    images, accepted, learnable = map(int, counts.groups())
    length, masks = len(IMAGES[name]), len(MASKS)
    assert images == 1 + 2 * length + masks * (length + length - 8)
    assert masks * length / 4 < accepted < images / 2
    assert learnable > 0


@pytest.mark.parametrize("name", IMAGES)
def test_the_reader_refuses_every_cut(name: str) -> None:
    data = IMAGES[name]
    for length in range(len(data)):
        with pytest.raises(SdfaError):
            read_image(data[:length])
        if length >= 12:
            sealed = resealed(data[:8] + length.to_bytes(4, "little") + data[12:length])
            with contextlib.suppress(SdfaError):
                read_image(sealed)


@pytest.mark.parametrize("name", IMAGES)
def test_the_reader_survives_every_damaged_byte(name: str) -> None:
    data = IMAGES[name]
    refused = 0
    for at in range(len(data)):
        for mask in MASKS:
            bad = data[:at] + bytes([data[at] ^ mask]) + data[at + 1 :]
            with pytest.raises(SdfaError):
                read_image(bad)
            try:
                read_image(resealed(bad))
            except SdfaError:
                refused += 1
    assert 0 < refused < len(MASKS) * len(data)
