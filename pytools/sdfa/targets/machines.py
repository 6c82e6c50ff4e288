"""The table of emulated boards. One row is all that another board of a known family needs."""

from __future__ import annotations

from dataclasses import dataclass

from sdfa.targets.families import CORTEX_M, RISCV, Family

_KB = 1024
_MB = 1024 * _KB


@dataclass(frozen=True)
class Region:
    """A block of addresses, in bytes."""

    origin: int
    length: int


@dataclass(frozen=True)
class Timer:
    """A free-running timer. kind: CMSDK, NRF51 or SSE, see boards/qemu/cortexm/counter.h. mhz: its clock."""

    kind: str
    origin: int
    mhz: int


@dataclass(frozen=True)
class Machine:
    """One board.

    name: ours. board: QEMU's name of it. core: for people.
    flags: of the compiler, beside the family's. flash: vectors and code. ram: stack lowest, then variables, the rest
    is the pool. image: where QEMU loads the model; apart from both. stack_len: bytes; below the RAM nothing that
    matters may lie. timer: where the family counts by one.
    packing: of weights, see image/packing.py.
    """

    name: str
    board: str
    core: str
    family: Family
    flags: tuple[str, ...]
    flash: Region
    ram: Region
    image: Region
    stack_len: int
    timer: Timer | None = None
    packing: str = "plain"


def _mps2(board: str, core: str, *flags: str, psram: int = 0x21000000, packing: str = "dsp") -> Machine:
    """The FPGA image of an MPS2 board with a core that has no security extension: one memory map for all."""
    return Machine(
        name=f"mps2-{board}",
        board=f"mps2-{board}",
        core=core,
        family=CORTEX_M,
        flags=flags,
        flash=Region(0, 4 * _MB),
        ram=Region(0x20000000, 4 * _MB),
        image=Region(psram, 16 * _MB),
        stack_len=64 * _KB,
        timer=Timer("CMSDK", 0x40000000, 25),
        packing=packing,
    )


_TABLE = (
    Machine(
        name="microbit",
        board="microbit",
        core="Cortex-M0",
        family=CORTEX_M,
        flags=("-mcpu=cortex-m0",),
        flash=Region(0, 64 * _KB),
        ram=Region(0x20000000, 16 * _KB),
        image=Region(64 * _KB, 192 * _KB),
        stack_len=2560,
        timer=Timer("NRF51", 0x40008000, 16),
    ),
    _mps2("an385", "Cortex-M3", "-mcpu=cortex-m3", packing="plain"),
    _mps2("an386", "Cortex-M4F", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    _mps2("an500", "Cortex-M7", "-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard", psram=0x60000000),
    Machine(
        name="mps2-an505",
        board="mps2-an505",
        core="Cortex-M33",
        family=CORTEX_M,
        flags=("-mcpu=cortex-m33", "-mfloat-abi=hard"),
        flash=Region(0x10000000, 2 * _MB),
        ram=Region(0x38000000, 2 * _MB),
        image=Region(0x10200000, 2 * _MB),
        stack_len=64 * _KB,
        timer=Timer("CMSDK", 0x50000000, 20),
        packing="dsp",
    ),
    Machine(
        name="mps3-an547",
        board="mps3-an547",
        core="Cortex-M55",
        family=CORTEX_M,
        flags=("-mcpu=cortex-m55", "-mfloat-abi=hard"),
        flash=Region(0, 512 * _KB),
        ram=Region(0x31000000, 2 * _MB),
        image=Region(0x11000000, 2 * _MB),
        stack_len=64 * _KB,
        timer=Timer("SSE", 0x58100000, 32),
    ),
    Machine(
        name="riscv32",
        board="virt",
        core="RV32IMAC",
        family=RISCV,
        flags=("-march=rv32imac", "-mabi=ilp32"),
        flash=Region(0x80000000, 4 * _MB),
        ram=Region(0x80800000, 4 * _MB),  # 4 MB below it belong to nobody
        image=Region(0x81000000, 16 * _MB),
        stack_len=64 * _KB,
    ),
)
MACHINES = {machine.name: machine for machine in _TABLE}
