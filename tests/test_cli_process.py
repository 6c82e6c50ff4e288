"""`pytools` as a process: terminals, pipes, full disks, ctrl-C."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer

import sdfa.device.check
from sdfa import cli
from tests.clikit import IMAGE, LEARN, Cli, one_line, tree


def _start(*args: object, **options: Any) -> subprocess.Popen[bytes]:
    """A shell in the background lets its children ignore ctrl-C: the process takes it up again."""
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); import sdfa.cli; sdfa.cli.main()"
    )
    command = [sys.executable, "-c", program, *map(str, args)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, **options)


def test_errors_of_a_process(work: Path) -> None:
    for args in (("check", "none.sdfa"), ("fly",), ("export", "ok.npz", "-o", "new")):
        process = _start(*args, stdout=subprocess.PIPE)
        out, err = process.communicate(timeout=60)
        assert process.returncode > 0
        assert out == b""
        assert re.fullmatch(rb"pytools: [^\n]+\n", err)


def test_a_terminal_sees_json_alone(work: Path) -> None:
    """Status and progress never mix with it, even where stdout is a terminal."""
    ours, theirs = pty.openpty()
    process = _start(*LEARN, "--json", "-", stdout=theirs, stdin=theirs)
    os.close(theirs)
    out = b""
    while select.select([ours], [], [], 60)[0]:
        try:
            out += os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
    os.close(ours)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert json.loads(out)["steps"] == 20


def test_nobody_reads_the_output(work: Path) -> None:
    for args in (("inspect", IMAGE), ("inspect", IMAGE, "--json", "-"), ("--help",)):
        ours, theirs = os.pipe()
        os.close(ours)
        process = _start(*args, stdout=theirs)
        os.close(theirs)
        _, err = process.communicate(timeout=60)
        assert err == b""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full, which Linux has")
def test_the_output_does_not_fit(work: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        process = _start("inspect", IMAGE, stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert re.fullmatch(rb"pytools: [^\n]*No space left on device\n", err)


def _wait_for_child(pid: int) -> None:
    """Until the process has started one: the command is at work."""
    children = Path(f"/proc/{pid}/task/{pid}/children")
    for _ in range(1200):
        if children.read_text():
            return
        time.sleep(0.05)
    raise AssertionError("no child within a minute")


def test_an_interrupt_is_no_traceback(work: Path) -> None:
    before = tree(work)
    process = _start("check", IMAGE, "--steps", 1000000, stdout=subprocess.DEVNULL)
    _wait_for_child(process.pid)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.strip()) == (130, b"pytools: stopped")
    assert tree(work) == before


def test_output_without_box_characters(work: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process = _start("inspect", IMAGE, stdout=subprocess.PIPE, env=environment)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, b"")
    assert out.isascii()


def test_running_out_of_memory_is_one_line(work: Path, pytools: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def greedy(*_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(sdfa.device.check, "check", greedy)
    assert "out of memory: give fewer samples" in one_line(pytools("check", IMAGE))


def test_typer_knows_our_usage_error() -> None:
    assert issubclass(typer.BadParameter, cli._UsageError)
