"""`pytools check` on emulated boards behind the link: no byte differs, and none after the power was cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sdfa.device.check import check, made_up_samples
from sdfa.exporter.export import Options, export_graph, write_files
from sdfa.image.reader import read_image
from sdfa.link.remote import Remote
from sdfa.link.stream import connected
from sdfa.targets.boards import BOARDS
from sdfa.targets.serial import Serial
from sdfa.tflite.load import load_tflite
from sdfa.twin.learn import Twin
from tests.boardkit import Running
from tests.tflite_writer import dense_net

pytestmark = pytest.mark.qemu

CORES = ("microbit", "mps2-an385", "mps2-an386", "mps2-an500", "mps2-an505", "mps3-an547")  # M0 M3 M4 M7 M33 M55
STEPS = 1000
TIMEOUT_S = 5  # of an emulator on a busy computer


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME.c beside NAME.sdfa: small, because every byte to an emulated serial port takes its time."""
    folder = tmp_path_factory.mktemp("model") / "net"
    net = dense_net(np.random.default_rng(0), (12, 9, 6, 4), softmax=True, per_channel=True)
    write_files(export_graph(load_tflite(net, "net"), "net", Options(train_last=3)), folder)
    return folder / "net.c"


def _teach(device: Remote, twin: Twin, n: int, rng: np.random.Generator) -> None:
    """The same n steps on both."""
    x = rng.integers(-128, 128, (n, 12), np.int8)
    for i, sample in enumerate(x):
        device.classify(sample)
        device.learn(i % 4)
    twin.learn_many(x, np.arange(n) % 4)


def test_the_list_of_cores_is_that_of_the_boards() -> None:
    assert set(CORES) <= set(BOARDS)


@pytest.mark.parametrize("name", CORES)
def test_a_thousand_steps_over_the_link_equal_the_twin_and_outlive_a_power_cut(
    name: str, model: Path, tmp_path: Path
) -> None:
    data = model.with_suffix(".sdfa").read_bytes()
    with Running(name, model, tmp_path) as board:
        samples = made_up_samples(read_image(data), 20, np.random.default_rng(1))
        result = check(Serial(board.url, TIMEOUT_S), data, samples, steps=STEPS)
        assert (result["steps"], result["mismatching_bytes"]) == (STEPS, 0)
        assert result["learning"]["weights_moved"] > 0
        twin = Twin(read_image(data))
        rng = np.random.default_rng(2)
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            assert device.tail() == twin.tail_bytes()  # check puts back what there was
            _teach(device, twin, 100, rng)
            learned, steps = device.tail(), device.steps
            assert learned == twin.tail_bytes() != read_image(data).tail
            device.save()
        board.power_cycle()
        with connected(board.url, timeout_s=TIMEOUT_S) as device:
            assert (device.steps, device.tail()) == (steps, learned)
            device.reset()
            device.load()
            _teach(device, twin, 20, rng)
            assert (device.tail(), device.state().random) == (twin.tail_bytes(), twin.random)
