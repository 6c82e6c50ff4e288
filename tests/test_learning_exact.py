"""Learning: after 1,000 steps the C runtime, on every target, has the integer twin's weights and counters."""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pytest

from sdfa.data import Samples
from sdfa.device import check as check_module
from sdfa.device.adapt import learned_image
from sdfa.device.check import check, teach
from sdfa.device.device import Classify, Device, Learn, LearnTarget, Run, Session, Set, Stage
from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import read_image
from sdfa.image.records import HEADER, SECTION
from sdfa.image.writer import rate_q24
from sdfa.targets import Host, Target, find_target
from sdfa.targets.machines import MACHINES
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite
from sdfa.twin.learn import Twin
from tests.imagekit import resealed
from tests.tflite_writer import cnn, dense_net

STEPS = 1000
SANITIZED = Host(sanitize=True)
THOROUGH = ("mps2-an386", "microbit", "riscv32")
BOARDS = [pytest.param(f"qemu:{name}", marks=pytest.mark.qemu) for name in THOROUGH]
OTHERS = [pytest.param(f"qemu:{name}", marks=pytest.mark.qemu) for name in MACHINES if name not in THOROUGH]
EVERYWHERE = ["host", "host sanitized", *BOARDS]


@dataclass(frozen=True)
class Case:
    """A net and how it learns. sizes: inputs, hidden neurons, outputs. k counts for random, aligned and live."""

    feedback: str = "aligned"
    k: int = 2
    layers: int = 3
    loss: str = "softmax_ce"
    per_channel: bool = True
    activation: str = "RELU"
    zero_point: int = 17
    sizes: tuple[int, ...] = (21, 14, 10, 6)
    centred: bool = False
    rate: float = 0.05
    tau: float | None = None
    seed: int = 1
    master: int = 8

    def __str__(self) -> str:
        kind = f"{self.feedback}-centred" if self.centred else self.feedback
        parts = (kind, f"k{self.k}", f"{self.layers}layers", self.loss, self.activation)
        scales = "channels" if self.per_channel else "tensor"
        return "-".join((*parts, scales, f"z{self.zero_point}", *(["master"] if self.master == 16 else [])))


def export_case(case: Case) -> bytes:
    """The image of a random net."""
    model = dense_net(
        np.random.default_rng(case.seed), case.sizes, softmax=case.loss == "softmax_ce", per_channel=case.per_channel,
        hidden_activation=case.activation, headroom=1.25, input_zero_point=case.zero_point,
    )  # fmt: skip
    options = Options(
        train_last=case.layers, feedback=case.feedback, connections=case.k, seed=case.seed, rate=case.rate,
        tau=case.tau, loss=case.loss, centred=case.centred and case.loss == "softmax_ce", master=case.master,
    )  # fmt: skip
    return export_graph(load_tflite(model, "net"), "net", options).data


def every_kind() -> list[Case]:
    """Each feedback kind, k and number of layers that go together; centred only where the errors have the sum 0."""
    tables = [(kind, k, n) for kind in ("random", "aligned") for k in (1, 2, 3) for n in (2, 3)]
    others = [("last", 1, 1), ("dense", 1, 2), ("dense", 1, 3), ("bp", 1, 1), ("bp", 1, 2), ("bp", 1, 3)]
    live = [Case("live", k, n, centred=centred) for k, n, centred in ((1, 2, True), (2, 3, False), (3, 3, True))]
    return [Case(kind, k, n) for kind, k, n in (*others, *tables)] + live


def every_case() -> list[Case]:
    """Times both losses, both kinds of weight scales, every activation; zero points and seeds vary along."""
    ways = itertools.product(("softmax_ce", "mse"), (True, False), ("RELU", "RELU6", "NONE"))
    pairs = itertools.product(every_kind(), ways)
    return [
        replace(kind, loss=loss, per_channel=channels, activation=act, zero_point=(17, -128, 127, -3)[n % 4], seed=n)
        for n, (kind, (loss, channels, act)) in enumerate(pairs)
    ]


CASES = every_case()
# for boards: of each kind's twelve cases three that together show both losses, both scales, every activation
THREES = ((0, 5, 7), (1, 3, 11), (2, 4, 9))
FEW = [case for n, case in enumerate(CASES) if n % 12 in THREES[n // 12 % 3]]


@pytest.fixture(scope="module", autouse=True)
def the_twin_learns_once() -> Iterator[None]:
    """For all targets that learn the same from the same image: it takes longer than they do."""
    taught, known = check_module._taught, {}

    def remembered(data: bytes, x: Int8Array, stage: Learn | LearnTarget, seed: int) -> Any:
        wanted = stage.y if isinstance(stage, Learn) else stage.targets
        key = (data, x.tobytes(), stage.x.tobytes(), wanted.tobytes(), seed)
        if key not in known:
            known[key] = taught(data, x, stage, seed)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(check_module, "_taught", remembered)
        yield


def target_of(name: str) -> Target:
    return SANITIZED if name == "host sanitized" else find_target(name)


def assert_learned_the_same(target: Target, data: bytes) -> None:
    """STEPS made-up samples on the target, compared in every byte; and they did change the weights."""
    result = check(target, data, None, steps=STEPS)
    assert result["mismatching_bytes"] == 0, result
    assert result["steps"] == STEPS
    assert (result["inference"]["samples"], result["inference"]["runs"]) == (256, 2)
    tail_len = int(read_image(data).header["tail_len"])
    assert result["learning"]["bytes"] == tail_len
    assert result["learning"]["weights_moved"] > tail_len / 3


@dataclass
class Replay:
    """What the twin answers to the stages of a session."""

    twin: Twin
    outputs: list[Int8Array]
    classes: list[list[int]]
    guesses: list[list[int]]

    def do(self, stage: Stage) -> None:
        if isinstance(stage, Run):
            self.outputs.append(self.twin.run(stage.x).output)
        elif isinstance(stage, Classify):
            self.classes.append(self.twin.classify(stage.x).tolist())
        elif isinstance(stage, Learn):
            self.guesses.append(self.twin.learn_many(stage.x, stage.y).tolist())
        elif isinstance(stage, LearnTarget):
            teach(self.twin, stage)
        elif isinstance(stage, Set):
            self.set(stage)

    def set(self, stage: Set) -> None:
        if stage.rate_q24 is not None:
            self.twin.set_rate(stage.rate_q24)
        if stage.tau_q15 is not None:
            self.twin.tau_q15 = stage.tau_q15
        if stage.seed is not None:
            self.twin.random = stage.seed


def assert_same_session(target: Target, data: bytes, stages: Sequence[Stage]) -> Session:
    """Every answer of the target is the twin's, without the help of sdfa.device.check."""
    session = Device(target, data).session(stages)
    replay = Replay(Twin(read_image(data)), [], [], [])
    replay.twin.stats.steps = 0  # a learned image brings its count along, a device counts from its opening on
    for stage in stages:
        replay.do(stage)
    assert [out.tolist() for out in session.outputs] == [out.tolist() for out in replay.outputs]
    assert [found.tolist() for found in session.classes] == replay.classes
    assert [found.tolist() for found in session.guesses] == replay.guesses
    assert session.tail == replay.twin.tail_bytes()
    state = session.state
    assert (state.random, state.rate_q24, state.tau_q15) == (
        replay.twin.random, replay.twin.rate_q24, replay.twin.tau_q15,
    )  # fmt: skip
    assert asdict(state.stats) == asdict(replay.twin.stats)
    return session


@functools.cache
def labelled(case: Case, n: int, seed: int) -> tuple[Int8Array, np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Random inputs int8 (n, inputs) and random classes (n,)."""
    rng = np.random.default_rng(seed)
    return rng.integers(-128, 128, (n, case.sizes[0])).astype(np.int8), rng.integers(0, case.sizes[-1], n)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_host(case: Case) -> None:
    assert_learned_the_same(Host(sanitize=False), export_case(case))


@pytest.mark.parametrize("case", FEW[::3], ids=str)
def test_host_sanitized(case: Case) -> None:
    assert_learned_the_same(SANITIZED, export_case(case))


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("case", FEW, ids=str)
def test_boards(board: str, case: Case) -> None:
    assert_learned_the_same(find_target(board), export_case(case))


@pytest.mark.parametrize("board", OTHERS)
@pytest.mark.parametrize("case", FEW[::9], ids=str)
def test_other_boards(board: str, case: Case) -> None:
    assert_learned_the_same(find_target(board), export_case(case))


MASTERS = [
    Case(master=16),
    Case("live", centred=True, master=16),
    Case("bp", 1, 3, activation="RELU6", zero_point=-128, rate=0.5, tau=0.0, master=16),
    Case("last", 1, 1, "mse", per_channel=False, master=16),
]


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("case", MASTERS, ids=str)
def test_master_weights(name: str, case: Case) -> None:
    assert_learned_the_same(target_of(name), export_case(case))


@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_backbone_in_front(name: str) -> None:
    """The tail's input comes from a convolutional part that stays as it is."""
    model = cnn(np.random.default_rng(3), (8, 8, 1), channels=4, hidden=(12, 9), classes=7)
    data = export_graph(load_tflite(model, "net"), "net", Options(train_last=3, rate=0.05)).data
    assert len(read_image(data).ops) > 6
    assert_learned_the_same(target_of(name), data)


@pytest.mark.parametrize("name", EVERYWHERE)
def test_cross_entropy_without_a_softmax(name: str) -> None:
    """The error comes from the logits, whether or not the model ends in SOFTMAX."""
    case = Case(loss="mse")
    model = dense_net(np.random.default_rng(4), case.sizes, softmax=False, per_channel=True)
    options = Options(train_last=2, loss="softmax_ce", rate=0.05)
    data = export_graph(load_tflite(model, "net"), "net", options).data
    x, y = labelled(case, STEPS, 4)
    session = assert_same_session(target_of(name), data, [Run(x), Learn(x, y), Classify(x), Run(x)])
    assert session.state.stats.moved > STEPS


@pytest.mark.parametrize("sanitize", [False, True])
@pytest.mark.parametrize(
    "case",
    [
        Case("aligned", 3),
        Case("random", 3),
        Case("aligned", 2, 2, "mse"),
        Case("dense", 1, 2),
        Case("bp"),
        Case("last", 1, 1),
        Case("live", 3, centred=True),
        Case("live", 2, 2, "mse"),
    ],
    ids=str,
)
def test_more_than_256_outputs(case: Case, sanitize: bool) -> None:
    """The index table has 16-bit entries then."""
    data = export_case(replace(case, sizes=(16, 24, 150, 300), rate=0.02, tau=0.0))
    table = Twin(read_image(data)).layers[0].index
    if case.feedback in ("aligned", "random", "dense") or (case.feedback, case.layers) == ("live", 3):
        assert table is not None
        assert table.max() > 255
    result = check(Host(sanitize=sanitize), data, None, steps=300)
    assert result["mismatching_bytes"] == 0
    assert result["learning"]["weights_moved"] > 1000


@pytest.mark.parametrize("name", EVERYWHERE)
@pytest.mark.parametrize("loss", ["softmax_ce", "mse"])
def test_rates_that_saturate(name: str, loss: str) -> None:
    """Nearly the highest rate that is not refused: the clamps act, in the same places, and are counted.

    Steps are limited, so that cross-entropy's logits, of which none has a target far away, stay inside their range.
    """
    case = Case("bp", 1, 3, loss, activation="RELU6", rate=0.5, tau=0.0)
    data, (x, y) = export_case(case), labelled(case, STEPS, 5)
    targets = np.random.default_rng(6).integers(-32767, 32768, (STEPS, case.sizes[-1])).astype(np.int16)
    stage = Learn(x, y) if loss == "softmax_ce" else LearnTarget(x, targets)
    stats = assert_same_session(target_of(name), data, [stage, Run(x)]).state.stats
    assert stats.saturated_weights > 100
    assert stats.saturated_activations > 100
    assert (stats.saturated_logits > 0) == (loss == "mse")


@pytest.mark.parametrize("name", EVERYWHERE)
def test_without_a_threshold(name: str) -> None:
    """tau = 0 keeps every error; 1/32 drops some."""
    x, y = labelled(Case(), STEPS, 7)
    without, with_it = (
        assert_same_session(target_of(name), export_case(Case(tau=tau)), [Learn(x, y), Classify(x)]).state
        for tau in (0.0, 1 / 32)
    )
    assert (without.tau_q15, with_it.tau_q15) == (0, 1024)
    assert without.stats.weights_nonzero > with_it.stats.weights_nonzero > 0


@pytest.mark.parametrize("name", EVERYWHERE)
def test_settings_at_run_time(name: str) -> None:
    """Rate, threshold and seed change between steps, and hold from then on."""
    x, y = labelled(Case(), 900, 8)
    parts = [Learn(x[i : i + 300], y[i : i + 300]) for i in (0, 300, 600)]
    stages: list[Stage] = [
        *(Set(seed=12345), parts[0]),
        *(Set(rate_q24=rate_q24(0.3), tau_q15=4000), parts[1]),
        *(Set(rate_q24=rate_q24(0.003), tau_q15=0, seed=1), parts[2], Run(x[:50])),
    ]
    session = assert_same_session(target_of(name), export_case(Case()), stages)
    moved = np.diff([0, *(state.stats.moved for state in session.states)])
    assert moved[1] > 2 * moved[0] > 4 * moved[2] > 0
    plain = Device(target_of(name), export_case(Case())).session([s for s in stages if not isinstance(s, Set)])
    assert plain.tail != session.tail


def accepts(ask: Callable[[Any], object], request: Any) -> bool:
    try:
        ask(request)
    except SdfaError:
        return False
    return True


@pytest.mark.parametrize("name", EVERYWHERE)
def test_the_same_rates_are_refused(name: str) -> None:
    """Device and twin draw the line at the same powers of two, on both ends."""
    data, target, accepted = export_case(Case()), target_of(name), []
    for power in range(32):
        ask = Device(target, data).session, Twin(read_image(data)).set_rate
        answers = accepts(ask[0], [Set(rate_q24=1 << power)]), accepts(ask[1], 1 << power)
        assert answers[0] == answers[1], f"rate 2^{power - 24}"
        accepted.append(answers[0])
    assert 5 < sum(accepted) < 32


def continued(target: Target, data: bytes, stage: Stage) -> bytes:
    """The image with what the target learned in this stage."""
    found = Device(target, data).session([stage])
    state = found.state
    return learned_image(data, found.tail, state.stats.steps, state.random, state.rate_q24, state.tau_q15)


@pytest.mark.parametrize(("feedback", "master"), [("aligned", 8), ("bp", 8), ("live", 8), ("live", 16)])
@pytest.mark.parametrize("name", EVERYWHERE)
def test_a_learned_image_goes_on(name: str, feedback: str, master: int) -> None:
    """Stopping, storing and opening again costs nothing: the same bytes as without a break."""
    case, target = Case(feedback, master=master), target_of(name)
    data, (x, y) = export_case(case), labelled(case, STEPS, 9)
    learned = continued(target, data, Learn(x[:400], y[:400]))
    assert read_image(learned).model_id == read_image(data).model_id
    assert read_image(learned).tail == read_image(data).tail
    rest: list[Stage] = [Learn(x[400:], y[400:]), Run(x[:100])]
    resumed = assert_same_session(target, learned, rest)
    whole = Device(target, data).session([Learn(x, y), Run(x[:100])])
    assert resumed.tail == whole.tail != read_image(learned).learned_tail
    assert resumed.state.random == whole.state.random
    assert np.array_equal(resumed.outputs[0], whole.outputs[0])


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("shift", [1, 8, 30])
def test_logits_as_far_apart_as_can_be(shift: int, label: int) -> None:
    """Their difference has 32 bits, and what is counted as loss has more."""
    case = Case("live", sizes=(8, 6, 2), layers=2, zero_point=-128)
    data = bytearray(export_case(case))
    image = read_image(bytes(data))
    assert image.learning is not None
    table = np.frombuffer(bytes(data), SECTION, int(image.header["section_n"]), HEADER.itemsize)
    at = {bytes(entry["tag"]).decode(): int(entry["off"]) for entry in table}
    mult, shifts = (at["DATA"] + int(image.learning[name]) for name in ("zmult", "zshift"))
    bias = at["TAIL"] + int(next(op for kind, op in reversed(image.ops) if kind == "dense")["bias"])
    data[mult : mult + 8] = struct.pack("<2i", 2**31 - 1, 2**31 - 1)
    data[shifts : shifts + 2] = struct.pack("2b", shift, shift)
    data[bias : bias + 8] = struct.pack("<2i", 2**30, -(2**30))
    samples = Samples(np.full((4, 8), -128, np.int8), np.full(4, label))
    found = check(SANITIZED, resealed(bytes(data)), samples, 4, 1)
    assert found["mismatching_bytes"] == 0, found["learning"]["different_counters"]


def test_the_comparison_sees_small_changes() -> None:
    """Another seed, a rate one percent higher or another order on the twin's side does not pass."""
    x, y = labelled(Case(), 200, 10)
    data = export_case(Case())
    session = Device(Host(), data).session([Learn(x, y)])
    for change in ("nothing", "seed", "rate", "order"):
        twin = Twin(read_image(data))
        twin.random += change == "seed"
        twin.set_rate(twin.rate_q24 * (101 if change == "rate" else 100) // 100)
        order = np.arange(200)[:: -1 if change == "order" else 1]
        twin.learn_many(x[order], y[order])
        assert (session.tail == twin.tail_bytes()) == (change == "nothing"), change
