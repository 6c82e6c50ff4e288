"""Learning that looks after itself: every target does what the integer twin does, and `pytools learn` tells what."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from sdfa.device.care import (
    BALANCE_LEN,
    GATE_LEN,
    GUARD_LEN,
    POLICIES,
    REASONS,
    RING_LEN,
    VERDICTS,
    Care,
    Cared,
    CareStage,
    CareState,
    Judge,
    layer_numbers,
)
from sdfa.device.device import Classify, Device, HoldOut, IntArray, Learn, LearnTarget, Remember, Run, Session, Stage
from sdfa.errors import SdfaError
from sdfa.image.reader import read_image
from sdfa.targets import Target, find_target
from sdfa.targets.codes import read_list
from sdfa.tflite.graph import Int8Array
from sdfa.twin.balance import Balance
from sdfa.twin.decay import decay
from sdfa.twin.gate import Gate
from sdfa.twin.guard import Config, Guard
from sdfa.twin.learn import Twin
from sdfa.twin.replay import Ring
from tests.clikit import IMAGE, LEARN, Cli, done
from tests.cprogram import SRC, output, sanitized, tool
from tests.test_learning_exact import EVERYWHERE, Case, export_case, labelled, target_of

ALL = Care(
    replay=20, replays=2, guard="halve", window=32, frozen=(1,), balance=True, decay=0.01, decay_every=5
)  # fmt: skip
SEED = 7


class Carer:
    """The twin with all that a device does under CARE (firmware/app/care.c)."""

    def __init__(self, data: bytes, care: Care) -> None:
        self.care, self.twin = care, Twin(read_image(data))
        classes = self.twin.layers[-1].out_n
        self.twin.frozen, self.twin.stats.steps = care.frozen_mask, 0
        self.ring = Ring(care.replay, classes if care.policy == "balanced" else 0, SEED) if care.replay else None
        config = Config(window=care.window, halve=care.guard == "halve")
        self.guard = Guard(self.twin, config, back=care.guard == "halve") if care.guard else None
        self.balance = Balance(classes) if care.balance else None
        self.gate = Gate(self.twin)
        self.samples = self.replays = self.decays = 0

    def watch(self) -> None:
        if self.guard:
            self.guard.step()

    def learn(self, x: Int8Array, label: int) -> None:
        features = self.twin.features(x.reshape(1, -1))[0]
        if self.ring:
            self.ring.put(features, label)
        if self.balance:
            self.twin.learn_weighted(features, label, self.balance.count(label))
        else:
            self.twin.learn_features(features.reshape(1, -1), np.array([label]))
        self.watch()
        for _ in range(self.care.replays if self.ring else 0):
            assert self.ring
            assert self.ring.learn(self.twin)
            self.replays += 1
            self.watch()
        self.samples += 1
        if self.care.decay and self.samples % self.care.decay_every == 0:
            decay(self.twin, self.care.decay_q16)
            self.decays += 1

    def state(self) -> CareState:
        ring = (len(self.ring.labels), self.ring.seen, self.ring.random) if self.ring else (0, 0, 0)
        g = self.guard
        guard = (g.windows, g.halvings, g.reasons, g.loss) if g else (0, 0, 0, 0)
        return CareState(*ring, self.replays, *guard, self.decays)


def assert_cares_like_the_twin(target: Target, data: bytes, care: Care, x: Int8Array, y: IntArray) -> Session:
    """30 samples remembered (with a ring), 30 held out, the rest learned and judged, twice."""
    past, held, first, second = (slice(0, 30), slice(30, 60), slice(60, 200), slice(200, len(x)))
    stages: list[Stage] = [CareStage(care, SEED)]
    stages += [Remember(x[past], y[past])] if care.replay else []
    stages += [HoldOut(x[held], y[held]), Learn(x[first], y[first]), Judge(), Cared()]
    stages += [Learn(x[second], y[second]), Judge(), Cared(), Run(x[:20])]
    session = Device(target, data).session(stages)
    carer, verdicts, states = Carer(data, care), [], []
    features = carer.twin.features(x)
    if carer.ring:
        kept = [carer.ring.put(features[i], int(y[i])) for i in range(30)]
        assert session.kept[0].tolist() == kept
    for i in range(30, 60):
        carer.gate.put(features[i], int(y[i]))
    carer.gate.mark()
    for part in (first, second):
        for sample, label in zip(x[part], y[part], strict=True):
            carer.learn(sample, int(label))
        before = carer.gate.marked
        verdicts.append(VERDICTS[carer.gate.judge()])
        judged, found = carer.gate.judged, session.judgements[len(verdicts) - 1]
        assert (found.n, found.right_before, found.right) == (30, before.correct, judged.correct)
        assert (found.loss_before * 4096, found.loss * 4096) == (before.loss, judged.loss)
        states.append(carer.state())
    assert [j.verdict for j in session.judgements] == verdicts
    assert list(session.cared) == states
    assert session.tail == carer.twin.tail_bytes()
    assert (session.state.random, session.state.rate_q24) == (carer.twin.random, carer.twin.rate_q24)
    assert asdict(session.state.stats) == asdict(carer.twin.stats)
    assert np.array_equal(session.outputs[0], carer.twin.run(x[:20]).output)
    return session


@pytest.mark.parametrize("case", [Case(), Case("live", centred=True, master=16)], ids=str)
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", EVERYWHERE)
def test_everything_at_once(name: str, policy: str, case: Case) -> None:
    care = Care(**(asdict(ALL) | {"policy": policy}))
    x, y = labelled(case, 300, 3)
    session = assert_cares_like_the_twin(target_of(name), export_case(case), care, x, y)
    assert session.cared[1].replays == 2 * 240
    assert session.cared[1].decays == 240 // 5
    assert session.cared[1].windows == 3 * 240 // 32


ONE_EACH = {
    "reservoir": Care(replay=10),
    "balanced": Care(replay=10, policy="balanced", replays=3),
    "report": Care(guard="report", window=16),
    "halve": Care(guard="halve", window=16),
    "balance": Care(balance=True),
    "decay": Care(decay=0.25, decay_every=1),
}


@pytest.mark.parametrize("master", [8, 16])
@pytest.mark.parametrize(
    ("which", "feedback"), [*((w, "aligned") for w in ONE_EACH), ("halve", "bp"), ("halve", "live"), ("decay", "live")]
)
def test_one_at_a_time(which: str, feedback: str, master: int) -> None:
    """A rate at which the guard has something to do."""
    case = Case(feedback, rate=0.4 if which in ("report", "halve") else 0.05, master=master)
    x, y = labelled(case, 260, 4)
    session = assert_cares_like_the_twin(target_of("host sanitized"), export_case(case), ONE_EACH[which], x, y)
    assert (session.cared[1].halvings > 0) == (which == "halve")
    assert (session.cared[1].reasons > 0) == (which in ("report", "halve"))


def frozen(mask: int) -> Care:
    return Care(frozen=tuple(i for i in range(3) if mask >> i & 1))


def test_a_refusal_brings_the_fractions_back() -> None:
    """All held-out samples are right at the mark, what is learned is made up; the gate's copy holds the masters."""
    case = Case("live", master=16)
    data, (x, y) = export_case(case), labelled(case, 260, 4)
    y = np.concatenate([y[:30], Twin(read_image(data)).classify(x[30:60]), y[60:]])
    session = assert_cares_like_the_twin(target_of("host sanitized"), data, Care(), x, y)
    assert all(judgement.refused for judgement in session.judgements)


@pytest.mark.parametrize(("mask", "master"), [*((mask, 8) for mask in range(8)), (1, 16), (4, 16), (5, 16)])
@pytest.mark.parametrize("feedback", ["aligned", "bp", "live"])
def test_frozen_layers(feedback: str, mask: int, master: int) -> None:
    case = Case(feedback, master=master, centred=bool(mask & 1))
    x, y = labelled(case, 260, 4)
    assert_cares_like_the_twin(target_of("host"), export_case(case), frozen(mask), x, y)


@pytest.mark.qemu
@pytest.mark.parametrize(("mask", "master"), [(1, 16), (2, 8), (5, 16)])
@pytest.mark.parametrize("feedback", ["aligned", "bp", "live"])
def test_frozen_layers_on_a_board(feedback: str, mask: int, master: int) -> None:
    case = Case(feedback, master=master)
    x, y = labelled(case, 260, 4)
    assert_cares_like_the_twin(find_target("qemu:mps2-an386"), export_case(case), frozen(mask), x, y)


def test_frozen_layers_stay_and_the_others_move() -> None:
    case = Case()
    data, (x, y) = export_case(case), labelled(case, 200, 5)
    layers = Twin(read_image(data)).layers
    for frozen in ((), (0,), (1,), (2,), (0, 1), (0, 1, 2)):
        session = Device(target_of("host"), data).session([CareStage(Care(frozen=frozen)), Learn(x, y)])
        moved = {
            i
            for i, layer in enumerate(layers)
            if not np.array_equal(layer.weights(session.tail), layer.weights(read_image(data).tail))
        }
        assert moved == {0, 1, 2} - set(frozen)
        assert session.state.stats.steps == 200


def test_targets_are_guarded_too() -> None:
    case = Case(loss="mse", rate=0.4)
    data = export_case(case)
    x, _ = labelled(case, 200, 6)
    targets = np.random.default_rng(6).integers(-32767, 32768, (200, case.sizes[-1])).astype(np.int16)
    device = Device(target_of("host sanitized"), data)
    with pytest.raises(SdfaError, match="other loss"):
        device.session([HoldOut(x, np.zeros(200, np.int64))])
    with pytest.raises(SdfaError, match="memory for samples"):
        device.session([LearnTarget(x, targets), Remember(x, np.zeros(200, np.int64))])


def test_what_makes_no_sense_is_refused() -> None:
    data, (x, y) = export_case(Case()), labelled(Case(), 10, 1)
    device = Device(target_of("host sanitized"), data)
    for stages in ([Judge()], [Remember(x, y)], [CareStage(Care(window=5000, guard="report"))], [HoldOut(x, y + 9)]):
        with pytest.raises(SdfaError):
            device.session(stages)
    frozen = Device(target_of("host sanitized"), export_case(Case(layers=1, feedback="last")))
    assert frozen.session([CareStage(Care(frozen=(0,))), Learn(x, y), Classify(x)]).state.stats.moved == 0


WRONG = {
    ("--replay", "70000"): "--replay 70000: at most 65535",
    ("--replay", "5", "--replay-policy", "new"): "known are reservoir, balanced",
    ("--guard", "stop"): "known are report, halve",
    ("--freeze", "0,x"): "numbers of trainable layers",
    ("--freeze", "3"): "the trainable layers are 0 to 2",
    ("--decay", "1"): "from 0.00001 to 0.9999",
    ("--hold-out", "20"): "there are 20 samples",
    ("--replay-data", "ok.npz"): "give --replay N too",
}


@pytest.mark.parametrize("options", WRONG, ids=" ".join)
def test_wrong_options_get_one_line(options: tuple[str, ...], pytools: Cli, work: Path) -> None:
    ran = pytools(*LEARN, *options)
    assert ran.code != 0
    assert WRONG[options] in ran.err
    assert ran.err.count("\n") == 1


def test_learn_tells_what_was_done(pytools: Cli, work: Path) -> None:
    ring = ("--replay", 8, "--replay-policy", "balanced", "--replay-data", "ok.npz")
    others = ("--hold-out", 5, "--guard", "report", "--freeze", "0", "--balance", "--old-data", "ok.npz")
    options = (*ring, *others, "--decay", 0.01, "--decay-every", 4)
    ran = done(pytools(*LEARN, "--epochs", 2, *options, "--json", "r.json"))
    found = json.loads(Path("r.json").read_text())
    care = found["care"]
    assert care["replay"] == {"policy": "balanced", "samples": 8, "seen": 20 + 2 * 15, "steps": 30}
    assert found["steps"] == 60
    assert care["frozen"] == [0]
    assert care["balance"] is True
    assert care["decay"] == {"share": round(0.01 * 65536) / 65536, "every": 4, "times": 30 // 4}
    assert len(care["gate"]["judgements"]) == 2
    assert {j["n"] for j in care["gate"]["judgements"]} == {5}
    assert found["ram"]["care"] == 40 + 66 * 8 + 60 + 64 + 66 * 5 + found["ram"]["tail"] + 96 + 16 + 20
    assert found["forgetting"] == found["old_accuracy_before"] - found["old_accuracy_after"]
    for part in ("gate: ", "guard: nothing wrong", "replay: 30 steps", "forgetting: "):
        assert part in ran.out
    plain = json.loads(_learned(pytools, "plain.json"))
    assert plain["care"] == {}
    assert "forgetting" not in plain


def _learned(pytools: Cli, name: str) -> str:
    done(pytools("learn", IMAGE, "--data", "ok.npz", "-o", "plain.sdfa", "--json", name))
    return Path(name).read_text()


def test_layer_numbers() -> None:
    assert layer_numbers("") == ()
    assert layer_numbers("0") == (0,)
    assert layer_numbers("2, 0") == (2, 0)
    for text in ("a", "1,", "-1", "1;2"):
        with pytest.raises(SdfaError, match="numbers of trainable layers"):
            layer_numbers(text)


def test_names_are_those_of_the_headers() -> None:
    verdicts = read_list(SRC / "sdfa_gate.h", "SDFA_VERDICTS")
    assert [v.name.replace("_", " ").lower() for v in verdicts] == list(VERDICTS)
    assert [v.value for v in verdicts] == list(range(4))
    reasons = read_list(SRC / "sdfa_guard.h", "SDFA_REASONS")
    assert {r.value: r.name.lower() for r in reasons} == REASONS


def _example() -> str:
    """The program in the comment of sdfa_care.h."""
    lines = (SRC / "sdfa_care.h").read_text(encoding="utf-8").split("*/")[0].splitlines()
    code = [line[5:] for line in lines if line.startswith(" *   ")]
    assert len(code) > 30
    return "\n".join(code)


MAIN = """
#include <stdio.h>
int main(void) {
    static int8_t pixels[64];
    int error = begin();
    if (error)
        return 1;
    for (uint32_t i = 0; i < 500; i++) {
        for (uint32_t j = 0; j < 64; j++)
            pixels[j] = (int8_t)(i * 37u + j * (i % 10u + 3u) * 29u);
        sample(pixels, i % 10u);
    }
    printf("%u %u %u\\n", (unsigned)net.stats.steps, (unsigned)gate.samples.n, (unsigned)ring.samples.n);
    return 0;
}
"""


def test_the_example_in_the_header_works(work: Path, tmp_path: Path) -> None:
    source = tmp_path / "example.c"
    model = [(work / "digits" / name).read_text() for name in ("digits.h", "digits.c")]
    code = f"#include <string.h>\n{_example()}{MAIN}".replace('#include "digits.h"', model[0])
    source.write_text(code + model[1].replace('#include "digits.h"', ""))  # one file: built once, wherever it lies
    program = sanitized("care-example", str(source))
    assert output(program).split() == [str(2 * 480), "20", "50"]


def test_the_ram_is_what_the_structs_have(tmp_path: Path) -> None:
    lengths = {"replay": RING_LEN, "gate": GATE_LEN, "guard": GUARD_LEN, "balance": BALANCE_LEN}
    lines = (f"char {name}[sizeof(struct sdfa_{name}) == {n} ? 1 : -1];" for name, n in lengths.items())
    source = tmp_path / "sizes.c"
    source.write_text("\n".join(['#include "sdfa_care.h"', *lines]))
    for core in (("arm-none-eabi-gcc", "-mcpu=cortex-m0"), ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb")):
        command = [tool(core[0]), *core[1:], f"-I{SRC}", "-fsyntax-only", str(source)]
        assert subprocess.run(command, capture_output=True, text=True, check=False).stderr == ""


def test_the_header_stays_short() -> None:
    assert len((SRC / "sdfa.h").read_text(encoding="utf-8").splitlines()) < 300


def test_public_headers_are_checked_as_cplusplus() -> None:
    makefile = (Path(__file__).resolve().parent.parent / "Makefile").read_text(encoding="utf-8")
    found = re.search(r"^PUBLIC := .*sdfa_%.h,([a-z ]+)\)", makefile, re.M)
    assert found
    public = {path.stem[5:] for path in SRC.glob("sdfa_*.h") if 'extern "C"' in path.read_text(encoding="utf-8")}
    assert public | {"care"} == set(found[1].split())
