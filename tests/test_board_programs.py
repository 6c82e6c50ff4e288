"""The device program on every board that can run here: learns as the twin does, and keeps it when the power goes."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.export import Options, export_file, write_files
from sdfa.image_reader import read_image
from sdfa.link.client import LinkError
from sdfa.link.push import push, slots
from sdfa.link.stream import connected
from sdfa.targets.boards import BOARDS
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
