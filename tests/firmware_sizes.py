"""`python -m tests.firmware_sizes` builds the digits' firmware with PlatformIO and writes its sizes into README.md."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from sdfa.bundle import boards_dir, model_dir
from sdfa.start.newproject import PROJECT_BOARDS
from sdfa.targets.build import host_compiler
from tests.cprogram import tool
from tests.piokit import BARE, ROOT, Pio, envs

SIZED = ("qemu_m0", *BARE)
README = ROOT / "README.md"
HEAD = "| board | flash | of | RAM, stack included | of | store | saves in its life |\n|---|---|---|---|---|---|---|\n"
ENDURANCE = 10_000  # erases of a sector, on all of these
RECORD_LEN, AREA_HEAD_LEN = 48, 32  # beside the weights, SPEC.md 5


def sizes(program: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM that a linked program takes."""
    ran = subprocess.run([tool("arm-none-eabi-size"), program], capture_output=True, text=True, check=True)
    text, data, bss = map(int, ran.stdout.splitlines()[1].split()[:3])
    return text + data, data + bss


def store(name: str) -> tuple[int, int]:
    """Bytes of a board's store, as its board.h says, and the digits' saves in its lifetime."""
    code = '#include "board.h"\n#include <stdio.h>\nint main(void) { printf("%d %d", STORE_LEN, FLASH_SECTOR_LEN); }\n'
    with tempfile.TemporaryDirectory(prefix="sdfa-") as folder:
        probe = str(Path(folder) / "probe")
        include = f"-I{boards_dir() / PROJECT_BOARDS[name].port}"
        subprocess.run([*host_compiler(), include, "-x", "c", "-", "-o", probe], input=code, text=True, check=True)
        store_len, sector_len = map(int, subprocess.run([probe], capture_output=True, check=True).stdout.split())
    header = (model_dir("digits") / "exported" / "digits.h").read_text(encoding="utf-8")
    (tail_len,) = re.findall(r"DIGITS_TAIL_LEN +(\d+)", header)
    records = (store_len // 2 // sector_len * sector_len - AREA_HEAD_LEN) // (int(tail_len) + RECORD_LEN)
    return store_len, 2 * records * ENDURANCE


def table(pio: Pio) -> str:
    """Of environments that were built."""
    rows = []
    for name in SIZED:
        flash, ram = sizes(pio.program(name))
        flash_room, ram_room = PROJECT_BOARDS[name].memory(stack=True)
        numbers = (flash, flash_room, ram, ram_room, *store(name))
        rows.append(f"| {name} | {' | '.join(f'{n:,}' for n in numbers)} |\n")
    return HEAD + "".join(rows)


def table_in_readme() -> str:
    (found,) = re.findall(re.escape(HEAD) + r"(?:\| .*\n)+", README.read_text(encoding="utf-8"))
    return str(found)


def main() -> None:
    pio = Pio(ROOT / "build" / "pio", ROOT, ROOT / ".pio")
    pio.done("run", *envs(*SIZED))
    text = README.read_text(encoding="utf-8").replace(table_in_readme(), table(pio))
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
