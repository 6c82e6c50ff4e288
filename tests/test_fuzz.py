"""libFuzzer over images, for a short time: SDFA_FUZZ_SECONDS each, 20 unless set. tests/c/corpus holds old finds."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import pytest

from sdfa.image.reader import read_image
from sdfa.image.records import FEEDBACKS, KINDS, LAYER_PACKED, LAYER_ZEROS, LOSSES
from tests.cprogram import C_DIR, sanitized
from tests.samples import seeds

MAX_LEN = 8192
COUNTS = re.compile(r"^images (\d+) accepted (\d+) learnable (\d+) steps (\d+) skipped (\d+)$", re.M)


def _seconds() -> int:
    return int(os.environ.get("SDFA_FUZZ_SECONDS") or "20")


def _fuzzer(name: str) -> Path:
    flags = ("-DFUZZ_RAW",) if name == "raw" else ()
    return sanitized(f"fuzz-{name}", "exercise.c", "fuzz_image.c", sanitize="fuzzer,address,undefined", flags=flags)


def _seed_folder(folder: Path) -> Path:
    folder.mkdir()
    for name, data in seeds().items():
        (folder / name).write_bytes(data)
    return folder


def _finds() -> list[Path]:
    return sorted((C_DIR / "corpus").glob("*.sdfa"))


def _counts(command: Sequence[str | Path], seconds: int) -> tuple[int, ...]:
    """images, accepted, learnable, steps, skipped. The fuzzer must end well."""
    result = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, errors="replace", timeout=seconds + 120, check=False
    )
    assert result.returncode == 0, result.stderr[-6000:]
    counts = COUNTS.search(result.stderr)
    assert counts, result.stderr[-6000:]
    return tuple(map(int, counts.groups()))


def test_the_search_starts_from_every_kind_of_operation() -> None:
    kinds = {kind for data in seeds().values() for kind, _ in read_image(data).ops}
    assert kinds == {name for name, _ in KINDS.values()}


def test_the_search_starts_from_every_way_to_learn_and_from_packed_weights() -> None:
    images = [read_image(data) for data in seeds().values()]
    ways = {(int(i.learning["loss"]), int(i.learning["feedback"])) for i in images if i.learning is not None}
    assert ways == set(product(range(len(LOSSES)), range(len(FEEDBACKS))))
    packed = {name for i in images for name, op in i.ops if name in ("conv", "dense") and op["flags"] & LAYER_PACKED}
    assert packed == {"conv", "dense"}
    assert any(name == "dense" and op["flags"] & LAYER_ZEROS for i in images for name, op in i.ops)
    assert any(i.learned is not None for i in images)
    assert max(map(len, seeds().values())) <= MAX_LEN


@pytest.mark.parametrize("name", ["image", "raw"])
def test_no_image_makes_the_runtime_stumble(name: str, tmp_path: Path) -> None:
    grown, start = tmp_path / "grown", _seed_folder(tmp_path / "seeds")
    grown.mkdir()
    options = [f"-max_total_time={_seconds()}", "-seed=1", f"-max_len={MAX_LEN}", f"-artifact_prefix={tmp_path}/"]
    command: list[str | Path] = [_fuzzer(name), *options, grown, start, C_DIR / "corpus"]
    images, accepted, learnable, steps, skipped = _counts(command, _seconds())
    assert accepted >= len(seeds())
    assert steps == 6 * learnable
    assert skipped < accepted / 4
    if name == "image":  # the repaired CRC-32 opens the way
        assert accepted > max(len(seeds()) + 5 * _seconds(), images / 50)
        assert learnable > accepted / 4


@pytest.mark.parametrize("path", _finds(), ids=lambda path: path.stem)
def test_old_finds_stay_harmless(path: Path) -> None:
    assert _counts([_fuzzer("image"), "-runs=1", path], 60)[0] >= 1
