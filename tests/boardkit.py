"""The device program, built and started: on this computer, or on an emulated board. Its link is on a TCP port."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path
from types import TracebackType

from sdfa.targets.boards import Board, device_program, find_board
from sdfa.targets.build import build, find_tool

ALL_PARTS = ("-DSDFA_HELD_BYTES=4096", "-DSDFA_TRACE_BYTES=4096", "-DSDFA_SLOTS")


def free_port() -> int:
    """A TCP port that nobody uses now."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


class Running:
    """A board with this model (NAME.c). folder: where its flash is a file; it outlives the board."""

    def __init__(self, board: str, model: Path, folder: Path, options: tuple[str, ...] = ()) -> None:
        self.board, self._folder, self._port = find_board(board), folder, free_port()
        self._program = build(device_program(self.board, model, options))
        self.url = f"socket://127.0.0.1:{self._port}"
        self._start()

    def _start(self) -> None:
        # the port is free again at once: listening sockets are made to be reused
        self._process = subprocess.Popen(
            self._command(), cwd=self._folder, env=os.environ | {"SDFA_LISTEN": str(self._port)},
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        end = time.monotonic() + 30
        while not self._listens():
            assert self._process.poll() is None, self._process.stderr and self._process.stderr.read()
            assert time.monotonic() < end
            time.sleep(0.02)

    def _listens(self) -> bool:
        """As the kernel says; to connect would take the place of the one who is meant."""
        wanted = f"0100007F:{self._port:04X} 00000000:0000 0A"
        return wanted in Path("/proc/net/tcp").read_text()

    def _command(self) -> list[str]:
        return [str(self._program)] if self.board.family is None else _qemu(self.board, self._program, self._port)

    def power_off(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()

    def power_cycle(self) -> None:
        """Off, with what is in flash, and on."""
        self.power_off()
        self._start()

    def __enter__(self) -> Running:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.power_off()


def _qemu(board: Board, program: Path, port: int) -> list[str]:
    family = board.family
    assert family is not None
    line = f"tcp:127.0.0.1:{port},server=on,wait=off,nodelay=on"
    unused = ["-serial", "null"] * board.serial
    return [
        find_tool(family.emulator, family.packages), "-M", board.machine, *family.emulator_flags,
        *("-display", "none", "-monitor", "none", *unused, "-serial", line),
        *("-semihosting-config", "enable=on,target=native", "-kernel", str(program)),
    ]  # fmt: skip
