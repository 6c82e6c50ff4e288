"""The flash driver of boards/stm32 against a model of the chips' flash controllers: tests/c/stm32_flash.cpp.

No emulator has these controllers; what the model expects is what the reference manuals say.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sdfa.bundle import boards_dir, runtime_sources
from sdfa.targets.boards import find_board
from tests.cprogram import C_DIR, SRC, output, tool
from tests.samples import dense_image

SIZES = (64, 40, 24, 10)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Object files: only the driver is compiled as C++."""
    folder = tmp_path_factory.mktemp("objects")
    sources = [*runtime_sources(), C_DIR / "api_net.c"]
    command = [tool("gcc"), "-O1", f"-I{SRC}", "-c", *map(str, sources)]
    subprocess.run(command, cwd=folder, check=True)
    return sorted(folder.glob("*.o"))


@pytest.mark.parametrize("name", ["bluepill_f103c8", "netduino2plus"])
def test_a_store_in_the_flash_of_an_stm32(name: str, runtime: list[Path], tmp_path: Path) -> None:
    board = find_board(name)
    family = next(folder for folder in board.headers if folder != name)
    folders = [SRC, C_DIR, *board.include_dirs()]
    program, image = tmp_path / "flash", tmp_path / "net.sdfa"
    subprocess.run(
        [tool("g++"), "-std=c++20", "-O2", "-fpermissive", "-w", "-no-pie", f"-DFAMILY_{family[-2:].upper()}",
         *(f"-I{folder}" for folder in folders), C_DIR / "stm32_flash.cpp", *runtime, "-o", program],
        check=True,
    )  # fmt: skip
    image.write_bytes(dense_image(sizes=SIZES))
    assert output(program, image) == ""


@pytest.mark.parametrize("name", ["bluepill_f103c8", "nucleo_f446re", "netduino2plus"])
def test_code_and_store_are_apart(name: str) -> None:
    """What board.ld gives to the program ends where board.h lets slots or store begin."""
    script = (boards_dir() / name / "board.ld").read_text()
    header = (boards_dir() / name / "board.h").read_text()
    flash = dict(line.rstrip(";").split(" = ") for line in script.splitlines() if " = " in line)
    end = int(flash["FLASH_ORIGIN"], 0) + int(flash["FLASH_LEN"].rstrip("K")) * 1024
    words = [line.split() for line in header.splitlines() if "_ORIGIN" in line]
    assert end == min(int(word[2].rstrip("u"), 0) for word in words)
