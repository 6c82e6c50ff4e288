"""Device: typed questions to every target, about a model whose answers are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from sdfa.device.device import Classify, Device, IntArray, Learn, LearnTarget, Reset, Run, Session, Set, Stage
from sdfa.errors import SdfaError
from sdfa.targets import Host, Target, find_target
from sdfa.targets.base import Reply, Request
from sdfa.targets.machines import MACHINES
from sdfa.tflite.graph import Int8Array
from tests.tiny_image import ARENA_LEN, CLASS_N, INPUT_N, RATE_Q24, TAIL_LEN, tiny_image

BOARDS = [pytest.param(f"qemu:{name}", marks=pytest.mark.qemu) for name in MACHINES]
SANITIZED = Host(sanitize=True)


@pytest.fixture(params=["host", "host sanitized", *BOARDS])
def target(request: pytest.FixtureRequest) -> Target:
    return SANITIZED if request.param == "host sanitized" else find_target(request.param)


def _samples(n: int) -> tuple[Int8Array, IntArray]:
    """Inputs, and the class behind the one that the untrained model guesses."""
    x = np.random.default_rng(1).integers(-100, 101, (n, INPUT_N)).astype(np.int8)
    return x, (x[:, :CLASS_N].argmax(axis=1) + 1) % CLASS_N


def test_the_target_says_what_it_opened(target: Target) -> None:
    info = Device(target, tiny_image()).info()
    assert (info.arena_len, info.tail_len, info.class_n) == (ARENA_LEN, TAIL_LEN, CLASS_N)
    assert (info.input_len, info.output_len) == (INPUT_N, CLASS_N)
    assert 100 < info.state_len < 250


@pytest.mark.parametrize("learns", [True, False])
def test_outputs_are_those_of_the_model(target: Target, learns: bool) -> None:
    """Thousands of samples, far more than fit a board's memory."""
    x, _ = _samples(5000)
    assert np.array_equal(Device(target, tiny_image(learns=learns)).run(x), x[:, :CLASS_N])


def test_classes_are_those_of_the_model(target: Target) -> None:
    x, _ = _samples(300)
    assert np.array_equal(Device(target, tiny_image()).classify(x), x[:, :CLASS_N].argmax(axis=1))


def test_samples_keep_their_shape_to_themselves() -> None:
    x, _ = _samples(6)
    device = Device(SANITIZED, tiny_image())
    assert np.array_equal(device.run(x.reshape(6, 2, 2)), device.run(x))
    assert device.run(x[:0]).shape == (0, CLASS_N)


def test_the_model_learns_other_classes(target: Target) -> None:
    x, y = _samples(200)
    result = Device(target, tiny_image()).learn(x, y, epochs=3, x_eval=x)
    assert np.mean(result.classes_before == y) == 0
    assert np.mean(result.classes_after == y) > 0.9
    assert result.guesses.shape == (600,)
    assert result.stats.steps == 600
    assert result.stats.correct == np.sum(result.guesses == np.tile(y, 3))
    assert 0 < result.stats.weights_updated <= result.stats.weights_nonzero <= 600 * CLASS_N * INPUT_N
    assert len(result.tail) == TAIL_LEN


def _session(target: Target) -> Session:
    x, y = _samples(100)
    stages: list[Stage] = [Set(seed=7), Classify(x), Learn(x, y), Classify(x), Run(x), Learn(x, y), Classify(x)]
    return Device(target, tiny_image()).session(stages)


def test_every_target_gives_the_same_bits(target: Target) -> None:
    a, b = _session(SANITIZED), _session(target)
    assert (a.tail, a.state, a.states) == (b.tail, b.state, b.states)
    assert np.array_equal(a.outputs, b.outputs)
    assert np.array_equal(a.classes, b.classes)
    assert np.array_equal(a.guesses, b.guesses)


def test_a_session_keeps_each_answer_apart() -> None:
    s = _session(SANITIZED)
    assert (len(s.outputs), len(s.classes), len(s.guesses), len(s.states)) == (1, 3, 2, 2)
    assert [state.stats.steps for state in s.states] == [100, 200]
    assert s.states[-1] == s.state
    assert np.array_equal(s.guesses[0][:1], s.classes[0][:1])


def test_settings_reach_the_device(target: Target) -> None:
    x, y = _samples(1)
    device = Device(target, tiny_image())
    state = device.session([Set(rate_q24=2 * RATE_Q24, tau_q15=99, seed=1234)]).state
    assert (state.rate_q24, state.tau_q15, state.random) == (2 * RATE_Q24, 99, 1234)
    untouched = device.session([Set()]).state
    assert (untouched.rate_q24, untouched.tau_q15, untouched.random) == (RATE_Q24, 0, 1)
    assert device.session([Set(seed=1234), Learn(x, y)]).state.random != 1234


def test_the_seed_decides_the_rounding() -> None:
    x, y = _samples(50)
    device = Device(SANITIZED, tiny_image())
    tails = [device.learn(x, y, settings=Set(seed=seed)).tail for seed in (1, 1, 2)]
    assert tails[0] == tails[1] != tails[2]


def test_reset_brings_the_factory_weights_back() -> None:
    x, y = _samples(50)
    device = Device(SANITIZED, tiny_image())
    factory = device.session([]).tail
    learned = device.session([Learn(x, y)])
    reset = device.session([Learn(x, y), Reset()])
    assert factory == reset.tail != learned.tail
    stats = dataclasses.replace(learned.state.stats, steps=0)  # the weights have none behind them
    assert reset.state == dataclasses.replace(learned.state, stats=stats)


def test_targets_teach_a_regression(target: Target) -> None:
    x, _ = _samples(100)
    targets = (10 * x[:, :CLASS_N].astype(np.int16))[:, ::-1]
    session = Device(target, tiny_image(loss=1)).session([LearnTarget(x, targets), LearnTarget(x, targets)])
    first, both = (state.stats for state in session.states)
    assert (first.steps, both.steps) == (100, 200)
    assert 0 < both.loss - first.loss < first.loss


def test_what_does_not_learn_says_so(target: Target) -> None:
    x, y = _samples(2)
    frozen = Device(target, tiny_image(learns=False))
    assert frozen.session([]).tail == b""
    for stage in (Learn(x, y), Classify(x), Reset(), Set(seed=3), LearnTarget(x, np.zeros((2, 0), np.int16))):
        with pytest.raises(SdfaError, match="nothing learns in this image"):
            frozen.session([stage])


def test_the_loss_of_the_image_decides_how_to_teach(target: Target) -> None:
    x, y = _samples(2)
    with pytest.raises(SdfaError, match="learn: image was made for the other loss"):
        Device(target, tiny_image(loss=1)).session([Learn(x, y)])
    with pytest.raises(SdfaError, match="learntarget: image was made for the other loss"):
        Device(target, tiny_image()).session([LearnTarget(x, np.zeros((2, CLASS_N), np.int16))])


def test_a_label_out_of_range_is_named_and_teaches_nothing(target: Target) -> None:
    x, y = _samples(5)
    y[3] = CLASS_N
    with pytest.raises(SdfaError, match=r"label 3 of sample 3 is out of range: the model has 3 classes"):
        Device(target, tiny_image()).learn(x, y)


X, Y = _samples(4)
WRONG: dict[str, tuple[Stage, str]] = {
    "sample length": (Run(X[:, :2]), "a sample has 2 values, the model's input 4"),
    "float samples": (Run(X.astype(np.float32)), "array of int8, not float32"),
    "one number": (Run(np.array(3, np.int8)), "array of int8"),
    "label count": (Learn(X, Y[:2]), "4 samples with 2 labels"),
    "negative label": (Learn(X, Y - 5), "must be classes, counted from 0"),
    "float labels": (Learn(X, Y.astype(float)), "vector of integers"),
    "targets": (LearnTarget(X, np.zeros((4, 2), np.int16)), "targets of shape"),
    "rate 0": (Set(rate_q24=0), "set: learning rate does not fit"),
    "huge rate": (Set(rate_q24=0xFFFFFFFE), "set: learning rate does not fit"),
    "threshold": (Set(tau_q15=32768), "set: threshold is out of range"),
    "seed": (Set(seed=-1), r"must be in 0 ... 2\^32 - 2"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_request_is_one_clear_line(case: str) -> None:
    stage, text = WRONG[case]
    image = tiny_image(loss=1 if isinstance(stage, LearnTarget) else 0)
    with pytest.raises(SdfaError, match=text) as error:
        Device(SANITIZED, image).session([stage])
    assert "\n" not in str(error.value)


def test_a_damaged_image_is_refused(target: Target) -> None:
    image = bytearray(tiny_image())
    image[-1] ^= 1
    with pytest.raises(SdfaError, match="open: image is damaged: CRC-32 does not match"):
        Device(target, bytes(image)).run(X)


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_memory_beyond_the_pool_is_refused_with_the_figures(name: str) -> None:
    target = find_target(f"qemu:{name}")
    pool = Device(target, tiny_image()).session([]).memory.pool_len
    fits = pool - TAIL_LEN & ~3
    x, _ = _samples(3)
    assert np.array_equal(Device(target, tiny_image(arena_len=fits)).run(x), x[:, :CLASS_N])
    for arena_len in (fits + 8, 20 * pool):
        with pytest.raises(SdfaError, match=rf"needs {arena_len} \+ 24 bytes of RAM .* there are {pool}"):
            Device(target, tiny_image(arena_len=arena_len)).run(x)


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_no_memory_for_targets_is_an_error(name: str) -> None:
    target = find_target(f"qemu:{name}")
    pool = Device(target, tiny_image()).session([]).memory.pool_len
    image = tiny_image(loss=1, arena_len=pool - TAIL_LEN & ~3)
    with pytest.raises(SdfaError, match="memory for targets or samples is too small"):
        Device(target, image).session([LearnTarget(X, np.zeros((4, CLASS_N), np.int16))])


@pytest.mark.qemu
def test_learning_fits_the_stack_of_the_smallest_board() -> None:
    result = Device(find_target("qemu:microbit"), tiny_image()).learn(X, Y)
    assert 0 < result.stack_len < MACHINES["microbit"].stack_len // 2


@dataclass
class _Canned:
    """A target with prepared answers."""

    replies: list[Reply]
    name: str = "canned"

    def execute(self, image: bytes, requests: Sequence[Request]) -> list[Reply]:
        assert len(requests) == len(self.replies)
        return self.replies


def test_an_unknown_status_is_shown_as_number() -> None:
    replies = [Reply(-999, b""), *[Reply(-103, b"")] * 2, Reply(0, bytes(8))]
    with pytest.raises(SdfaError, match="canned: open: unknown error -999"):
        Device(_Canned(replies), b"").info()


def test_a_device_is_a_value() -> None:
    device = Device(SANITIZED, b"")
    assert dataclasses.replace(device, image=b"") == device
