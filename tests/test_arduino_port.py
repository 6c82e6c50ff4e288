"""The port for the Arduino framework, on a stand-in of it (tests/c/arduino): the real ones are not to be had here."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sdfa.bundle import boards_dir, firmware_dir, runtime_sources
from sdfa.exporter.export import Options
from sdfa.link.client import Link
from sdfa.link.remote import Remote
from sdfa.start.newproject import find_project_board, new_project, write_project
from tests.clikit import MODEL
from tests.cprogram import C_DIR, SRC, output, tool
from tests.exported_digits import EXPORTED

C_FLAGS = ("-c", "-g", "-fsanitize=address,undefined")
STRICT = ("-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-fsanitize=address,undefined")
ARCHS = {"esp32": "-DARDUINO_ARCH_ESP32", "mbed": "-DARDUINO_ARCH_MBED", "teensy": "-DARDUINO_ARCH_TEENSY"}


class _Pipe:
    """A program's stdin and stdout as a stream of the link."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        assert program.stdin is not None
        assert program.stdout is not None
        self._in, self._out = program.stdin.fileno(), program.stdout.fileno()

    def write(self, data: bytes) -> None:
        os.write(self._in, data)

    def read(self, timeout_s: float) -> bytes:
        ready, _, _ = select.select([self._out], [], [], timeout_s)
        return os.read(self._out, 4096) if ready else b""


@pytest.fixture(scope="module")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Object files of the library."""
    folder = tmp_path_factory.mktemp("runtime")
    output(tool("gcc"), *C_FLAGS, f"-I{SRC}", *runtime_sources(), cwd=folder)
    return sorted(folder.glob("*.o"))


def _built(arch: str, folder: Path, sketch: Iterable[Path], include: tuple[Path, ...], runtime: list[Path]) -> Path:
    """A sketch with its port and the runtime."""
    includes = [f"-I{path}" for path in (SRC, firmware_dir() / "device", C_DIR / "arduino", *include)]
    c = [path for path in sketch if path.suffix == ".c"]
    cpp = [path for path in sketch if path.suffix == ".cpp"] + [C_DIR / "arduino" / "main.cpp"]
    output(tool("gcc"), *C_FLAGS, *includes, *c, cwd=folder)
    objects = [*sorted(folder.glob("*.o")), *runtime]
    output(tool("g++"), "-std=c++11", ARCHS[arch], *STRICT, *includes, *cpp, *objects, "-o", folder / "sketch")
    return folder / "sketch"


@contextlib.contextmanager
def _running(program: Path) -> Iterator[Remote]:
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as started:
        yield Remote(Link(_Pipe(started), number=1), session=5)
        started.communicate()
    assert started.returncode == 0


@pytest.mark.parametrize("arch", ARCHS)
def test_the_sketch_with_the_digits_learns_and_saves(arch: str, runtime: list[Path], tmp_path: Path) -> None:
    port = tuple(sorted((boards_dir() / "arduino").glob("*.cpp")))
    device = firmware_dir() / "device" / "sdfa_device.c"
    program = _built(arch, tmp_path, (*port, device, EXPORTED / "digits.c"), (EXPORTED,), runtime)
    with _running(program) as remote:
        remote.selftest()
        remote.classify(np.zeros(64, np.int8))
        remote.learn(3)
        tail = remote.tail()
        if arch == "teensy":
            assert "store" not in remote.info.features
            return
        remote.save()
        remote.classify(np.zeros(64, np.int8))
        remote.learn(4)
        assert remote.tail() != tail
        remote.load()
        assert remote.tail() == tail


def test_a_new_project_compiles(runtime: list[Path], tmp_path: Path) -> None:
    src = tmp_path / "project" / "src"
    write_project(new_project(MODEL, find_project_board("pico"), "net", Options()).files, src.parent)
    program = _built("mbed", tmp_path, sorted(src.rglob("*.c*")), (src / "board", src / "model"), runtime)
    with _running(program) as remote:
        assert remote.info.class_n == 10
