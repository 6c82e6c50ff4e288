"""`pytools device` and `--target serial:` against the device program on this computer, over TCP."""

from __future__ import annotations

import inspect
import json
import os
import pty
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.cli.device import _telling_when_stopped, device
from sdfa.exporter.export import Options, export_graph, write_files
from sdfa.image.reader import read_image
from sdfa.targets.boards import device_program, find_board
from sdfa.targets.build import build
from sdfa.tflite.load import load_tflite
from sdfa.twin.learn import Twin
from tests.boardkit import ALL_PARTS, Running, free_port
from tests.clikit import Cli, done, one_line, runner
from tests.tflite_writer import dense_net

SIZES = (150, 8, 4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """NAME.c beside NAME.sdfa; its input needs two frames."""
    folder = tmp_path_factory.mktemp("model") / "net"
    net = dense_net(np.random.default_rng(0), SIZES, softmax=True, per_channel=True)
    write_files(export_graph(load_tflite(net, "net"), "net", Options(train_last=2)), folder)
    return folder / "net.c"


@pytest.fixture
def image(model: Path) -> Path:
    return model.with_suffix(".sdfa")


@pytest.fixture
def board(model: Path, tmp_path: Path) -> Iterator[Running]:
    with Running("host", model, tmp_path, ALL_PARTS) as running:
        yield running


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    return runner(capsys, monkeypatch)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rng = np.random.default_rng(5)
    path = tmp_path / "data.npz"
    np.savez(path, x=rng.integers(-128, 128, (20, SIZES[0])).astype(np.int8), y=rng.integers(0, SIZES[-1], 20))
    return path


def test_check_over_the_link_finds_no_difference(cli: Cli, board: Running, image: Path) -> None:
    target = f"serial:{board.url}"
    for _ in range(2):  # the second begins anew
        ran = done(cli("check", image, "--target", target, "--steps", 300, "--json", "-"))
        result = json.loads(ran.out)
        assert result["mismatching_bytes"] == 0
        assert result["steps"] == 300
        assert result["learning"]["weights_moved"] > 0


def test_run_learn_and_bench_over_the_link(cli: Cli, board: Running, image: Path, data: Path, tmp_path: Path) -> None:
    target = f"serial:{board.url}"
    found: dict[str, Any] = {}
    for where in ("host", target):
        out = tmp_path / f"{len(found)}.sdfa"
        options = ("--epochs", 2, "--hold-out", 4, "--eval-data", data, "-o", out, "--json", "-")
        ran = done(cli("learn", image, "--data", data, "--target", where, *options))
        report = json.loads(ran.out)
        del report["ram"], report["target"]
        found[where] = (out.read_bytes(), report)
    assert found["host"] == found[target]
    np.save(tmp_path / "x.npy", np.load(data)["x"])
    outputs = []
    for where in ("host", target):
        done(cli("run", image, "--inputs", tmp_path / "x.npy", "-o", tmp_path / "y.npy", "--target", where))
        outputs.append(np.load(tmp_path / "y.npy"))
    assert np.array_equal(*outputs)
    times = json.loads(done(cli("bench", image, "--target", target, "--json", "-")).out)
    assert set(times["microseconds"]) == {"run", "learn"}
    text = one_line(cli("learn", image, "--data", data, "--target", target, "--replay", 9, "-o", tmp_path / "o.sdfa"))
    assert "--replay, --guard, --decay, --balance or --freeze goes not over the link" in text


def test_a_rate_of_one_learning_stays_not_and_a_wrecking_one_is_told(
    cli: Cli, board: Running, image: Path, data: Path
) -> None:
    port = ("--port", board.url)

    def settings() -> tuple[float, float, int]:
        stats = json.loads(done(cli("device", "stats", *port, "--json", "-")).out)
        return stats["rate"], stats["threshold"], stats["random"]

    before = settings()
    options = ("--data", data, "--lr", 0.5, "--threshold", 0.1, "--epochs", 8, "--seed", 3, "--save")
    told = json.loads(done(cli("device", "learn", *port, *options, "--json", "-")).out)
    after = settings()
    assert after[:2] == before[:2]
    assert after[2] not in (3, before[2])  # the generator goes on from where learning left it
    assert len(told["warnings"]) == 1
    assert told["warnings"][0].startswith("learning at a rate of 0.5 went wrong: ")
    assert "try --lr 0.12" in told["warnings"][0]
    done(cli("device", "load", *port))
    assert settings() == after  # what was saved
    done(cli("device", "reset", *port))
    told = json.loads(done(cli("device", "learn", *port, "--data", data, "--epochs", 2, "--json", "-")).out)
    assert told["warnings"] == []
    ran = cli("device", "learn", *port, "--data", data, "--lr", 100)
    assert "learning rate does not fit" in one_line(ran)
    assert settings()[:2] == before[:2]


def test_a_day_with_a_device(cli: Cli, board: Running, image: Path, data: Path, tmp_path: Path) -> None:
    """info, learn, save, power cut, trace, replay, pull, evaluate, rollback, reset: one after the other."""
    port = ("--port", board.url)

    def ask(name: str, *more: object) -> Any:
        return json.loads(done(cli("device", name, *port, *more, "--json", "-")).out)

    parsed, samples = read_image(image.read_bytes()), np.load(data)
    x, y = samples["x"], samples["y"]
    said = ask("info", "--image", image, "--board", "host")
    assert said["features"] == ["clock", "gate", "learning", "selftest", "slots", "store", "trace"]
    assert said["model_id"] == parsed.model_id.hex()
    assert ask("selftest")["passed"] is True
    factory = ask("evaluate", "--data", data)
    twin = Twin(parsed)
    assert factory["correct"] == int(np.sum(twin.classify(x) == y))

    assert ask("trace", "--start") == {"first": 0}
    taught = ask("learn", "--data", data, "--epochs", 1, "--seed", 7, "--save")
    assert taught["steps"] == 20
    trace = tmp_path / "trace.npz"
    assert ask("trace", "-o", trace) == {"first": 0, "steps": 20, "lost": 0}
    again = json.loads(
        done(cli("device", "replay", trace, "--image", image, "-o", tmp_path / "r.sdfa", "--json", "-")).out
    )
    assert again["mismatching_bytes"] == 0
    ask("pull", "-o", tmp_path / "pulled.sdfa")
    pulled = read_image((tmp_path / "pulled.sdfa").read_bytes())
    assert pulled.learned is not None
    assert int(pulled.learned["steps"]) == 20
    assert (tmp_path / "r.sdfa").read_bytes() == (tmp_path / "pulled.sdfa").read_bytes()
    order = np.random.default_rng(7).permutation(20)
    twin.random = 7
    twin.learn_many(x[order], y[order])
    assert pulled.learned_tail == twin.tail_bytes()

    board.power_cycle()
    stats = ask("stats")
    assert (stats["steps"], stats["stored"]["steps"]) == (20, 20)
    assert ask("evaluate", "--data", data, "--hold-out")["held_out"] == 20
    one = dict(samples) | {"y": (y + 1) % SIZES[-1]}  # what makes it worse
    np.savez(tmp_path / "wrong.npz", **one)
    ask("learn", "--data", tmp_path / "wrong.npz", "--epochs", 6, "--lr", 0.05)
    assert ask("evaluate")["refused"] is True
    ask("learn", "--data", tmp_path / "wrong.npz")
    assert ask("rollback") == {"back_to": "mark"}
    ask("pull", "-o", tmp_path / "back.sdfa", "--image", image)
    assert read_image((tmp_path / "back.sdfa").read_bytes()).learned_tail == pulled.learned_tail
    ask("reset")
    assert ask("load")["steps"] == 20
    ask("reset", "--saved")
    board.power_cycle()
    assert ask("evaluate", "--data", data) == factory
    rows = ask("monitor", "--seconds", 0.1, "--every", 0.05)["rows"]
    assert len(rows) >= 1
    assert "accuracy" in done(cli("device", "monitor", *port, "--once")).out


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another model of the same shape."""
    path = tmp_path / "other.sdfa"
    net = dense_net(np.random.default_rng(1), SIZES, softmax=True, per_channel=True)
    path.write_bytes(export_graph(load_tflite(net, "net"), "net", Options(train_last=2)).data)
    return path


def test_another_image_is_pushed_and_runs(cli: Cli, board: Running, image: Path, other: Path) -> None:
    port = ("--port", board.url)
    done(cli("device", "save", *port))
    pushed = json.loads(done(cli("device", "push", other, *port, "--json", "-")).out)
    assert pushed["model_id"] == read_image(other.read_bytes()).model_id.hex() != pushed["before"]
    board.power_cycle()
    done(cli("device", "selftest", *port))
    assert json.loads(done(cli("check", other, "--target", f"serial:{board.url}", "--json", "-")).out)["steps"] == 1000
    assert "belongs to another model" in one_line(cli("device", "save", *port))
    done(cli("device", "reset", *port, "--erase"))
    done(cli("device", "save", *port))
    big = image.parent / "big.sdfa"
    net = dense_net(np.random.default_rng(1), (150, 300, 4), softmax=True, per_channel=True)
    big.write_bytes(export_graph(load_tflite(net, "net"), "net", Options(train_last=2)).data)
    line = one_line(cli("device", "push", big, *port))
    assert re.search(r"the old one runs on: arena is too small: the image needs [\d,]+ bytes, the one that runs", line)
    done(cli("device", "info", *port, "--image", other))


def test_a_store_of_another_model_is_told_before_a_save(
    cli: Cli, board: Running, image: Path, other: Path, data: Path
) -> None:
    port = ("--port", board.url)
    done(cli("device", "learn", *port, "--data", data, "--save"))
    text = done(cli("device", "info", *port)).out
    assert "weights with 20 steps behind them, save 1 of" in text
    assert "compiled in" in text
    done(cli("device", "push", other, *port))
    text = done(cli("device", "info", *port)).out
    assert "the store holds weights of another model" in " ".join(text.split())
    assert "pushed into slot 1" in text
    assert "factory weights" in text
    refusal = one_line(cli("device", "learn", *port, "--data", data, "--save"))
    assert "`pytools device reset --erase` empties it" in refusal
    assert json.loads(done(cli("device", "stats", *port, "--json", "-")).out)["steps"] == 0
    assert "its compiled-in model" in done(cli("device", "push", "--drop", *port)).out
    board.power_cycle()
    text = done(cli("device", "info", *port, "--image", image)).out
    assert "weights with 20 steps behind them" in text
    assert "say either which IMAGE" in one_line(cli("device", "push", *port))
    assert "say either which IMAGE" in one_line(cli("device", "push", image, "--drop", *port))


def test_a_reset_leaves_no_steps_and_a_check_none_of_its_own(cli: Cli, board: Running, image: Path, data: Path) -> None:
    port = ("--port", board.url)

    def steps() -> int:
        return int(json.loads(done(cli("device", "info", *port, "--json", "-")).out)["steps"])

    done(cli("device", "learn", *port, "--data", data))
    done(cli("check", image, "--target", f"serial:{board.url}", "--steps", 50))
    assert steps() == 20
    done(cli("device", "reset", *port))
    assert steps() == 0
    assert "saved factory weights (no steps behind them); 1 of" in done(cli("device", "save", *port)).out
    done(cli("device", "learn", *port, "--data", data))
    done(cli("device", "reset", *port, "--saved"))
    stats = json.loads(done(cli("device", "stats", *port, "--json", "-")).out)
    assert (stats["steps"], stats["stored"]["steps"]) == (0, 0)


def test_tables_for_people(cli: Cli, board: Running, data: Path) -> None:
    port = ("--port", board.url)
    done(cli("device", "learn", *port, "--data", data))
    info = done(cli("device", "info", *port)).out
    assert "150 and 4 int8 values" in info
    assert "rate 0.016, threshold 0, generator at" in info
    stats = done(cli("device", "stats", *port)).out
    assert "stopped at a limit" in stats
    assert "in RAM" in stats
    score = done(cli("device", "evaluate", *port, "--data", data, "--hold-out")).out
    assert re.fullmatch(
        r"accuracy \d+\.\d %: \d+ of 20 samples; 20 of them are held out on the device now", score.strip()
    )
    for raw in ("_", "frozenset", "{"):
        assert raw not in info + stats + score


def test_what_stands_in_the_way_is_said_in_one_line(
    cli: Cli, model: Path, image: Path, other: Path, tmp_path: Path
) -> None:
    bare = ("-DSDFA_HELD_BYTES=0", "-DSDFA_TRACE_BYTES=0", "-USDFA_SLOTS")
    with Running("host", model, tmp_path, bare) as board:
        _stands_in_the_way(cli, board, other, tmp_path)


def _stands_in_the_way(cli: Cli, board: Running, other: Path, tmp_path: Path) -> None:
    port = ("--port", board.url)
    assert "is 'host', not 'pico'" in one_line(cli("device", "info", *port, "--board", "pico"))
    for command in (("device", "info", *port, "--image", other), ("check", other, "--target", f"serial:{board.url}")):
        assert "flash its firmware, or push the image" in one_line(cli(*command))
    assert "takes no pushed images" in one_line(cli("device", "push", other, *port))
    assert "holds no samples out: build it" in one_line(cli("device", "evaluate", *port))
    assert "keeps no trace: build it" in one_line(cli("device", "trace", "--start", *port))
    assert "nothing has been saved" in one_line(cli("device", "load", *port))
    closed = f"socket://127.0.0.1:{free_port()}"
    assert "cannot be opened" in one_line(cli("device", "info", "--port", closed))
    assert "write socket://localhost:5555" in one_line(cli("device", "info", "--port", "localhost:5555"))
    assert "write socket://127.0.0.1:5555" in one_line(cli("device", "info", "--port", "127.0.0.1:5555"))
    assert "write socket://HOST:PORT" in one_line(cli("device", "info", "--port", "socket://nowhere"))
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"socket://127.0.0.1:{silent.getsockname()[1]}"
        text = one_line(cli("device", "info", "--port", url, "--wait", 0.01))
    assert "does not answer (10 times HELLO)" in text
    board.power_off()
    assert "cannot be opened" in one_line(cli("device", "info", *port))


def test_a_serial_port_that_is_missing_or_busy_is_said_in_one_line(cli: Cli) -> None:
    assert "is missing: is the board plugged in?" in one_line(cli("device", "info", "--port", "/dev/ttyNONE7"))
    here, there = pty.openpty()
    try:
        import serial

        with serial.Serial(os.ttyname(there), exclusive=True):
            text = one_line(cli("device", "info", "--port", os.ttyname(there)))
    finally:
        os.close(here)
        os.close(there)
    assert "is busy: another program uses it" in text


def test_a_port_number_that_is_none_is_said_in_one_line(model: Path, tmp_path: Path) -> None:
    program = build(device_program(find_board("host"), model, ALL_PARTS))
    for wrong in ("socket://5555", "0", "65536", "-1", "", "55x"):
        ran = subprocess.run(
            [program], env=os.environ | {"SDFA_LISTEN": wrong}, cwd=tmp_path, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 1
        assert ran.stderr == f"SDFA_LISTEN={wrong}: give the number of a TCP port, 1 to 65535\n"


def test_a_stopped_learning_says_where_the_device_is(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(KeyboardInterrupt), _telling_when_stopped():
        raise KeyboardInterrupt
    assert "so far is in the device's RAM, not saved: `pytools device save` keeps it" in capfd.readouterr().err


def test_each_command_has_an_example_and_json() -> None:
    commands = {str(c.callback.__name__): c.callback for c in device.registered_commands if c.callback}
    assert len(commands) == 16
    for name, function in commands.items():
        assert f"pytools device {name}" in (function.__doc__ or "")
        assert "json_to" in inspect.signature(function).parameters
