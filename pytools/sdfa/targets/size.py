"""Size of the runtime's code in a linked program that holds one model and nothing else."""

from __future__ import annotations

import subprocess
import tempfile
from pathlib import Path

from sdfa.bundle import boards_dir, firmware_dir, runtime_sources
from sdfa.errors import SdfaError
from sdfa.image.csource import CSource
from sdfa.targets.build import Program, build
from sdfa.targets.families import Family
from sdfa.targets.machines import Machine

# sections that a start-up code or an unwinder would use
_OTHER = (".ARM.exidx", ".ARM.extab", ".init", ".fini", ".init_array", ".fini_array", ".preinit_array", ".eh_frame")


def code_len(machine: Machine, name: str, csource: CSource, loss: str | None) -> int:
    """Bytes of .text, .rodata and .data without the model's image; there is no start-up code.

    name, csource: an exported model. loss: softmax_ce or mse links learning too; None links inference only.
    """
    with tempfile.TemporaryDirectory(prefix="sdfa-") as folder:
        work = Path(folder)
        (work / f"{name}.h").write_text(csource.header, encoding="utf-8")
        (work / f"{name}.c").write_text(csource.source, encoding="utf-8")
        program = build(_recipe(machine, name, work, loss))
    return _code_len(machine.family, program, f"{name}_image")


def _recipe(machine: Machine, name: str, folder: Path, loss: str | None) -> Program:
    learn = {"softmax_ce": ("-DLEARN_LABEL",), "mse": ("-DLEARN_TARGET",), None: ()}[loss]
    model = (f'-DMODEL_H="{name}.h"', f"-DMODEL(x)={name}_##x", f"-DMODEL_LEN(x)={name.upper()}_##x##_LEN")
    return Program(
        name=f"size-{machine.name}",
        compiler=(machine.family.tool("gcc"),),
        library=runtime_sources(),
        sources=(folder / f"{name}.c", boards_dir() / "size" / "main.c"),
        include_dirs=(firmware_dir() / "src", folder),
        flags=(*machine.family.flags, *machine.flags),
        own_flags=(*model, *learn),
        link_flags=("-nostartfiles", "-Wl,--gc-sections", "-Wl,--entry=main", *machine.family.room),
        hint=f" (needs {machine.family.packages})",
    )


def _code_len(family: Family, program: Path, image: str) -> int:
    sections = {row[1]: int(row[5], 16) for row in _sections(family, program) if row[2] == "PROGBITS" and "A" in row[7]}
    code = sum(length for name, length in sections.items() if name not in _OTHER)
    return code - _symbol_len(family, program, image)


def _sections(family: Family, program: Path) -> list[list[str]]:
    """Rows of `readelf -S`: number, name, type, address, offset, size, entry size, flags, ..."""
    rows = (
        line.replace("[ ", "[").split() for line in _readelf(family, program, "-S") if line.lstrip().startswith("[")
    )
    return [row for row in rows if len(row) >= 11]


def _symbol_len(family: Family, program: Path, symbol: str) -> int:
    """Size in the rows of `readelf -s`: number, value, size, type, binding, visibility, section, name."""
    for row in map(str.split, _readelf(family, program, "-s")):
        if len(row) == 8 and row[7] == symbol:
            return int(row[2], 0)
    raise SdfaError(f"{program.name} has no symbol {symbol}")


def _readelf(family: Family, program: Path, what: str) -> list[str]:
    command = [family.tool("readelf"), "-W", what, str(program)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
