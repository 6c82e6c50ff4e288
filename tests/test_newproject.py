"""`pytools new`: a project that builds as it is, runs, and proves itself; what does not fit is refused."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest

from sdfa.errors import SdfaError
from sdfa.exporter.export import Options
from sdfa.start.newproject import (
    DEVICE_LEN,
    HELD_LEN,
    PROGRAM_LEN,
    PROJECT_BOARDS,
    TRACE_LEN,
    find_project_board,
    new_project,
    write_project,
)
from sdfa.start.projectfiles import PINS
from tests.clikit import MODEL, Cli, done
from tests.cprogram import output, tool
from tests.firmware_sizes import sizes
from tests.piokit import ROOT, Pio


@pytest.mark.parametrize("name", PROJECT_BOARDS)
def test_every_board_has_all_files(name: str) -> None:
    project = new_project(MODEL, find_project_board(name), "net", Options())
    names = set(map(str, project.files))
    ending = "cpp" if find_project_board(name).arduino else "c"
    assert {f"src/main.{ending}", f"src/board/port.{ending}", "src/board/sdfa_port.h", "src/model/net.sdfa"} <= names
    assert {"platformio.ini", "README.md", "pio.py", ".gitignore", "lib/sdfa/library.json"} <= names
    assert b"$" not in project.files[PurePosixPath(f"src/main.{ending}")] + project.files[PurePosixPath("README.md")]


@pytest.mark.parametrize(
    ("board", "learns", "parts"),
    [
        ("native", 3, ("slots", "gate", "trace")),
        ("native", 0, ("slots",)),
        ("bluepill_f103c8", 3, ("gate", "trace")),
        ("pico", 3, ("gate", "trace")),
    ],
)
def test_the_program_is_strict(board: str, learns: int, parts: tuple[str, ...], tmp_path: Path) -> None:
    project = new_project(MODEL, find_project_board(board), None, Options(train_last=learns))
    assert project.parts == parts
    write_project(project.files, tmp_path)
    includes = [f"-I{tmp_path / name}" for name in ("src/board", "src/model", "lib/sdfa/src")]
    strict = ("-Wall", "-Wextra", "-Wconversion", "-Wpedantic", "-Werror", "-fsyntax-only")
    if board == "pico":
        output(tool("g++"), *strict, *includes, f"-I{ROOT / 'tests' / 'c' / 'arduino'}", tmp_path / "src" / "main.cpp")
    else:
        output(tool("gcc"), "-std=c99", *strict, *includes, tmp_path / "src" / "main.c")
    readme = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert ("(`device push`" in readme.split("Left out")[0]) == ("slots" in parts)
    assert ("PA9 (out) and PA10 (in)" in readme) == (board == "bluepill_f103c8")
    assert "$" not in readme


def test_pins_are_those_of_the_port() -> None:
    for name, text in PINS.items():
        family = "stm32f1" if name.startswith("bluepill") else "stm32f4"
        head = " ".join((ROOT / "boards" / family / "family.h").read_text(encoding="utf-8").split())
        said = re.search(r"The serial port is (USART\d on PA\d+ \(out\) and PA\d+)", head)
        assert said
        assert text.startswith(said[1])


def test_json_tells_what_was_made(pytools: Cli, tmp_path: Path) -> None:
    where = tmp_path / "first"
    said = json.loads(done(pytools("new", where, "--model", MODEL, "--board", "pico", "--json", "-")).out)
    assert said["board"] == "pico"
    assert said["gate"]
    assert said["parts"] == ["gate", "trace"]
    assert sorted(said["files"]) == sorted(str(p.relative_to(where)) for p in where.rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("args", "why"),
    [
        (("new", "--board", "abacus"), "unknown board 'abacus'; there is native, qemu_m0"),
        (("digits", "--board", "pico"), "digits is not empty: give a new folder"),
        (("model.tflite", "--board", "pico"), "model.tflite is a file, not a folder"),
        (("new", "--board", "pico", "--name", "a b"), "is no C name"),
    ],
)
def test_refused(args: tuple[str, ...], why: str, refused: Callable[..., str]) -> None:
    assert why in refused("new", *args, "--model", "model.tflite")


def test_a_model_that_does_not_fit_is_refused() -> None:
    board = replace(find_project_board("pico"), ram=8 * 1024)
    project = new_project(MODEL, board, None, Options())
    assert project.parts == ("trace",)
    with pytest.raises(SdfaError, match=r"digits needs [\d,]+ bytes of RAM \(arena .*\), pico has 2,048: take"):
        new_project(MODEL, replace(board, ram=2048), None, Options())
    with pytest.raises(SdfaError, match=r"bytes of flash \(image [\d,]+, program [\d,]+\), pico has 20,480"):
        new_project(MODEL, replace(board, flash=20 * 1024), None, Options())


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("core") / "core"


@pytest.mark.qemu
def test_estimates_hold_what_the_linker_needs(core: Path, tmp_path: Path) -> None:
    board = find_project_board("bluepill_f103c8")
    project = new_project(MODEL, board, None, Options())
    write_project(project.files, tmp_path / "blue")
    pio = Pio(core, tmp_path / "blue", tmp_path / "work")
    assert "SUCCESS" in pio.done("run")
    flash, ram = sizes(pio.program(board.name))
    parts = project.export.report["ram"]
    stack_len = board.memory(stack=True)[1] - board.memory()[1]
    assert PROGRAM_LEN * 3 // 4 < flash - len(project.export.data) <= PROGRAM_LEN
    learning = HELD_LEN + 2 * parts["tail"] + TRACE_LEN
    assert DEVICE_LEN // 2 < ram - stack_len - parts["arena"] - learning - parts["state"] <= DEVICE_LEN


@pytest.mark.qemu
def test_what_the_readme_says_to_type(
    core: Path, pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From nothing to a device that is proved; in a folder whose name has a space."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```bash\n(.*?)```", readme, re.DOTALL)
    lines = [shlex.split(line.replace("5555", port), comments=True) for line in block.splitlines()]
    assert [line[0] for line in lines] == ["pip", "pytools", "cd", "pytools"]
    top = tmp_path / "my work"
    top.mkdir()
    monkeypatch.chdir(top)
    (top / "models").symlink_to(ROOT / "models")
    assert "pio run" in done(pytools(*lines[1][1:])).out
    _, folder, _, _, *run = lines[2]
    monkeypatch.chdir(folder)
    pio = Pio(core, top / folder, top / folder / ".pio")
    pio.done(*run, "--upload-port", f"socket://127.0.0.1:{port}", network=True)
    try:
        assert "0 differ" in done(pytools(*lines[3][1:], "--steps", "50")).out
    finally:
        pio.done("run", "-t", "power_off", network=True)


@pytest.mark.qemu
def test_a_native_project_answers_too(core: Path, pytools: Cli, tmp_path: Path) -> None:
    done(pytools("new", tmp_path / "mine", "--model", MODEL, "--board", "native", "--name", "net"))
    pio = Pio(core, tmp_path / "mine", tmp_path / "mine" / ".pio")
    pio.done("run")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    env = pio.env() | {"SDFA_LISTEN": port}
    with subprocess.Popen([pio.program("native")], cwd=tmp_path, env=env) as device:
        try:
            target = f"serial:socket://127.0.0.1:{port}"
            image = tmp_path / "mine" / "src" / "model" / "net.sdfa"
            for _ in range(50):
                ran = pytools("check", image, "--target", target, "--steps", "50")
                if "cannot be opened" not in ran.err:
                    break
            assert "0 differ" in done(ran).out
        finally:
            device.kill()
