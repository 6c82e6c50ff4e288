"""What is installed here, what is missing for which task, and what to do about it: `pytools doctor` as data."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdfa import __version__
from sdfa.bundle import boards_dir, firmware_dir, model_dir
from sdfa.errors import SdfaError

_PROBE = '#include <stdint.h>\n#include <string.h>\nint main(void) { return (int)strlen(""); }\n'
_ARM, _RISCV = "arm-none-eabi-gcc", "riscv64-unknown-elf-gcc"


def _version_of(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _compiles(command: Sequence[str]) -> str | None:
    """None if a C program with two standard headers compiles, else the reason."""
    asked = [*command, "-fsyntax-only", "-x", "c", "-"]
    ran = subprocess.run(asked, input=_PROBE, capture_output=True, text=True, check=False)
    return None if ran.returncode == 0 else (ran.stderr.strip().splitlines() or ["it fails"])[0]


def _first_line(command: Sequence[str]) -> str:
    ran = subprocess.run([*command, "--version"], capture_output=True, text=True, check=False)
    return (ran.stdout.strip().splitlines() or [""])[0]


def _serial_ports() -> list[str]:
    return sorted(str(path) for kind in ("ttyACM*", "ttyUSB*", "cu.usb*") for path in Path("/dev").glob(kind))


@dataclass(frozen=True)
class World:
    """The machine as doctor asks it; a test makes up another one.

    version: of a Python package, None if absent. which: place of a program. compiles: None, or why a compiler fails.
    """

    python: tuple[int, ...] = sys.version_info[:3]
    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    version: Callable[[str], str | None] = _version_of
    which: Callable[[str], str | None] = shutil.which
    compiles: Callable[[Sequence[str]], str | None] = _compiles
    first_line: Callable[[Sequence[str]], str] = _first_line
    ports: Callable[[], list[str]] = _serial_ports
    may_use: Callable[[str], bool] = lambda path: os.access(path, os.R_OK | os.W_OK)


@dataclass(frozen=True)
class Part:
    """Something that a task needs. version: None if it is not there. wrong: why what is there does not do.

    todo: what to do where it is absent or wrong.
    """

    name: str
    version: str | None
    todo: str
    wrong: str | None = None

    @property
    def ok(self) -> bool:
        return self.version is not None and self.wrong is None


@dataclass(frozen=True)
class Task:
    """needs: names of parts. helps: parts that it can do without. extra: of ours, that brings all packages it needs."""

    what: str
    needs: tuple[str, ...]
    helps: tuple[str, ...] = ()
    extra: str = ""


TASKS = {
    "base": Task("read, export, inspect and merge models", ("Python", "numpy", "typer", "rich", "C sources")),
    "host": Task("run, learn and check on this computer", ("C compiler",)),
    "demo": Task("pytools demo", ("C compiler", "scikit-learn", "matplotlib")),
    "tflite": Task("run merged .tflite files here", ("TFLite interpreter",)),
    "keras": Task("read Keras models", ("TensorFlow",)),
    "arm": Task("emulated Cortex-M boards", ("C compiler", "Arm compiler", "Arm emulator")),
    "riscv": Task("the emulated RISC-V board", ("C compiler", "RISC-V compiler", "RISC-V emulator")),
    "flash": Task("build for and flash real boards", ("PlatformIO", "pyserial"), ("serial port",)),
    "experiment": Task(
        "pytools experiment", ("C compiler", "scikit-learn", "matplotlib", "joblib"), ("Dask",), "experiment"
    ),
    "docs": Task("build the documentation", ("MkDocs Material",)),
}


def _extra(name: str) -> str:
    return f"pip install 'sdfa[{name}]'"


def _package(world: World, name: str, package: str, extra: str = "") -> Part:
    return Part(name, world.version(package), _extra(extra) if extra else "pip install --force-reinstall sdfa")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(n) for n in re.findall(r"\d+", version)[:3])


def _python(world: World) -> Part:
    wrong = None if (3, 10) <= world.python[:2] < (3, 14) else "sdfa runs on 3.10 to 3.13"
    return Part("Python", ".".join(map(str, world.python)), "install Python 3.12 and make a new environment", wrong)


def _sources(_: World) -> Part:
    try:
        for find in (firmware_dir, boards_dir, lambda: model_dir("digits")):
            find()
    except SdfaError as error:
        return Part("C sources", None, str(error))
    return Part("C sources", __version__, "")


def _compiler(world: World, name: str, command: Sequence[str], todo: str) -> Part:
    if not command or not world.which(command[0]):
        return Part(name, None, todo)
    return Part(name, world.first_line(command[:1]), todo, world.compiles(command))


def _host_compiler(world: World) -> Part:
    """As build.host_compiler chooses it."""
    asked = [shlex.split(world.environ.get("CC", "")), ["cc"], ["gcc"], ["clang"]]
    found = next((c for c in asked if c and world.which(c[0])), [])
    return _compiler(world, "C compiler", found, "apt install gcc libc6-dev (macOS: xcode-select --install)")


def _emulator(world: World, name: str, program: str, debian: str) -> Part:
    version = world.first_line([program]) if world.which(program) else None
    return Part(name, version, f"apt install {debian}")


def _tensorflow(world: World) -> Part:
    names = ("tensorflow-cpu", "tensorflow", "tensorflow-intel", "tensorflow-macos")
    version = next(filter(None, map(world.version, names)), None)
    wrong = None
    if version and not (2, 17) <= _numbers(version)[:2] < (2, 22):
        wrong = "2.17 to 2.21 work" + (": 2.16 aborts in its converter with Keras 3" if "2.16" in version else "")
    return Part("TensorFlow", version, _extra("train"), wrong)


def _interpreter(world: World) -> Part:
    runtime, litert, numpy = (world.version(n) for n in ("tflite-runtime", "ai-edge-litert", "numpy"))
    todo = _extra("tflite")
    if litert:
        wrong = "2.0 is broken: take 1.2, or 2.1 and later" if _numbers(litert)[:2] == (2, 0) else None
        return Part("TFLite interpreter", f"ai-edge-litert {litert}", todo, wrong)
    wrong = None
    if runtime and numpy and _numbers(numpy) >= (2,):
        wrong, todo = f"it imports under numpy {numpy}, then dies: it needs numpy below 2", "pip install 'numpy<2'"
    return Part("TFLite interpreter", f"tflite-runtime {runtime}" if runtime else None, todo, wrong)


def _port(world: World) -> Part:
    ports = world.ports()
    closed = [port for port in ports if not world.may_use(port)]
    wrong = f"no right to use {', '.join(closed)}" if closed else None
    todo = "sudo usermod -aG dialout $USER, then log in again" if closed else "plug a board in"
    return Part("serial port", ", ".join(ports) or None, todo, wrong)


def look(world: World) -> dict[str, Part]:
    """All parts by name."""
    arm, riscv = "gcc-arm-none-eabi libnewlib-arm-none-eabi", "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
    thumb = ("-mcpu=cortex-m4", "-mthumb")
    rv32 = ("-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs")
    parts = [
        _python(world), _package(world, "numpy", "numpy"), _package(world, "typer", "typer"),
        _package(world, "rich", "rich"), _sources(world), _host_compiler(world),
        _package(world, "scikit-learn", "scikit-learn", "demo"), _package(world, "matplotlib", "matplotlib", "demo"),
        _interpreter(world), _tensorflow(world), _compiler(world, "Arm compiler", (_ARM, *thumb), f"apt install {arm}"),
        _emulator(world, "Arm emulator", "qemu-system-arm", "qemu-system-arm"),
        _compiler(world, "RISC-V compiler", (_RISCV, *rv32), f"apt install {riscv}"),
        _emulator(world, "RISC-V emulator", "qemu-system-riscv32", "qemu-system-misc"),
        _package(world, "PlatformIO", "platformio", "firmware"), _package(world, "pyserial", "pyserial", "firmware"),
        _port(world), _package(world, "joblib", "joblib", "experiment"), _package(world, "Dask", "distributed", "dask"),
        _package(world, "MkDocs Material", "mkdocs-material", "docs"),
    ]  # fmt: skip
    return {part.name: part for part in parts}


def _notes(world: World) -> Iterator[str]:
    """What works, but not as one may think."""
    tensorflow, litert = _tensorflow(world).version, world.version("ai-edge-litert")
    for name, version, first in (("TensorFlow", tensorflow, (2, 20)), ("LiteRT", litert, (1, 3))):
        if version and _numbers(version) >= first:
            yield (
                f"{name} {version} rounds FULLY_CONNECTED in float: its outputs may differ by 1 from a device's, "
                "which are those of TensorFlow Lite Micro"
            )


def _todo(task: Task, part: Part) -> str:
    return _extra(task.extra) if task.extra and part.todo.startswith("pip install 'sdfa[") else part.todo


def diagnose(world: World) -> dict[str, Any]:
    """The JSON of `pytools doctor`. A task is ready when all it needs is there and works."""
    parts = look(world)
    tasks = {}
    for name, task in TASKS.items():
        bad = [parts[part] for part in task.needs if not parts[part].ok]
        tasks[name] = {
            "what": task.what, "ready": not bad, "missing": [part.name for part in bad],
            "todo": list(dict.fromkeys(_todo(task, part) for part in bad)),
            "optional": [p for p in task.helps if not parts[p].ok],
        }  # fmt: skip
    return {
        "version": __version__, "notes": list(_notes(world)), "tasks": tasks,
        "parts": {p.name: {"version": p.version, "ok": p.ok, "wrong": p.wrong, "todo": None if p.ok else p.todo}
                  for p in parts.values()},
    }  # fmt: skip


def refuse_missing(result: dict[str, Any], task: str) -> None:
    """SdfaError if the task cannot be done here."""
    found = result["tasks"][task]
    if not found["ready"]:
        raise SdfaError(
            f"task {task} ({found['what']}) lacks {', '.join(found['missing'])}: {'; '.join(found['todo'])}"
        )
