"""Pushed images survive power cuts and are refused in time (sdfa_slots.h): tests/c/slots.c, under sanitizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sdfa.exporter.gold import golden_crc, golden_input
from sdfa.image.reader import read_image, sections_of
from tests.cprogram import output, sanitized
from tests.samples import bare, cnn_image, dense_image, live_image, packed_image

SMALL = dense_image(sizes=(3, 4, 3))
WRITE_LENS = (1, 4, 8, 32, 256)


def _slots(folder: Path, case: str, *images: bytes) -> list[str]:
    paths = [folder / f"{i}.sdfa" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return output(sanitized("slots", "slots.c", "flash_sim.c", "api_net.c"), case, *paths).splitlines()


def test_after_a_cut_at_any_operation_the_old_or_the_new_image_starts(tmp_path: Path) -> None:
    lines = _slots(tmp_path, "cuts", bare(SMALL), bare(dense_image(sizes=(3, 5, 2))))
    assert len(lines) == len(WRITE_LENS) * 2 * 4  # write sizes × erased values × ways to tear
    assert all(int(line.split()[3]) > 20 for line in lines)


@pytest.mark.parametrize("case", ["fallback", "dropped", "refusals", "turns"])
def test_it_holds(case: str, tmp_path: Path) -> None:
    assert _slots(tmp_path, case, SMALL, dense_image()) == []


@pytest.mark.parametrize("make", [cnn_image, packed_image, live_image])
def test_the_self_test_passes_and_leaves_what_was_learned(make: Callable[[], bytes], tmp_path: Path) -> None:
    """Both agree on every operation's output: with packed weights, with master weights too."""
    assert _slots(tmp_path, "selftest", make(), dense_image("bp")) == []


def test_the_golden_output_is_in_every_export_and_no_part_of_the_model_id() -> None:
    data = dense_image()
    image = read_image(data)
    assert image.gold is not None
    assert golden_crc(image, int(image.gold["seed"])) == int(image.gold["crc"])
    assert golden_crc(image, 2) != int(image.gold["crc"])
    assert [tag for tag, _ in sections_of(data)][-1] == b"GOLD"
    assert golden_input(image, 1).shape == (1, 12)
    # the first word of the generator, by hand
    state = (747796405 + 2891336453) % 2**32
    word = state ^ state >> 16
    assert golden_input(image, 1)[0, :4].tobytes() == np.uint32(word).tobytes()
