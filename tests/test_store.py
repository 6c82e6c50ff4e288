"""The store survives power cuts, damage and wear (sdfa_store.h): tests/c/store.c, under sanitizers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cprogram import output, sanitized
from tests.samples import dense_image, live_image
from tests.tiny_image import tiny_image

WRITE_LENS = (1, 4, 8, 32, 256)


def _store(folder: Path, case: str, *images: bytes) -> list[str]:
    paths = [folder / f"{i}.sdfa" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return output(sanitized("store", "store.c", "flash_sim.c", "api_net.c"), case, *paths).splitlines()


def test_after_a_cut_at_any_operation_the_old_or_the_new_weights_are_there(tmp_path: Path) -> None:
    lines = _store(tmp_path, "cuts", tiny_image())
    # write sizes × erased values × ways to tear × one cut or three
    assert len(lines) == len(WRITE_LENS) * 2 * 4 * 2
    assert all(int(line.split()[-2]) > 30 for line in lines)


@pytest.mark.parametrize("make", [tiny_image, live_image])
@pytest.mark.parametrize("case", ["damage", "noise", "worn", "refusals"])
def test_it_holds(case: str, make: Callable[[], bytes], tmp_path: Path) -> None:
    """With master weights and a spare class too."""
    assert _store(tmp_path, case, make()) == []


def test_the_flash_lives_as_many_saves_as_it_says(tmp_path: Path) -> None:
    # two areas of 512 bytes: a head of 32 and 6 records of 72 each, 20 erases
    assert _store(tmp_path, "lifetime", tiny_image()) == [str(2 * 6 * 20)]


def test_records_of_another_model_are_left_alone(tmp_path: Path) -> None:
    assert _store(tmp_path, "foreign", tiny_image(), dense_image()) == []
