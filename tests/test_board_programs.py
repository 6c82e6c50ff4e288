"""The device program on every board that can run here: learns as the twin does, and keeps it when the power goes."""

from __future__ import annotations

import dataclasses
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.bundle import firmware_dir
from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_file, write_files
from sdfa.image.reader import read_image
from sdfa.link.client import Link, LinkError
from sdfa.link.gate import hold_out, judge
from sdfa.link.push import push, slots
from sdfa.link.remote import Remote
from sdfa.link.stream import connected
from sdfa.link.trace import start_trace
from sdfa.targets.boards import BOARDS, Board, device_program
from sdfa.targets.build import Program, build
from sdfa.twin.learn import Twin
from tests.boardkit import Running
from tests.clikit import MODEL

STEPS = 20
LIVE = [
    pytest.param(name, marks=() if board.family is None else pytest.mark.qemu)
    for name, board in BOARDS.items()
    if board.family is None or board.machine
]
TIMEOUT_S = 2  # of an emulator on a busy computer


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of three models of the digits: net, other of the same sizes, and last, whose last layer learns."""
    folder = tmp_path_factory.mktemp("exported")
    write_files(export_file(MODEL, "net", Options(train_last=3)), folder / "net")
    write_files(export_file(MODEL, "other", Options(train_last=3, feedback="random", seed=3)), folder / "other")
    write_files(export_file(MODEL, "last", Options(train_last=1)), folder / "last")
    return folder


def _samples() -> tuple[npt.NDArray[np.int8], npt.NDArray[np.int64]]:
    rng = np.random.default_rng(0)
    return rng.integers(-128, 128, (STEPS, 64), np.int8), rng.integers(0, 10, STEPS)


@pytest.mark.parametrize("name", LIVE)
def test_a_board_learns_as_the_twin_and_keeps_it(name: str, exported: Path, tmp_path: Path) -> None:
    data = (exported / "net" / "net.sdfa").read_bytes()
    x, labels = _samples()
    twin = Twin(read_image(data))
    guesses = twin.learn_many(x, labels).tolist()
    with Running(name, exported / "net" / "net.c", tmp_path) as board:
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            assert device.info.board == name
            device.selftest()
            found = []
            for sample, label in zip(x, labels, strict=True):
                found.append(device.classify(sample))
                device.learn(int(label))
            assert (found, device.tail()) == (guesses, twin.tail_bytes())
            assert device.state().random == twin.random
            assert device.run_us is not None
            assert device.run_us < 1e6
            assert (device.run_us > 0) == (name != "netduino2plus")  # whose cycle counter stands still in QEMU
            if not board.board.keeps:
                with pytest.raises(LinkError, match="flash driver failed"):
                    device.save()
                return
            device.save()
            learned = device.tail()
            device.learn_us = None
        board.power_cycle()
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            assert (device.steps, device.tail()) == (STEPS, learned)
            assert device.stored().sequence == 1


@pytest.mark.parametrize("name", ["host", pytest.param("mps2-an385", marks=pytest.mark.qemu)])
def test_a_pushed_image_runs_after_a_power_cycle_too(name: str, exported: Path, tmp_path: Path) -> None:
    other = (exported / "other" / "other.sdfa").read_bytes()
    with Running(name, exported / "net" / "net.c", tmp_path) as board:
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            push(device, other)
        board.power_cycle()
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            assert device.info.model_id == read_image(other).model_id.hex()
            assert slots(device).running == 1
            device.selftest()


@pytest.mark.qemu
def test_the_firmware_of_a_blue_pill_runs_on_a_smaller_relative(
    exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QEMU has an STM32F100 with 8 KB of RAM: enough for one layer that learns. Its PLL never starts."""
    board = dataclasses.replace(BOARDS["bluepill_f103c8"], machine="stm32vldiscovery")
    monkeypatch.setitem(BOARDS, board.name, board)
    data = (exported / "last" / "last.sdfa").read_bytes()
    twin, (x, labels) = Twin(read_image(data)), _samples()
    twin.learn_many(x, labels)
    small = ("-DSDFA_HELD_BYTES=0", "-DSDFA_TRACE_BYTES=0")
    with (
        Running(board.name, exported / "last" / "last.c", tmp_path, small) as running,
        connected(running.url, timeout_s=TIMEOUT_S) as device,
    ):
        for sample, label in zip(x, labels, strict=True):
            device.classify(sample)
            device.learn(int(label))
        assert device.tail() == twin.tail_bytes()
        with pytest.raises(LinkError, match="flash driver failed"):
            device.save()


class Pipe:
    """A stream to a program's stdin and stdout. What is not there at once comes later: it waits for a byte."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        assert program.stdin
        assert program.stdout
        self.write, self._out = program.stdin.write, program.stdout

    def read(self, timeout_s: float) -> bytes:
        return self._out.read(1)


def test_the_host_program_serves_stdin_and_ends_with_it(exported: Path, tmp_path: Path) -> None:
    """Under sanitizers."""
    recipe = device_program(BOARDS["host"], exported / "net" / "net.c")
    checked = ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    program = build(dataclasses.replace(recipe, name="device-host-sanitized", flags=(*recipe.flags, *checked)))
    x, labels = _samples()
    other = (exported / "other" / "other.sdfa").read_bytes()
    for start in (0, 3):
        with subprocess.Popen([program], cwd=tmp_path, bufsize=0, stdin=-1, stdout=-1, stderr=-1) as running:
            device = Remote(Link(Pipe(running), number=start), 1 + start)
            assert device.steps == start
            for sample, label in zip(x[:3], labels[:3], strict=True):
                device.classify(sample)
                device.learn(int(label))
            device.save()
            if start:
                push(device, other)
            assert running.stdin
            running.stdin.close()
            assert running.wait(10) == 0
            assert running.stderr
            assert running.stderr.read() == b""


def _replace_source(monkeypatch: pytest.MonkeyPatch, name: str, own: Path, link_flags: tuple[str, ...] = ()) -> None:
    """Builds the device program with another file in the place of this one; it may include the one that it replaces."""

    def changed(board: Board, model: Path, options: tuple[str, ...]) -> Program:
        recipe = device_program(board, model, options)
        sources = tuple(own if path.name == name else path for path in recipe.sources)
        return dataclasses.replace(
            recipe, sources=sources, depends=(*recipe.depends, own), link_flags=(*recipe.link_flags, *link_flags)
        )

    monkeypatch.setattr("tests.boardkit.device_program", changed)


BAD_ENDS = {
    "a fault": "#define end_badly __builtin_trap",
    "a stack overflow": """
        static int deep(volatile int n) {
            volatile char block[256] = {0};

            return n < 100000 ? deep(n + 1) + block[0] : block[1];
        }
        static void end_badly(void) {
            (void)deep(0);
        }""",
}
MAIN = """
#include "net.h"
#include "sdfa_device.h"
{end_badly}
int main(void) {{
    static uint32_t arena[NET_ARENA_LEN / 4], tail[NET_TAIL_LEN / 4];
    static const struct sdfa_model model = {{
        net_image, NET_IMAGE_LEN, &net_kernels, arena, sizeof arena, tail, sizeof tail,
    }};
    static struct sdfa_device device;

    sdfa_device_open(&device, &model);
    while (device.net.stats.steps < 3)
        sdfa_device_poll(&device);
    end_badly();
    return 0;
}}
"""


@pytest.mark.qemu
@pytest.mark.parametrize(("name", "how"), [("microbit", how) for how in BAD_ENDS] + [("riscv32", "a fault")])
def test_a_board_that_faults_starts_anew_from_what_was_saved(
    name: str, how: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "main.c"
    own.write_text(MAIN.format(end_badly=BAD_ENDS[how]))
    _replace_source(monkeypatch, "main.c", own)
    x, labels = _samples()
    with Running(name, exported / "net" / "net.c", tmp_path) as board:
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            for i in range(2):
                device.classify(x[i])
                device.learn(int(labels[i]))
            device.save()
            saved = device.tail()
            device.classify(x[2])
            device.learn(int(labels[2]))  # is answered; then comes the bad end
            with pytest.raises(SdfaError, match="has 2 steps behind it and this session 3: it was restarted"):
                device.classify(x[3])
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            assert (device.steps, device.tail()) == (2, saved)


def test_a_device_whose_model_cannot_be_opened_says_why(exported: Path, tmp_path: Path) -> None:
    """The first word of the image is another one."""
    source = (exported / "net" / "net.c").read_text()
    (tmp_path / "net.h").write_text((exported / "net" / "net.h").read_text())
    magic = f"0x{int.from_bytes(b'SDFA', 'little'):08x}"
    assert magic in source
    (tmp_path / "net.c").write_text(source.replace(magic, "0x12345678"))
    with (
        Running("host", tmp_path / "net.c", tmp_path) as board,
        pytest.raises(SdfaError, match="the device refused HELLO: not an sdfa image"),
        connected(board.url, timeout_s=TIMEOUT_S),
    ):
        pass


# the board's name becomes the bytes of stack that were used so far
STACK = """
#include "{main}"
#include "memory.h"
uint32_t __real_sdfa_link_take(struct sdfa_link *l, uint8_t byte);
uint32_t __wrap_sdfa_link_take(struct sdfa_link *l, uint8_t byte) {{
    static char digits[6];
    uint32_t n = 0, used;

    while (memory_stack[n] == MEMORY_PAINT)
        n++;
    used = (uint32_t)(memory_stack_end - memory_stack - n) * 4;
    for (n = sizeof digits - 1; n > 0; used /= 10)
        digits[--n] = (char)('0' + used % 10);
    l->board = digits;
    return __real_sdfa_link_take(l, byte);
}}
"""


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["microbit", "mps2-an385"])
def test_a_fifth_of_a_small_stack_is_left(
    name: str, exported: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The smallest boards have 2560 bytes of it."""
    own = tmp_path / "stack.c"
    own.write_text(STACK.format(main=firmware_dir() / "device" / "main.c"))
    _replace_source(monkeypatch, "main.c", own, ("-Wl,--wrap=sdfa_link_take",))
    x, labels = _samples()
    with (
        Running(name, exported / "net" / "net.c", tmp_path) as board,
        connected(board.url, timeout_s=TIMEOUT_S) as device,
    ):
        hold_out(device, [(x[0], int(labels[0])), (x[1], int(labels[1]))])
        device.classify(x[2])
        device.learn(int(labels[2]))
        judge(device)
        start_trace(device)
        device.selftest()
        device.save()
        device.load()
        device.forget()
        device.begin_again()
        assert 500 < int(device.info.board) < 0.8 * 2560
