"""platformio.ini: every environment that can be built here is built, run, tested and checked, without a network."""

from __future__ import annotations

import configparser
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdfa.image_reader import read_image
from sdfa.link.stream import connected
from sdfa.newproject import PROJECT_BOARDS, SKETCH
from sdfa.targets.boards import BOARDS
from tests.exported_digits import EXPORTED, KNOWN, export_to, known_header
from tests.piokit import ARDUINO, BARE, EMULATED, ROOT, Pio, envs

pytestmark = pytest.mark.qemu
BUILT = ("native", *EMULATED, *BARE)


@pytest.fixture(scope="module")
def pio(tmp_path_factory: pytest.TempPathFactory) -> Pio:
    folder = tmp_path_factory.mktemp("pio")
    return Pio(folder / "core", ROOT, folder / "work")


@pytest.fixture(scope="module")
def built(pio: Pio) -> Pio:
    """Every environment, from an empty folder."""
    printed = pio.done("run", *envs(*BUILT))
    assert printed.count("SUCCESS   00:") == len(BUILT)
    assert re.findall(r".*(?:warning|error):.*", printed) == []
    return pio


def _ini() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "platformio.ini", encoding="utf-8")
    return parser


def test_every_environment_is_one_of_pytools_new() -> None:
    ini = _ini()
    assert [name[4:] for name in ini.sections() if name.startswith("env:")] == list(PROJECT_BOARDS)
    for board in PROJECT_BOARDS.values():
        own = ini[f"env:{board.name}"]
        shared = ini[own["extends"]] if "extends" in own else own
        assert own.get("board", "") == board.board
        assert board.name in ARDUINO or own.get("build_flags", shared["build_flags"])
        platform = own.get("platform") or shared["platform"]
        assert platform.rsplit("/", 1)[-1] == board.platform.rsplit("/", 1)[-1]
        assert shared.get("framework", "") == ("arduino" if board.ini == SKETCH else "")


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


@pytest.fixture
def powered(built: Pio, port: str) -> Iterator[tuple[Pio, str]]:
    printed = built.done("run", "-e", "qemu_m4", "-t", "upload", "--upload-port", port, network=True)
    assert f"its serial port is {port}" in printed
    yield built, port
    built.done("run", "-e", "qemu_m4", "-t", "power_off", network=True)


def test_upload_starts_the_emulator_and_the_device_is_checked(powered: tuple[Pio, str]) -> None:
    pio, port = powered
    with connected(port) as remote:
        assert remote.info.model_id == read_image((EXPORTED / "digits.sdfa").read_bytes()).model_id.hex()
        remote.selftest()
    printed = pio.done("run", "-e", "qemu_m4", "-t", "check_device", "--upload-port", port, network=True)
    assert "4056 bytes of weights and biases, generator and counters compared, 0 differ" in " ".join(printed.split())


def test_a_port_in_use_is_told(built: Pio) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        url = f"socket://127.0.0.1:{other.getsockname()[1]}"
        ran = built.run("run", "-e", "qemu_m3", "-t", "upload", "--upload-port", url, network=True)
    assert ran.returncode == 1
    assert f"if {url} is in use, give another --upload-port" in ran.stdout


def test_the_monitor_shows_what_the_board_sends(powered: tuple[Pio, str]) -> None:
    """A request by hand: the monitor sends what is typed, and shows the frame of the answer."""
    pio, port = powered
    monitor = subprocess.run(
        ["python", "-m", "tests.pio_offline", "device", "monitor", "-p", port, "--quiet"],
        cwd=pio.project, env=pio.env(), input="", capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in monitor.stderr


def test_the_suites_pass_on_this_computer_and_on_every_core(pio: Pio) -> None:
    work = Pio(pio.core, ROOT, pio.work.parent / "suites")
    printed = work.done("test", *envs("native", *EMULATED))
    suites = [line.split() for line in printed.splitlines() if re.match(r"\w+ +test_\w+ ", line)]
    assert len(suites) == 2 * (1 + len(EMULATED)) - 1
    assert all(words[2] == "PASSED" for words in suites)
    (told,) = re.findall(r"= (\d+) test cases: (\d+) succeeded", printed)
    assert told[0] == told[1] == str(7 * 7 + 6 * 4)


def test_static_analysis_finds_nothing(pio: Pio) -> None:
    severe = [word for level in ("low", "medium", "high") for word in ("--fail-on-defect", level)]
    assert "No defects found" in pio.done("check", "-e", "native", "-e", "qemu_m4", *severe)


def test_what_is_not_there_fails_at_once_and_by_name(pio: Pio) -> None:
    ran = pio.run("run", "-e", "pico", limit_s=60)
    assert ran.returncode == 1
    assert "no stand-in for platformio/raspberrypi" in ran.stdout


@pytest.mark.parametrize("name", BARE)
def test_ports_are_those_of_the_table_of_boards(name: str) -> None:
    """The same sources and folders as pytools builds from."""
    text = (ROOT / "platformio.ini").read_text(encoding="utf-8")
    row = BOARDS[name]
    for folder in row.folders:
        assert f"+<boards/{folder}/>" in text
    for folder in row.headers:
        assert f"-Iboards/{folder}" in text
