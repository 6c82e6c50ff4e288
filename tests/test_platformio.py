"""platformio.ini: every environment that can be built here is built, run, tested and checked, without a network."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.image.reader import read_image
from sdfa.link.stream import connected
from sdfa.start.newproject import PROJECT_BOARDS
from sdfa.targets.boards import BOARDS
from tests.exported_digits import EXPORTED, KNOWN, export_to, known_header
from tests.firmware_sizes import table, table_in_readme
from tests.pio_offline.core import make_core
from tests.piokit import BARE, EMULATED, ROOT, Pio, common_folder, envs, one_at_a_time

pytestmark = pytest.mark.qemu
BUILT = ("native", *EMULATED, *BARE)


@pytest.fixture(scope="module")
def pio(tmp_path_factory: pytest.TempPathFactory) -> Pio:
    folder = common_folder(tmp_path_factory.getbasetemp())
    with one_at_a_time(folder):
        if not (folder / "core").is_dir():
            make_core(folder / "core")
    return Pio(folder / "core", ROOT, folder / "work")


@pytest.fixture(scope="module")
def built(pio: Pio) -> Pio:
    """Every environment, from an empty folder; once, whatever number of processes there are."""
    with one_at_a_time(pio.work):
        done = pio.work / "done"
        if not done.exists():
            printed = pio.done("run", *envs(*BUILT))
            assert printed.count("SUCCESS   00:") == len(BUILT)
            assert re.findall(r".*(?:warning|error):.*", printed) == []
            done.touch()
    return pio


@pytest.fixture(scope="module")
def config(pio: Pio) -> dict[str, dict[str, Any]]:
    """The options of each environment, as PlatformIO understands platformio.ini."""
    sections = json.loads(pio.done("project", "config", "--json-output"))
    return {name[4:]: dict(options) for name, options in sections if name.startswith("env:")}


def test_every_environment_is_one_of_pytools_new(config: dict[str, dict[str, Any]]) -> None:
    assert list(config) == list(PROJECT_BOARDS)
    for board in PROJECT_BOARDS.values():
        own = config[board.name]
        assert own.get("board", "") == board.board
        assert own["platform"].rsplit("/", 1)[-1] == board.platform.rsplit("/", 1)[-1]
        assert own.get("framework", []) == (["arduino"] if board.arduino else [])


@pytest.mark.parametrize("name", BUILT)
def test_it_builds_from_what_the_table_of_boards_says(name: str, config: dict[str, dict[str, Any]]) -> None:
    """The same sources, folders of headers and options as `pytools check` and the like build a board's program from."""
    row = BOARDS[PROJECT_BOARDS[name].port]
    flags, sources = (" ".join(config[name][key]) for key in ("build_flags", "build_src_filter"))
    ours = {str(path.relative_to(ROOT)) for path in row.include_dirs()}
    assert set(re.findall(r"-I(boards/\S+)", flags)) == ours
    ours = {str(path.relative_to(ROOT)) for path in row.source_dirs()}
    assert {path.rstrip("/") for path in re.findall(r"\+<(boards/.*?)/?(?:\*\.c)?>", sources)} == ours
    assert tuple(re.findall(r"-DSDFA_\S+", flags)) == row.options
    if row.family:
        assert config[name]["board_build.ldscript"] == f"boards/{row.name}/board.ld"


def test_the_exported_digits_are_those_of_today(tmp_path: Path) -> None:
    """`python -m tests.exported_digits` writes them again."""
    export_to(tmp_path)
    for path in sorted(tmp_path.iterdir()):
        assert path.read_bytes() == (EXPORTED / path.name).read_bytes(), path.name
    assert known_header((tmp_path / "digits.sdfa").read_bytes()) == KNOWN.read_text(encoding="utf-8")


def test_every_environment_builds(built: Pio) -> None:
    for name in BUILT:
        assert built.program(name).is_file()


@pytest.fixture
def port() -> str:
    """A URL that nobody uses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"socket://127.0.0.1:{free.getsockname()[1]}"


def _board(built: Pio, name: str) -> contextlib.AbstractContextManager[None]:
    """An upload stops the emulator that this environment has running, also one of another process of these tests."""
    return one_at_a_time(built.work.parent / f"board-{name}")


@contextlib.contextmanager
def powered(built: Pio, name: str, port: str) -> Iterator[None]:
    printed = built.done("run", "-e", name, "-t", "upload", "--upload-port", port, network=True)
    assert f"its serial port is {port}" in printed
    try:
        yield
    finally:
        built.done("run", "-e", name, "-t", "power_off", network=True)


@pytest.mark.parametrize("name", EMULATED)
def test_upload_starts_the_emulator_and_the_device_is_checked(built: Pio, name: str, port: str) -> None:
    with _board(built, name), powered(built, name, port):
        _is_sound(built, name, port)


def _is_sound(pio: Pio, name: str, port: str) -> None:
    with connected(port) as remote:
        assert remote.info.model_id == read_image((EXPORTED / "digits.sdfa").read_bytes()).model_id.hex()
        remote.selftest()
    printed = pio.done("run", "-e", name, "-t", "check_device", "--upload-port", port, network=True)
    assert "4056 bytes of weights and biases, generator and counters compared, 0 differ" in " ".join(printed.split())


def test_a_part_that_is_missing_is_one_line(tmp_path: Path) -> None:
    without = (
        "import sys; sys.modules['SCons'] = None; import runpy; runpy.run_module('tests.pio_offline', {}, '__main__')"
    )
    env = {**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path / "core")}
    ran = subprocess.run([sys.executable, "-c", without], env=env, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (1, "pio_offline: SCons is missing: pip install scons==4.11.1\n")


def test_a_port_in_use_is_told(built: Pio) -> None:
    with _board(built, "qemu_m3"), socket.create_server(("127.0.0.1", 0)) as other:
        url = f"socket://127.0.0.1:{other.getsockname()[1]}"
        ran = built.run("run", "-e", "qemu_m3", "-t", "upload", "--upload-port", url, network=True)
    assert ran.returncode == 1
    assert f"if {url} is in use, give another --upload-port" in ran.stdout


def test_the_monitor_shows_what_the_board_sends(built: Pio) -> None:
    """On a terminal, and with a stand-in of a board that says the same again and again."""
    terminal, its_end = pty.openpty()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(60)
        words = ("device", "monitor", "-e", "qemu_m4", "-p", f"socket://127.0.0.1:{server.getsockname()[1]}", "--quiet")
        command = [sys.executable, "-m", "tests.pio_offline", *words]
        with subprocess.Popen(
            command, cwd=built.project, env=built.env(), stdin=its_end, stdout=its_end, stderr=its_end
        ) as monitor:
            board, _ = server.accept()
            with board:
                shown = b""
                for _ in range(120):
                    board.sendall(b"hello\r\n")
                    if select.select([terminal], [], [], 0.5)[0]:
                        shown += os.read(terminal, 4096)
                    if b"hello" in shown:
                        break
                assert b"hello" in shown
                os.write(terminal, b"typed")
                board.settimeout(60)
                assert board.recv(1) == b"t"
            monitor.kill()
    os.close(terminal)
    os.close(its_end)


def test_the_suites_pass_on_this_computer_and_on_every_core(pio: Pio) -> None:
    work = Pio(pio.core, ROOT, pio.work.parent / "suites")
    printed = work.done("test", *envs("native", *EMULATED))
    suites = [line.split() for line in printed.splitlines() if re.match(r"(native|qemu_\w+) +test_\w+ ", line)]
    assert len(suites) == 2 * (1 + len(EMULATED)) - 1
    assert all(words[2] == "PASSED" for words in suites)
    (told,) = re.findall(r"= (\d+) test cases: (\d+) succeeded", printed)
    assert told[0] == told[1] == str(7 * 7 + 6 * 4)


def test_a_real_board_s_firmware_answers_in_the_emulator(built: Pio, port: str) -> None:
    """The STM32F405 of netduino2plus; its link is on the second serial port."""
    row = BOARDS["netduino2plus"]
    listen = f"tcp:{port[len('socket://') :]},server=on,wait=on,nodelay=on"
    command = ["qemu-system-arm", "-M", row.machine, "-display", "none", "-monitor", "none"]
    command += [*("-serial", "null") * row.serial, "-serial", listen, "-kernel", str(built.program(row.name))]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as emulator:
        try:
            assert emulator.stderr is not None
            assert "waiting for connection" in emulator.stderr.readline()
            with connected(port) as remote:
                assert remote.info.board == "netduino2plus"
                remote.selftest()
                remote.classify(np.zeros(remote.info.input_len, np.int8))
                remote.learn(3)
                assert remote.steps == 1
        finally:
            emulator.kill()


def test_sizes_in_the_readme_are_those_of_what_was_built(built: Pio) -> None:
    """By 2 %, because compilers differ; `python -m tests.firmware_sizes` writes them again."""
    told, found = (
        [[int(n.replace(",", "")) for n in re.findall(r" ([\d,]+) ", row)] for row in text.splitlines()[2:]]
        for text in (table_in_readme(), table(built))
    )
    assert told == [pytest.approx(row, rel=0.02) for row in found]
    assert all(flash <= flash_room and ram <= ram_room for flash, flash_room, ram, ram_room, *_ in found)


def test_static_analysis_finds_nothing(pio: Pio) -> None:
    severe = [word for level in ("low", "medium", "high") for word in ("--fail-on-defect", level)]
    assert "No defects found" in pio.done("check", "-e", "native", "-e", "qemu_m4", *severe)


def test_what_is_not_there_fails_at_once_and_by_name(pio: Pio) -> None:
    ran = pio.run("run", "-e", "pico", limit_s=60)
    assert ran.returncode == 1
    assert "no stand-in for platformio/raspberrypi" in ran.stdout
