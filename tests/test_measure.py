"""Instructions, stack and code size: exact, the same in every run, and without the overhead of the batch program."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from sdfa.device.costs import Cost, raw_costs
from sdfa.device.device import Device, Learn, LearnTarget, Measure, Profile, Run, Session, Set, Stage
from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.image.csource import CSource, write_csource
from sdfa.image.reader import read_image
from sdfa.targets import Qemu, Request, find_target
from sdfa.targets.build import build, compiler_version, host_compiler
from sdfa.targets.codes import request_code, status_text
from sdfa.targets.families import CORTEX_M
from sdfa.targets.machines import MACHINES, Machine
from sdfa.targets.process import run_batch
from sdfa.targets.size import code_len
from sdfa.tflite.graph import Int8Array
from sdfa.tflite.load import load_tflite
from tests.tflite_writer import cnn
from tests.tiny_image import CLASS_N, INPUT_N, tiny_image

X: Int8Array = np.random.default_rng(1).integers(-100, 101, (20, INPUT_N)).astype(np.int8)
Y = X[:, :CLASS_N].argmax(axis=1)
BOARDS = pytest.mark.parametrize("name", MACHINES)


def _session(name: str, *stages: Stage, image: bytes | None = None) -> Session:
    return Device(find_target(f"qemu:{name}", counting=True), image or tiny_image()).session(stages)


def _run_board(name: str, body: str, tmp_path: Path) -> None:
    """Firmware with this app_main, under a counting emulator. SdfaError with the exit code, if that is not 0."""
    machine = MACHINES[name]
    source = tmp_path / "custom.c"
    source.write_text(f'#include "app.h"\n{body}\n')
    recipe = Qemu(machine).recipe()
    program = build(
        dataclasses.replace(recipe, name="custom", library=(), sources=(source, *machine.family.port_sources()))
    )
    run_batch("board", Qemu(machine, counting=True).command(program), bytes(4), [], 60)


@pytest.mark.qemu
@BOARDS
def test_the_probe_is_counted_exactly(name: str) -> None:
    requests = [Request(request_code("MEASURE"))] * 2
    payload = find_target(f"qemu:{name}", counting=True).execute(b"", requests)[1].payload
    known, sections = raw_costs(payload)
    assert sections["PROBE"].instructions - sections["NOTHING"].instructions == known.instructions == 2006
    assert known.stack_len - 32 < sections["PROBE"].stack_len <= known.stack_len == 256
    assert sections["NOTHING"].stack_len < 64
    assert all(sections[name] == Cost(0, 0, 0, 0, 0) for name in ("OPEN", "RUN", "LEARN", "OP"))


LONG = """
static void __attribute__((noinline)) turn(uint32_t n) {
#ifdef __riscv
    __asm__ volatile("1:\\n\\taddi %0, %0, -1\\n\\tbnez %0, 1b" : "+r"(n));
#else
    __asm__ volatile(".syntax unified\\n1:\\n\\tsubs %0, #1\\n\\tbne 1b" : "+l"(n) : : "cc");
#endif
}
static uint32_t __attribute__((noinline)) count(uint32_t n) {
    uint32_t stack_len, result;
    app_section_begin();
    turn(n);
    result = app_section_end(&stack_len);
    return result;
}
int app_main(void) {
    uint32_t short_one, i;
    app_count();
    short_one = count(1);
    for (i = 0; i < 4; i++)
        if (count(40000001) - short_one != 80000000)
            return 42;
    return count(100001) - short_one == 200000 ? 0 : 43;
}"""


@pytest.mark.qemu
@BOARDS
def test_counts_stay_exact_when_the_timer_wraps(name: str, tmp_path: Path) -> None:
    """320 million instructions: more than 2^32 ticks of every board's timer."""
    _run_board(name, LONG, tmp_path)


@pytest.mark.qemu
@BOARDS
def test_every_call_is_counted(name: str) -> None:
    one, twice = X[:1], np.repeat(X[:1], 2, axis=0)
    stages = Measure(), Run(one), Measure(), Run(twice), Measure(), Learn(X, Y), Measure()
    opened, single, double, learned = _session(name, *stages).costs
    assert (opened.open.calls, opened.run.calls, single.open.calls) == (1, 0, 0)
    assert (single.run.calls, double.run.calls) == (1, 2)
    assert 0 < 2 * single.run.instructions == double.run.instructions
    assert (learned.run.calls, learned.learn.calls) == (20, 20)
    assert learned.learn.instructions > 0 == double.learn.instructions


@pytest.mark.qemu
@BOARDS
def test_the_shortest_and_the_longest_call_are_told(name: str) -> None:
    each = [_session(name, Set(seed=1), Learn(X[:n], Y[:n]), Measure()).costs[0].learn for n in (1, 2)]
    first, second = each[0].instructions, each[1].instructions - each[0].instructions
    assert first != second
    assert (each[0].least, each[0].most) == (first, first)
    assert (each[1].least, each[1].most) == (min(first, second), max(first, second))
    assert each[1].mean == round((first + second) / 2)


@pytest.mark.qemu
@BOARDS
def test_the_operations_of_a_run_cost_what_the_run_costs(name: str) -> None:
    """But for finding the kernel of each, and the same in a run of its own as among others."""
    image = export_graph(load_tflite(cnn(np.random.default_rng(1)), "net"), "net", Options(train_last=0)).data
    x = np.random.default_rng(2).integers(-128, 128, (3, *read_image(image).meta["input"]["shape"][1:])).astype(np.int8)
    session = _session(name, Run(x), Profile(x), Profile(x[1:2]), Measure(), image=image)
    whole, every = session.costs[0].run, session.profiles[0]
    assert every.shape == (3, len(read_image(image).ops))
    assert every.min() > 20
    assert 0 < whole.instructions - every.sum() < 0.02 * whole.instructions
    assert np.array_equal(session.profiles[1], every[1:2])


def test_the_host_profiles_nothing() -> None:
    replies = find_target("host").execute(tiny_image(), [Request(request_code(name)) for name in ("OPEN", "PROFILE")])
    assert status_text(replies[1].status) == "this target cannot count instructions"


@pytest.mark.qemu
@BOARDS
def test_two_runs_count_the_same_and_measuring_changes_no_bit(name: str) -> None:
    stages: list[Stage] = [Set(seed=1), Learn(X, Y), Run(X)]
    a, b = (_session(name, *stages, Measure()) for _ in range(2))
    plain = _session(name, *stages)
    assert a.costs == b.costs
    assert plain.costs == ()
    assert (plain.tail, plain.state) == (a.tail, a.state)
    assert np.array_equal(plain.outputs, a.outputs)


@pytest.mark.qemu
@BOARDS
def test_the_stack_of_each_call_is_less_than_that_of_the_whole_program(name: str) -> None:
    session = _session(name, Learn(X, Y), Measure())
    costs = session.costs[0]
    for cost in (costs.open, costs.run, costs.learn):
        assert 16 <= cost.stack_len < session.memory.stack_len
    assert costs.open.stack_len < 400


@pytest.mark.qemu
def test_the_stack_of_the_whole_program_includes_what_was_painted_over() -> None:
    plain = Device(find_target("qemu:microbit"), tiny_image()).session([Learn(X, Y)])
    measured = _session("microbit", Learn(X, Y), Measure())
    assert measured.memory.stack_len >= plain.memory.stack_len - 8


@pytest.mark.qemu
def test_steps_from_targets_are_counted() -> None:
    stage = LearnTarget(X, np.zeros((20, CLASS_N), np.int16))
    assert _session("mps2-an386", stage, Measure(), image=tiny_image(loss=1)).costs[0].learn.calls == 20


@pytest.mark.qemu
def test_a_board_that_does_not_count_says_so() -> None:
    with pytest.raises(SdfaError, match="instructions are not counted here: find the target with counting=True"):
        Device(find_target("qemu:mps2-an386"), tiny_image()).session([Measure()])


def test_the_host_cannot_count() -> None:
    with pytest.raises(SdfaError, match="host: measure: this target cannot count instructions"):
        Device(find_target("host"), tiny_image()).session([Measure()])
    with pytest.raises(SdfaError, match="host cannot count instructions; there is qemu:microbit"):
        find_target("host", counting=True)


@pytest.mark.parametrize("machine", [m for m in MACHINES.values() if m.family is CORTEX_M], ids=lambda m: m.name)
def test_a_tick_of_every_timer_is_shorter_than_an_instruction(machine: Machine) -> None:
    """Two ticks at the least: each end of a section may be off by almost one."""
    assert machine.timer is not None
    assert machine.timer.mhz * 1.024 > 2


def _source(loss: int = 0, learns: bool = True) -> CSource:
    data = tiny_image(loss=loss, learns=learns)
    return write_csource("tiny", read_image(data), data)


@pytest.mark.qemu
@BOARDS
def test_learning_is_linked_only_where_it_is_used(name: str) -> None:
    machine = MACHINES[name]
    inference = code_len(machine, "tiny", _source(learns=False), None)
    by_labels, by_targets = (
        code_len(machine, "tiny", _source(i), loss) for i, loss in enumerate(("softmax_ce", "mse"))
    )
    assert 1000 < inference < by_labels < 16384
    assert inference < by_targets < 16384


@pytest.mark.qemu
def test_the_image_is_no_code() -> None:
    source, machine = _source(), MACHINES["mps2-an386"]
    length = len(tiny_image())
    header = source.header.replace(f"IMAGE_LEN {length}u", f"IMAGE_LEN {length + 4096}u")
    longer = dataclasses.replace(source, header=header)
    assert longer != source
    assert code_len(machine, "tiny", longer, "softmax_ce") == code_len(machine, "tiny", source, "softmax_ce")


def test_the_version_of_a_compiler_is_one_line() -> None:
    version = compiler_version(host_compiler())
    assert any(c.isdigit() for c in version)
    assert "\n" not in version
