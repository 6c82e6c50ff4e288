"""`python -m tests.firmware_sizes` builds the digits' firmware with PlatformIO and writes its sizes into README.md."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from sdfa.newproject import PROJECT_BOARDS
from tests.cprogram import tool
from tests.piokit import BARE, ROOT, Pio, envs

SIZED = ("qemu_m0", *BARE)
README = ROOT / "README.md"
HEAD = "| board | flash | of | RAM, stack included | of |\n|---|---|---|---|---|\n"


def sizes(program: Path) -> tuple[int, int]:
    """Bytes of flash and of RAM that a linked program takes."""
    ran = subprocess.run([tool("arm-none-eabi-size"), program], capture_output=True, text=True, check=True)
    text, data, bss = map(int, ran.stdout.splitlines()[1].split()[:3])
    return text + data, data + bss


def table(pio: Pio) -> str:
    """Of environments that were built."""
    rows = []
    for name in SIZED:
        flash, ram = sizes(pio.program(name))
        flash_room, ram_room = PROJECT_BOARDS[name].memory(stack=True)
        rows.append(f"| {name} | {flash:,} | {flash_room:,} | {ram:,} | {ram_room:,} |\n")
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
