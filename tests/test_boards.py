"""The table of boards and the files of their ports: complete, strict, small; and the template of a port."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from sdfa.bundle import boards_dir, firmware_dir
from sdfa.errors import SdfaError
from sdfa.targets.boards import BOARDS, find_board
from sdfa.targets.families import CORTEX_M
from sdfa.targets.machines import MACHINES
from tests.cprogram import output, tool

STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror", "-fsyntax-only")
INCLUDES = [f"-I{firmware_dir() / folder}" for folder in ("src", "device")]
BARE = [name for name, board in BOARDS.items() if board.family]
TEMPLATE = boards_dir() / "template" / "port.c"


def _strict(compiler: list[str], *arguments: str | Path) -> None:
    result = subprocess.run([*compiler, *STRICT, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")


@pytest.mark.parametrize("name", ["host", "microbit", "mps3-an547", "riscv32", "netduino2plus", "bluepill_f103c8"])
def test_ports_compile_without_a_warning(name: str) -> None:
    board = BOARDS[name]
    compiler = [board.family.tool("gcc"), *board.family.flags, *board.flags] if board.family else [tool("gcc")]
    sources = [path for folder in board.source_dirs() for path in folder.glob("*.c")]
    _strict(compiler, *INCLUDES, *(f"-I{folder}" for folder in board.include_dirs()), *sources)


@pytest.mark.parametrize("compiler", [[CORTEX_M.prefix + "gcc", "-mcpu=cortex-m0", "-mthumb"], ["gcc"], ["clang"]])
def test_the_template_compiles_without_a_warning(compiler: list[str]) -> None:
    first, *rest = compiler
    _strict([tool(first), *rest], *INCLUDES, TEMPLATE)


def test_the_template_has_the_places_that_the_guide_names() -> None:
    guide = (firmware_dir() / "PORTING.md").read_text()
    places = re.findall(r"\((\d)\) ", TEMPLATE.read_text())
    assert [*dict.fromkeys(places)] == re.findall(r"^   - \((\d)\)", guide, re.M) == [*"123456"]
    assert all(f"`{name}`" in guide or f"`{name.removeprefix('mps2')}`" in guide for name in BOARDS)


def test_a_port_is_short() -> None:
    """Lines with code on them."""
    ports = [*boards_dir().glob("*/port.c"), boards_dir() / "host" / "device" / "port.c"]
    ports = [path for path in ports if path.parent.name not in ("qemu", "host")]  # these are of the batch program
    lines = {path.parent.name: sum(map(bool, re.findall(r"^[^/*\n]+$", path.read_text(), re.M))) for path in ports}
    assert {*lines} == {"device", "emulated", "stm32", "template"}
    assert max(lines.values()) <= 100


@pytest.mark.parametrize("name", BARE)
def test_a_board_has_a_name_and_a_memory(name: str) -> None:
    folder = boards_dir() / name
    assert f'#define BOARD_NAME "{name}"' in re.sub(" +", " ", (folder / "board.h").read_text())
    script = (folder / "board.ld").read_text()
    assert re.findall(r"^(\w+) = ", script, re.M) == ["FLASH_ORIGIN", "FLASH_LEN", "RAM_ORIGIN", "RAM_LEN", "STACK_LEN"]


@pytest.mark.parametrize("name", MACHINES)
def test_emulated_boards_agree_with_the_table_of_machines(name: str) -> None:
    """Both programs of a board count by the same timer and have the same memory."""
    machine, board = MACHINES[name], BOARDS[name]
    folders = [f"-I{folder}" for folder in board.include_dirs()]
    macros = output(tool("gcc"), "-E", "-dM", *folders, boards_dir() / name / "board.h")
    defined = dict(re.findall(r"#define (\w+) +(\S+)", macros))
    script = dict(re.findall(r"^(\w+) = (\w+);", (boards_dir() / name / "board.ld").read_text(), re.M))
    assert (board.family, board.flags, board.machine) == (machine.family, machine.flags, machine.board)
    assert int(script["FLASH_ORIGIN"], 0) == machine.flash.origin
    assert int(script["RAM_ORIGIN"], 0) == machine.ram.origin
    if machine.timer:
        assert int(defined["TIMER_ORIGIN"].rstrip("u"), 0) == machine.timer.origin
        assert int(defined["TIMER_MHZ"].rstrip("u"), 0) == machine.timer.mhz
    if "SLOTS_ORIGIN" in defined:  # they end where the RAM ends
        ram_len = int(script["RAM_LEN"].rstrip("M")) << 20
        slots = int(defined["SLOTS_ORIGIN"].rstrip("u"), 0)
        assert machine.ram.origin + ram_len == slots
        assert slots + (512 << 10) <= machine.ram.origin + machine.ram.length


def test_a_board_that_is_not_in_the_table_is_an_error() -> None:
    with pytest.raises(SdfaError, match=r"no port for the board 'pdp11'; there is host, microbit.*PORTING\.md"):
        find_board("pdp11")
