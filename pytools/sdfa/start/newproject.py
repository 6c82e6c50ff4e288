"""A PlatformIO project around a model: what `pytools new` writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from string import Template

from sdfa.bundle import boards_dir, firmware_dir
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, export_file
from sdfa.exporter.settings import beside
from sdfa.start.projectfiles import HOSTED, PINS, QEMU, README, SERIAL, SKETCH, START, STM32, main_text, parts_text
from sdfa.targets.boards import BOARDS
from sdfa.tflite.load import read_model

KB = 1024
PROGRAM_LEN = 22 * KB
"""Bytes of flash of the device program beside the image, link and store included: what digits need, rounded up."""
DEVICE_LEN = 1 * KB
"""Bytes of RAM of the link, the store and the port beside the model's, rounded up."""
HELD_LEN = 2 * KB
"""Bytes of RAM for held-out samples, where there is room."""
TRACE_LEN = 1 * KB
"""Bytes of RAM for a trace, where there is room after that."""


@dataclass(frozen=True)
class ProjectBoard:
    """One board that a project can be made for.

    name: of PlatformIO's environment. platform, board: PlatformIO's; board "" for this computer. ini: template of its
    section. port: its row of targets.boards.BOARDS; "arduino": the port for all boards with that framework.
    flash, ram: bytes, where no linker script of ours says it.
    """

    name: str
    platform: str
    board: str
    ini: str
    port: str
    flash: int = 0
    ram: int = 0

    @property
    def arduino(self) -> bool:
        return self.port == "arduino"

    @property
    def slots(self) -> bool:
        """Whether its port has flash for pushed images."""
        if self.port == "host":
            return True
        header = boards_dir() / self.port / "board.h"
        return header.is_file() and "SLOTS_ORIGIN" in header.read_text(encoding="utf-8")

    def memory(self, *, stack: bool = False) -> tuple[int, int]:
        """Bytes of flash for a program, and of RAM with or without the stack; 0: as much as anybody could want."""
        script = boards_dir() / self.port / "board.ld"
        if not script.is_file():
            return self.flash, self.ram
        said = dict(re.findall(r"^(\w+) = ([\w]+);", script.read_text(encoding="utf-8"), re.MULTILINE))
        flash, ram, stack_len = (_length(said[name]) for name in ("FLASH_LEN", "RAM_LEN", "STACK_LEN"))
        return flash, ram if stack else ram - stack_len


def port_of(board: str) -> str:
    """The name that a board's port tells over the link, by the name of its environment; or as it is."""
    return PROJECT_BOARDS[board].port if board in PROJECT_BOARDS else board


def _length(text: str) -> int:
    """Of a linker script: 0x100, 100, 64K, 4M."""
    unit = {"K": KB, "M": KB * KB}.get(text[-1], 1)
    return int(text.rstrip("KM"), 0) * unit


def _emulated(name: str, port: str) -> ProjectBoard:
    return ProjectBoard(name, "symlink://${PROJECT_DIR}/platform-qemu", name, QEMU, port)


def _arduino(name: str, platform: str, board: str, flash: int, ram: int) -> ProjectBoard:
    return ProjectBoard(name, f"platformio/{platform}", board, SKETCH, "arduino", flash * KB, ram * KB)


_TABLE = (
    ProjectBoard("native", "platformio/native", "", HOSTED, "host"),
    _emulated("qemu_m0", "microbit"),
    _emulated("qemu_m3", "mps2-an385"),
    _emulated("qemu_m4", "mps2-an386"),
    _emulated("qemu_m7", "mps2-an500"),
    _emulated("qemu_m33", "mps2-an505"),
    _emulated("qemu_m55", "mps3-an547"),
    ProjectBoard("nucleo_f446re", "platformio/ststm32", "nucleo_f446re", STM32, "nucleo_f446re"),
    ProjectBoard("bluepill_f103c8", "platformio/ststm32", "bluepill_f103c8", STM32, "bluepill_f103c8"),
    ProjectBoard("netduino2plus", "platformio/ststm32", "netduino2plus", STM32, "netduino2plus"),
    # what the frameworks leave is less; they tell at link time
    _arduino("pico", "raspberrypi", "pico", 2048, 264),
    _arduino("nano33ble", "nordicnrf52", "nano33ble", 960, 256),
    _arduino("esp32dev", "espressif32", "esp32dev", 1280, 320),
    _arduino("teensy40", "teensy", "teensy40", 1984, 512),
)
PROJECT_BOARDS = {board.name: board for board in _TABLE}

Files = dict[PurePosixPath, bytes]


def find_project_board(name: str) -> ProjectBoard:
    """A row of the table. SdfaError, listing all, if it is not in there."""
    if name not in PROJECT_BOARDS:
        raise SdfaError(f"unknown board {name!r}; there is {', '.join(PROJECT_BOARDS)}")
    return PROJECT_BOARDS[name]


@dataclass(frozen=True, eq=False)
class Project:
    """files: by their path. parts: of projectfiles.PARTS, what the program offers over the link."""

    export: Export
    files: Files
    parts: tuple[str, ...]


def new_project(model: Path, board: ProjectBoard, name: str | None, options: Options) -> Project:
    """A project's files. SdfaError when the model does not fit the board."""
    export = export_file(model, name, options, beside(model, read_model(model)[0].sha256))
    if too_large := missing_memory(export, board):
        raise SdfaError(too_large)
    parts: tuple[str, ...] = ("slots",) if board.slots else ()
    for part in ("gate", "trace"):
        if export.image.header["tail_len"] and not missing_memory(export, board, (*parts, part)):
            parts = (*parts, part)
    return Project(export, project_files(export, board, model.name, parts), parts)


def missing_memory(export: Export, board: ProjectBoard, more: Sequence[str] = ()) -> str:
    """Why the device program with this model does not fit the board's flash or RAM; empty if it does. more: parts."""
    ram = {part: int(export.report["ram"][part]) for part in ("arena", "tail", "state")} | {"link": DEVICE_LEN}
    if "gate" in more:
        ram |= {"gate": HELD_LEN + ram["tail"]}
    if "trace" in more:
        ram |= {"trace": TRACE_LEN}
    flash = {"image": len(export.data), "program": PROGRAM_LEN}
    for what, parts, room in (("flash", flash, board.memory()[0]), ("RAM", ram, board.memory()[1])):
        need = sum(parts.values())
        if room and need > room:
            said = ", ".join(f"{part} {length:,}" for part, length in parts.items())
            return (
                f"{export.name} needs {need:,} bytes of {what} ({said}), {board.name} has {room:,}: take a larger "
                "board, a smaller model, or fewer layers that learn (--train-last)"
            )
    return ""


def project_files(export: Export, board: ProjectBoard, source: str, parts: Sequence[str]) -> Files:
    """Every file of the project by its path in it. source: name of the model file, for people."""
    learns = bool(export.image.header["tail_len"])
    words = {
        "name": export.name, "NAME": export.name.upper(), "board": board.name, "source": source,
        "platform": board.platform, "board_id": board.board, "held_len": str(HELD_LEN),
        "trace_len": str(TRACE_LEN), "parts": parts_text(parts), "serial_text": _serial_text(board),
        "tail": "tail, sizeof tail" if learns else "0, 0",
        "tail_room": f", tail[{export.name.upper()}_TAIL_LEN / 4]" if learns else "",
        "serial": SERIAL.get(board.name, "/dev/ttyACM0"), "start": START.get(board.ini, START[SKETCH]),
    }  # fmt: skip
    main = "main.cpp" if board.arduino else "main.c"
    texts = {"platformio.ini": board.ini, "README.md": README, f"src/{main}": main_text(board.arduino, parts)}
    files = {PurePosixPath(path): Template(text).substitute(words).encode() for path, text in texts.items()}
    files |= _model_files(export) | _library() | _port(board)
    files[PurePosixPath("pio.py")] = (boards_dir() / "pio.py").read_bytes()
    files[PurePosixPath(".gitignore")] = b".pio/\n"
    return files


def _serial_text(board: ProjectBoard) -> str:
    """Where the link is, on boards that have it on pins."""
    return f"The link is on {PINS[board.name]}.\n" if board.name in PINS else ""


def _model_files(export: Export) -> Files:
    contents = {
        ".c": export.csource.source.encode(), ".h": export.csource.header.encode(), ".sdfa": export.data,
        ".json": (json.dumps(export.report, indent=1) + "\n").encode(),
    }  # fmt: skip
    return {PurePosixPath("src/model") / f"{export.name}{ext}": data for ext, data in contents.items()}


def _library() -> Files:
    root = firmware_dir()
    paths = [*sorted((root / "src").rglob("*.[ch]")), root / "library.json", root / "SPEC.md"]
    return {PurePosixPath("lib/sdfa") / path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def _port(board: ProjectBoard) -> Files:
    """The port and what it is made of, in one folder; a platform of its own where the board is emulated."""
    device = [path for path in sorted((firmware_dir() / "device").glob("*.[ch]")) if path.stem != "main"]
    files = _flat([*device, *_port_sources(board)])
    if board.ini == QEMU:
        root = boards_dir() / "platform-qemu"
        paths = [path for path in sorted(root.rglob("*")) if path.suffix in (".py", ".json")]
        files |= {PurePosixPath(path.relative_to(root.parent).as_posix()): path.read_bytes() for path in paths}
    return files


def _port_sources(board: ProjectBoard) -> list[Path]:
    if board.arduino:
        return [path for path in sorted((boards_dir() / "arduino").glob("*.*")) if path.stem != "main"]
    row = BOARDS[board.port]
    sources = [path for folder in row.source_dirs() for path in sorted(folder.glob("*.c"))]
    headers = [path for folder in row.include_dirs() for path in sorted(folder.glob("*.h"))]
    scripts = [boards_dir() / board.port / "board.ld", boards_dir() / "bare" / "link.ld"] if row.family else []
    return [*sources, *headers, *scripts]


def _flat(paths: Iterable[Path]) -> Files:
    return {PurePosixPath("src/board") / path.name: path.read_bytes() for path in paths}


def write_project(files: Files, folder: Path) -> None:
    """Write them into a new or empty folder."""
    check_new(folder)
    for path, data in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)


def check_new(folder: Path) -> None:
    """SdfaError unless the folder is absent or empty, and may be made."""
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise SdfaError(f"{path} is a file, not a folder: give another DIR")
    if folder.is_dir() and any(folder.iterdir()):
        raise SdfaError(f"{folder} is not empty: give a new folder, nothing is overwritten")
