"""The C runtime as firmware of an emulated board."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdfa.bundle import boards_dir, firmware_dir, runtime_sources
from sdfa.errors import SdfaError
from sdfa.image.packing import repacked
from sdfa.targets.base import Reply, Request
from sdfa.targets.build import Program, build, find_tool
from sdfa.targets.machines import MACHINES, Machine
from sdfa.targets.process import IMAGE, run_batch


def find_machine(name: str) -> Machine:
    """A row of the table. SdfaError, listing ours, if it is not in there (QEMU may know more boards)."""
    if name not in MACHINES:
        raise SdfaError(f"no support for the machine {name!r}; there is {', '.join(sorted(MACHINES))}")
    return MACHINES[name]


def _symbols(machine: Machine) -> list[str]:
    """What boards/bare/link.ld and boards/qemu/port.c ask for."""
    regions = {"FLASH": machine.flash, "RAM": machine.ram}
    image, image_end = machine.image.origin, machine.image.origin + machine.image.length
    symbols = {"STACK_LEN": machine.stack_len, "memory_image": image, "memory_image_end": image_end}
    for name, region in regions.items():
        symbols |= {f"{name}_ORIGIN": region.origin, f"{name}_LEN": region.length}
    return [f"-Wl,--defsym={name}={value:#x}" for name, value in symbols.items()]


def _timer_flags(machine: Machine) -> tuple[str, ...]:
    """What boards/qemu/cortexm/counter.h asks for."""
    timer = machine.timer
    if timer is None:
        return ()
    return (f"-DTIMER_{timer.kind}", f"-DTIMER_ORIGIN={timer.origin:#x}u", f"-DTIMER_MHZ={timer.mhz}u")


@dataclass(frozen=True)
class Qemu:
    """machine: a row of MACHINES. time_limit_s: of one execute, in seconds of real time.

    counting: the emulator counts instructions, and is up to 40 % slower.
    """

    machine: Machine
    time_limit_s: float = 600.0
    counting: bool = False

    @property
    def name(self) -> str:
        return f"qemu:{self.machine.name}"

    def recipe(self) -> Program:
        """How to build the firmware. SdfaError without a cross compiler."""
        app, src, family = firmware_dir() / "app", firmware_dir() / "src", self.machine.family
        script = boards_dir() / "bare" / "link.ld"
        return Program(
            name=self.machine.name,
            compiler=(family.tool("gcc"),),
            library=runtime_sources(),
            sources=(*sorted(app.glob("*.c")), *family.port_sources()),
            include_dirs=(src, app, *family.port_dirs()),
            flags=(*family.flags, *self.machine.flags),
            own_flags=_timer_flags(self.machine),
            link_flags=("-nostartfiles", "-Wl,--gc-sections", f"-T{script}", *_symbols(self.machine)),
            depends=(script,),
            hint=f" (needs {family.packages})",
        )

    def program(self) -> Path:
        """The firmware as ELF, built if need be."""
        return build(self.recipe())

    def command(self, program: Path) -> list[str]:
        """The emulator's command line; the image is the file IMAGE in its working folder."""
        family = self.machine.family
        return [
            find_tool(family.emulator, family.packages),
            *("-M", self.machine.board, *family.emulator_flags),
            *(("-icount", family.icount) if self.counting else ()),
            *("-display", "none", "-monitor", "none", "-serial", "none"),
            *("-semihosting-config", "enable=on,target=native"),
            *("-kernel", str(program)),
            *("-device", f"loader,file={IMAGE},addr={self.machine.image.origin:#x},force-raw=on"),
        ]

    def execute(self, image: bytes, requests: Sequence[Request]) -> list[Reply]:
        room = self.machine.image.length
        if len(image) > room:
            raise SdfaError(f"{self.name}: the image has {len(image)} bytes, the board has room for {room}")
        image = repacked(image, self.machine.packing)
        command = self.command(self.program())
        # QEMU loads no empty file; zeros are no image either
        return run_batch(self.name, command, image or bytes(4), requests, self.time_limit_s)
