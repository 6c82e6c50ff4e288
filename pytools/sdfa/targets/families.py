"""Kinds of processors: what compiles for them and what emulates them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdfa.bundle import boards_dir
from sdfa.targets.build import find_tool

_SECTIONS = ("-std=c99", "-O2", "-ffunction-sections", "-fdata-sections")


@dataclass(frozen=True)
class Family:
    """What all boards with one kind of processor share.

    name: its folder in boards/bare and boards/qemu. prefix: of the names of its compiler and tools.
    emulator: QEMU's program. packages: how to install all of these. flags: of the compiler.
    emulator_flags: that it always needs. icount: the option that makes it count, see counter.h of the family.
    room: flags of the linker that give a program without a linker script memory enough for any model.
    """

    name: str
    prefix: str
    emulator: str
    packages: str
    flags: tuple[str, ...]
    emulator_flags: tuple[str, ...]
    icount: str
    room: tuple[str, ...] = ()

    def tool(self, name: str) -> str:
        """Full path of one of its tools: gcc, readelf. SdfaError, saying how to install it, if it is missing."""
        return find_tool(self.prefix + name, self.packages)

    def start_dirs(self) -> tuple[Path, ...]:
        """Folders of its start-up code."""
        return (boards_dir() / "bare", boards_dir() / "bare" / self.name)

    def port_dirs(self) -> tuple[Path, ...]:
        """Folders of its port of the batch program."""
        return (*self.start_dirs(), boards_dir() / "qemu", boards_dir() / "qemu" / self.name)

    def port_sources(self) -> tuple[Path, ...]:
        return tuple(path for folder in self.port_dirs() for path in sorted(folder.glob("*.c")))


# 1024 ns of the emulator's time for each instruction: a timer of the board counts them
CORTEX_M = Family(
    name="cortexm",
    prefix="arm-none-eabi-",
    emulator="qemu-system-arm",
    packages="apt install gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm",
    flags=(*_SECTIONS, "-mthumb", "--specs=nano.specs"),
    emulator_flags=(),
    icount="shift=10,align=off,sleep=off",
)
# ISA 2.2: the instructions of control registers need no name of their own
RISCV = Family(
    name="riscv",
    prefix="riscv64-unknown-elf-",
    emulator="qemu-system-riscv32",
    packages="apt install gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf qemu-system-misc",
    flags=(*_SECTIONS, "-misa-spec=2.2", "--specs=picolibc.specs"),
    emulator_flags=("-bios", "none"),
    icount="shift=0,align=off,sleep=off",
    room=("-Wl,--defsym=__flash_size=0x8000000", "-Wl,--defsym=__ram_size=0x8000000"),
)
