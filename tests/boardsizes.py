"""python -m tests.boardsizes [--update]: the table of sizes in firmware/PORTING.md."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sdfa.bundle import boards_dir, firmware_dir, model_dir
from sdfa.export import Options, export_file, write_files
from sdfa.load import read_model
from sdfa.settings import beside
from sdfa.targets.boards import BOARDS, Board, device_program
from sdfa.targets.build import build, host_compiler

GUIDE = firmware_dir() / "PORTING.md"
HEAD = "| board | flash, bytes | of | RAM, bytes | of | stack | store | saves |\n|---|" + 7 * "---:|" + "\n"
NAMES = ("microbit", "bluepill_f103c8", "nucleo_f446re", "netduino2plus")
ENDURANCE = 10_000  # erases of a sector, on all of these
_KB = 1024


@dataclass(frozen=True)
class Size:
    """Bytes: of the program with its model in flash, in RAM with the stack, and what board.ld has of both.

    saves: in the lifetime of the store.
    """

    board: str
    flash: int
    flash_len: int
    ram: int
    ram_len: int
    stack: int
    store: int
    saves: int

    def row(self) -> str:
        cells = (self.flash, self.flash_len, self.ram, self.ram_len, self.stack, self.store, self.saves)
        return f"| `{self.board}` | {' | '.join(f'{n:,}' for n in cells)} |\n"


def _script(board: Board) -> dict[str, int]:
    text = (boards_dir() / board.name / "board.ld").read_text()
    return {key: int(n, 0) * (_KB if unit else 1) for key, n, unit in re.findall(r"^(\w+) = (\w+?)(K?);", text, re.M)}


def _store(board: Board) -> tuple[int, int]:
    """Bytes of the store and of its sectors, as board.h says."""
    code = '#include "board.h"\n#include <stdio.h>\nint main(void) { printf("%d %d", STORE_LEN, FLASH_SECTOR_LEN); }\n'
    with tempfile.TemporaryDirectory(prefix="sdfa-") as folder:
        probe = str(Path(folder) / "probe")
        command = [*host_compiler(), f"-I{boards_dir() / board.name}", "-x", "c", "-", "-o", probe]
        subprocess.run(command, input=code, text=True, check=True)
        store, sector = subprocess.run([probe], capture_output=True, text=True, check=True).stdout.split()
    return int(store), int(sector)


def measure(name: str, model: Path, tail_len: int) -> Size:
    """Built as PlatformIO does, for size."""
    board = BOARDS[name]
    assert board.family is not None
    program = build(device_program(board, model, ("-Os",)))
    sizes = subprocess.run([board.family.tool("size"), program], capture_output=True, text=True, check=True).stdout
    text, data, bss = map(int, sizes.splitlines()[1].split()[:3])
    script = _script(board)
    store, sector = _store(board)
    slots = (store // 2 // sector * sector - 32) // (tail_len + 48)
    saves = 2 * slots * ENDURANCE
    return Size(
        name, text + data, script["FLASH_LEN"], data + bss, script["RAM_LEN"], script["STACK_LEN"], store, saves
    )


def measure_all() -> list[Size]:
    """With the digits."""
    source = model_dir("digits") / "model.tflite"
    export = export_file(source, "digits", Options(), beside(source, read_model(source)[0].sha256))
    with tempfile.TemporaryDirectory(prefix="sdfa-") as folder:
        write_files(export, Path(folder) / "digits")
        model = Path(folder) / "digits" / "digits.c"
        tail_len = int(re.findall(r"DIGITS_TAIL_LEN (\d+)", model.with_suffix(".h").read_text())[0])
        return [measure(name, model, tail_len) for name in NAMES]


def table(sizes: list[Size]) -> str:
    return HEAD + "".join(size.row() for size in sizes)


def in_guide(text: str) -> str:
    """The table in it."""
    start = text.index(HEAD)
    return text[start : text.index("\n\n", start) + 1]


def main() -> None:
    made, guide = table(measure_all()), GUIDE.read_text(encoding="utf-8")
    print(made)
    if "--update" in sys.argv:
        GUIDE.write_text(guide.replace(in_guide(guide), made), encoding="utf-8")


if __name__ == "__main__":
    main()
