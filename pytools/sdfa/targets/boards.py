"""The table of boards that the device program has ports for (firmware/device, firmware/PORTING.md)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdfa.bundle import boards_dir, firmware_dir, runtime_sources
from sdfa.errors import SdfaError
from sdfa.image.csource import c_name
from sdfa.targets.build import Program, host_compiler
from sdfa.targets.families import CORTEX_M, RISCV, Family

_M0, _M3, _M33 = ("-mcpu=cortex-m0",), ("-mcpu=cortex-m3",), ("-mcpu=cortex-m33", "-mfloat-abi=hard")
_M4 = ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard")
_M7 = ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard")
_M55 = ("-mcpu=cortex-m55", "-mfloat-abi=hard")
_RV32 = ("-march=rv32imac", "-mabi=ilp32")


@dataclass(frozen=True)
class Board:
    """One board.

    name: also its folder in boards/. folders: with the port, in boards/; all their C files belong to it.
    headers: folders in boards/ with headers only. machine: QEMU's name of it, "" where there is none.
    serial: the index of QEMU's serial port that the link is on. family: None for this computer. flags: of the compiler,
    beside the family's. options: of firmware/device/main.c, what else this board has room for.
    keeps: whether what is written to flash stays there, in the emulator if there is one.
    """

    name: str
    folders: tuple[str, ...]
    headers: tuple[str, ...] = ()
    family: Family | None = None
    flags: tuple[str, ...] = ()
    machine: str = ""
    serial: int = 0
    options: tuple[str, ...] = ()
    keeps: bool = True

    def source_dirs(self) -> tuple[Path, ...]:
        """Folders of C files that only this kind of board needs, start-up code included."""
        own = tuple(boards_dir() / folder for folder in self.folders)
        return (*own, *self.family.start_dirs()) if self.family else own

    def include_dirs(self) -> tuple[Path, ...]:
        """Folders of headers, source_dirs included."""
        return (*self.source_dirs(), *(boards_dir() / folder for folder in self.headers))


_SLOTS = ("-DSDFA_SLOTS",)
_LARGE = (*_SLOTS, "-DSDFA_TRACE_BYTES=65536")
_HELD = ("-DSDFA_HELD_BYTES=8192", "-DSDFA_TRACE_BYTES=16384")


def _arm(name: str, flags: tuple[str, ...], options: tuple[str, ...] = _LARGE) -> Board:
    return Board(name, ("emulated",), (name, "qemu/cortexm"), CORTEX_M, flags, machine=name, options=options)


def _stm32(
    name: str, family: str, flags: tuple[str, ...], options: tuple[str, ...] = (), machine: str = "", serial: int = 0
) -> Board:
    """QEMU emulates some of these chips, but none of their flash controllers."""
    return Board(name, ("stm32",), (name, family), CORTEX_M, flags, machine, serial, options, keeps=not machine)


_TABLE = (
    Board("host", ("host/device",), options=_LARGE),
    _arm("microbit", _M0, ()),
    _arm("mps2-an385", _M3),
    _arm("mps2-an386", _M4),
    _arm("mps2-an500", _M7),
    _arm("mps2-an505", _M33),
    _arm("mps3-an547", _M55),
    Board("riscv32", ("emulated",), ("riscv32",), RISCV, _RV32, machine="virt", options=_LARGE),
    _stm32("nucleo_f446re", "stm32f4", _M4, options=_HELD),
    _stm32("netduino2plus", "stm32f4", _M4, options=(*_SLOTS, *_HELD), machine="netduinoplus2", serial=1),
    _stm32("bluepill_f103c8", "stm32f1", _M3),
)
BOARDS = {board.name: board for board in _TABLE}


def find_board(name: str) -> Board:
    """A row of the table. SdfaError, listing ours, if it is not in there."""
    if name not in BOARDS:
        raise SdfaError(f"no port for the board {name!r}; there is {', '.join(BOARDS)}; firmware/PORTING.md says more")
    return BOARDS[name]


def device_program(board: Board, model: Path, options: tuple[str, ...] = ()) -> Program:
    """How to build the device program for a board. model: NAME.c of an exported model, NAME.h beside it. options: of
    firmware/device/main.c, behind the board's own."""
    firmware, name, family = firmware_dir(), c_name(model.stem), board.family
    own = (firmware / "device", *board.source_dirs())
    script = boards_dir() / board.name / "board.ld"
    bare = ("-nostartfiles", "-Wl,--gc-sections", f"-L{boards_dir() / 'bare'}", f"-T{script}")
    return Program(
        name=f"device-{board.name}",
        compiler=(family.tool("gcc"),) if family else host_compiler(),
        library=runtime_sources(),
        sources=(*(path for folder in own for path in sorted(folder.glob("*.c"))), model),
        include_dirs=(firmware / "src", firmware / "device", *board.include_dirs(), model.parent),
        flags=(*(family.flags if family else ("-std=c99", "-O2")), *board.flags),
        own_flags=(
            *(f"-DSDFA_MODEL={name}", f"-DSDFA_MODEL_CAPITALS={name.upper()}"),
            *board.options,
            *options,
        ),
        link_flags=bare if family else (),
        depends=(script, boards_dir() / "bare" / "link.ld") if family else (),
        hint=f" (needs {family.packages})" if family else "",
    )
