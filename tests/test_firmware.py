"""What firmware/src promises about itself: no heap, no float, no recursion, no global state, no compiler warnings."""

from __future__ import annotations

import functools
import re
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest

from sdfa.bundle import runtime_sources
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.targets.build import Program, build
from sdfa.targets.codes import link_requests
from sdfa.tflite.load import load_tflite
from tests.cprogram import SRC, tool
from tests.tflite_writer import dense_net

SOURCES = runtime_sources()
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror")
M0 = ("arm-none-eabi-gcc", "-mcpu=cortex-m0", "-mthumb")
RISCV = ("riscv64-unknown-elf-gcc", "-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs")
COMPILERS = {
    "gcc": ("gcc",),
    "clang": ("clang",),
    "cortex-m0": M0,
    "cortex-m3": ("arm-none-eabi-gcc", "-mcpu=cortex-m3", "-mthumb"),
    "cortex-m4": ("arm-none-eabi-gcc", "-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
    "riscv": RISCV,
}
# what a compiler may call: copies of memory, and integer arithmetic that the core lacks
HELPERS = {
    "cortex-m0": r"mem(cpy|move|set|cmp)|strlen|__aeabi_(lmul|u?idiv|u?idivmod|llsl|llsr|lasr)|__gnu_thumb1_case_\w+",
    "riscv": r"mem(cpy|move|set|cmp)|strlen|__(ashl|ashr|lshr)di3",
}
FRAME_MAX = 256  # bytes of stack of one function, optimized for size


def _run(command: Iterable[str | Path]) -> str:
    """stdout of a tool that must succeed, in silence."""
    first, *rest = map(str, command)
    result = subprocess.run([tool(first), *rest], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


Objects = Callable[..., Path]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    """Gives a folder with an object file of each source, made without a warning, and what the flags make beside it."""

    @functools.cache
    def compiled(name: str, *flags: str) -> Path:
        folder = tmp_path_factory.mktemp("objects")
        for source in SOURCES:
            made = folder / f"{source.stem}.o"
            assert _run([*COMPILERS[name], *STRICT, *flags, f"-I{SRC}", "-c", source, "-o", made]) == ""
        return folder

    return compiled


@pytest.mark.parametrize("level", ["-O0", "-Os", "-O3"])
@pytest.mark.parametrize("name", COMPILERS)
def test_it_compiles_without_a_warning(name: str, level: str, objects: Objects) -> None:
    assert len(list(objects(name, level).glob("*.o"))) == len(SOURCES)


@pytest.mark.parametrize("standard", ["c++11", "c++20"])
@pytest.mark.parametrize("compiler", ["g++", "clang++", "arm-none-eabi-g++"])
def test_the_header_is_sound_cplusplus(compiler: str, standard: str, tmp_path: Path) -> None:
    source = tmp_path / "user.cpp"
    source.write_text(
        '#include "sdfa.h"\nstatic sdfa net;\n'
        "int use(const void *image) { return sdfa_open(&net, image, 4, &sdfa_all_kernels, nullptr, 0, nullptr, 0); }\n"
        'static_assert(SDFA_RATE(0.5) == 1u << 23, "a constant");\n'
    )
    _run([compiler, f"-std={standard}", *STRICT[1:], f"-I{SRC}", "-c", source, "-o", tmp_path / "user.o"])


def _symbols(name: str, folder: Path) -> list[tuple[str, str]]:
    """(nm's letter, name) of each symbol of each object or program in a folder."""
    nm = COMPILERS[name][0].replace("gcc", "nm")
    files = sorted([*folder.glob("*.o"), *folder.glob("*.elf")])
    lines = _run([nm, "--format=posix", *files]).splitlines()
    return [(line.split()[1], line.split()[0]) for line in lines if not line.endswith(":")]


@pytest.mark.parametrize("level", ["-Os", "-O3"])
@pytest.mark.parametrize("name", HELPERS)
def test_it_calls_nothing_but_itself_and_integer_helpers(name: str, level: str, objects: Objects) -> None:
    """So there is no heap, no float, no input or output."""
    symbols = _symbols(name, objects(name, level))
    defined = {symbol for letter, symbol in symbols if letter.upper() != "U"}
    foreign = {symbol for letter, symbol in symbols if letter.upper() == "U"} - defined
    assert {symbol for symbol in foreign if not re.fullmatch(HELPERS[name], symbol)} == set()
    assert "memcpy" in foreign


@pytest.mark.parametrize("name", ["cortex-m0", "riscv"])
def test_it_has_no_variables_of_its_own(name: str, objects: Objects) -> None:
    """Functions and constants only: nothing in .data, .bss or the small sections of RISC-V; no common symbols."""
    letters = {letter.upper() for letter, symbol in _symbols(name, objects(name, "-Os")) if not symbol.startswith(".L")}
    assert letters <= {"T", "R", "U"}


def test_its_global_names_begin_with_sdfa(objects: Objects) -> None:
    names = {name for letter, name in _symbols("gcc", objects("gcc", "-Os")) if letter in "TDRBCV"}
    assert len(names) > 20
    assert {name for name in names if not name.startswith("sdfa_")} == set()


def test_no_float_occurs_in_the_sources() -> None:
    """Also none that the compiler would fold; sdfa.h's two macros are for constants of the user."""
    for source in SOURCES:
        code = re.sub(r"/\*.*?\*/", "", source.read_text(encoding="utf-8"), flags=re.S)
        assert re.findall(r"\b(?:float|double|\d+\.\d|malloc|calloc|alloca)\b", code) == []


def test_frames_are_small_and_known_when_compiled(objects: Objects) -> None:
    """No variable-length array, no alloca: -fstack-usage calls every frame static."""
    folder = objects("cortex-m0", "-Os", "-fstack-usage", "-Wvla", "-Werror")
    frames = [line.split("\t") for path in sorted(folder.glob("*.su")) for line in path.read_text().splitlines()]
    assert len(frames) > 40
    assert {kind for _, _, kind in frames} == {"static"}
    largest = sorted(((int(size), place) for place, size, _ in frames), reverse=True)
    assert largest[0][0] <= FRAME_MAX, largest[:5]


# Functions that call through a pointer, and what they may reach; without optimization, so that nothing is inlined.
VIRTUAL = {
    "check_op": "kernel check",
    "sdfa_run": "kernel run",
    "bind_learning": "loss check",
    "feedback_ok": "feedback check",
    "update_ok": "update check",
    "sdfa_step": "loss run",
    "deltas_of": "feedback run",
    "deltas": "live feedback", "sdfa_live_deltas": "live sum",
    "move_layers": "update run",
    "sdfa_run_tail": "kernel run",
    "sdfa_score_label": "loss run",
    "run_pool": "pool cell",
    "sdfa_each_window": "window cell",
    "sdfa_add_values": "sum",
    "read": "flash driver", "put": "flash driver", "erase_area": "flash driver",
    "read_end": "flash driver", "program": "flash driver", "erase_slot": "flash driver",
    "accepted": "signature", "run_each": "kernel run",
    "sdfa_link_now": "clock", "sdfa_put_time": "clock",
    "answer": "request",
}  # fmt: skip
# the cells of windows by core; assembly calls nothing
WINDOW_CELLS = {
    "cortex-m0": {"sdfa_packed.c:any_window", "sdfa_depthwise.c:run_pairs", "sdfa_depthwise_any"},
    "cortex-m3": {
        "sdfa_packed.c:any_window", "sdfa_packed.c:add_window", "sdfa_depthwise.c:run_pairs", "sdfa_depthwise_any",
    },
    "cortex-m4": {
        "sdfa_packed_dsp.c:add_window", "sdfa_packed_dsp.c:add_small_window", "sdfa_depthwise_dsp.c:run_cell",
        "sdfa_depthwise_any",
    },
}  # fmt: skip


def _callbacks(core: str) -> dict[str, set[str]]:
    """The functions behind each kind of pointer, read from the tables in the sources."""
    found: dict[str, set[str]] = {
        # the user's, which call nothing of ours
        "flash driver": set(),
        "signature": set(),
        "clock": set(),
        "live feedback": {"sdfa_feedback_live_two.c:deltas"},
        "live sum": {"sdfa_feedback_live.c:sum_more", "sdfa_feedback_live_two.c:sum_two"},
        "pool cell": {"sdfa_pool.c:mean_cell", "sdfa_pool.c:max_cell"},
        "window cell": WINDOW_CELLS[core],
        "sum": {"sdfa_add.c:add_any", "sdfa_add.c:add_half", "sdfa_add.c:add_halves"},
    }
    found["request"] = {f"sdfa_request_{name}" for name in link_requests()} | {"sdfa_requests_trace.c:learn_traced"}
    for source in SOURCES:
        code = source.read_text(encoding="utf-8")
        for kind, body in re.findall(r"^const struct sdfa_(kernel|loss|feedback|update) \w+ = \{([^}]*)\}", code, re.M):
            for role, function in zip(("check", "run"), body.replace(" ", "").split(",")[-2:], strict=True):
                name = function if function.startswith("sdfa_") else f"{source.name}:{function}"
                found.setdefault(f"{kind} {role}", set()).add(name)
    return found


def _call_graph(folder: Path) -> dict[str, set[str]]:
    """Caller -> callees; a static function is FILE:NAME."""
    graph: dict[str, set[str]] = {}
    for path in sorted(folder.glob("*.ci")):
        text = path.read_text()
        for node in re.findall(r'node: \{ title: "([^"]*)"', text):
            graph.setdefault(Path(node).name, set())
        for caller, callee in re.findall(r'sourcename: "([^"]*)" targetname: "([^"]*)"', text):
            graph.setdefault(Path(caller).name, set()).add(Path(callee).name)
    return graph


def _resolve_pointers(graph: dict[str, set[str]], core: str) -> None:
    """Replaces each call through a pointer by calls of all that it may reach."""
    callbacks = _callbacks(core)
    assert set().union(*callbacks.values()) - set(graph) == set(), "functions that are gone: correct _callbacks"
    through = {caller: caller.split(":")[-1] for caller, callees in graph.items() if "__indirect_call" in callees}
    assert set(through.values()) == set(VIRTUAL), "a new call through a pointer: say in VIRTUAL what it may reach"
    for caller, name in through.items():
        graph[caller] |= callbacks[VIRTUAL[name]]


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """What is left after taking away, again and again, all functions that call no other: empty without recursion."""
    left = {caller: set(callees) for caller, callees in graph.items()}
    while leaves := [name for name, callees in left.items() if not callees & set(left)]:
        for name in leaves:
            del left[name]
    return sorted(left)


@pytest.mark.parametrize("core", WINDOW_CELLS)
def test_there_is_no_recursion(objects: Objects, core: str) -> None:
    graph = _call_graph(objects(core, "-O0", "-fcallgraph-info"))
    assert "sdfa_open.c:open_sections" in graph["sdfa_bind"]
    _resolve_pointers(graph, core)
    assert _cycle(graph) == []
    graph["sdfa_search_kernel"] = {"sdfa_open"}  # the search sees one when there is one
    assert _cycle(graph)


def _exported(train_last: int, feedback: str = "aligned", master: int = 8) -> Export:
    model = dense_net(np.random.default_rng(0), (12, 8, 4), softmax=False, per_channel=True)
    options = Options(train_last=train_last, feedback=feedback, loss="softmax_ce", master=master)
    return export_graph(load_tflite(model, "net"), "net", options)


USER = """#include "net.h"
#include "sdfa_care.h"
#include "sdfa_link.h"
static struct sdfa net;
static uint32_t arena[NET_ARENA_LEN / 4 + 1], tail[NET_TAIL_LEN / 4 + 1];
int main(void) {
    int error = sdfa_open(&net, net_image, sizeof net_image, &net_kernels, arena, sizeof arena, tail, sizeof tail);
    sdfa_run(&net);
    return error + sdfa_output(&net)[0] + LEARN;
}
"""


def _linked(export: Export, learn: str, folder: Path) -> set[str]:
    """Symbols of a firmware with this model, after the linker took away what is not used."""
    for name, text in {"main.c": USER, "net.c": export.csource.source, "net.h": export.csource.header}.items():
        (folder / name).write_text(text)
    program = Program(
        name="linked",
        compiler=(tool(M0[0]), *M0[1:]),
        library=SOURCES,
        sources=(folder / "main.c", folder / "net.c"),
        include_dirs=(SRC, folder),
        flags=("-std=c99", "-Os", "-ffunction-sections", "-fdata-sections", "-Werror"),
        own_flags=(f"-DLEARN={learn}",),
        link_flags=("--specs=nosys.specs", "-nostartfiles", "-Wl,--gc-sections,-e,main,--fatal-warnings"),
    )
    shutil.copyfile(build(program), folder / "net.elf")
    return {name for _, name in _symbols("cortex-m0", folder)}


CARE = {
    "sdfa_run_tail", "sdfa_score_label", "sdfa_replay_put", "sdfa_replay_learn", "sdfa_gate_judge", "sdfa_guard_step",
    "sdfa_learn_weighted", "sdfa_balance_count", "sdfa_decay", "sdfa_freeze",
}  # fmt: skip
LEARNING = {"sdfa_step", "sdfa_learn", "sdfa_check_learning", "sdfa_loss_softmax_ce"}
OTHERS = {"sdfa_kernel_conv", "sdfa_kernel_softmax", "sdfa_all_kernels", "sdfa_loss_mse", "sdfa_error_text"}


UPDATES = {8: "sdfa_update_int8", 16: "sdfa_update_master"}


def test_a_firmware_without_learning_holds_no_code_for_it(tmp_path: Path) -> None:
    symbols = _linked(_exported(0), "0", tmp_path)
    assert {"sdfa_open", "sdfa_run", "sdfa_kernel_dense"} <= symbols
    unused = (
        LEARNING
        | OTHERS
        | {f"sdfa_feedback_{kind}" for kind in ("table", "bp", "live", "live_two")}
        | {*UPDATES.values()}
    )
    assert symbols & unused == set()
    assert {name for name in symbols if name.startswith("sdfa_kernel_")} == {"sdfa_kernel_dense"}


@pytest.mark.parametrize("master", UPDATES)
@pytest.mark.parametrize(("feedback", "own"), [("aligned", "table"), ("bp", "bp"), ("live", "live_two")])
def test_a_firmware_that_learns_holds_its_own_rules_only(feedback: str, own: str, master: int, tmp_path: Path) -> None:
    symbols = _linked(_exported(2, feedback, master), "sdfa_learn(&net, 1)", tmp_path)
    assert symbols >= LEARNING
    assert symbols & OTHERS == set()
    assert {name for name in symbols if name.startswith("sdfa_feedback_")} == {f"sdfa_feedback_{own}"}
    assert symbols & set(UPDATES.values()) == {UPDATES[master]}
    care = re.compile("sdfa_(tail_(?!changed)|samples|replay|gate|guard|balance|decay)")
    assert {name for name in symbols if care.match(name)} == set()
    assert symbols & CARE == set()
    assert {name for name in symbols if name.startswith("sdfa_kernel_")} == {"sdfa_kernel_dense"}


USES = {
    "sdfa_decay(&net, 9)": {"sdfa_decay"},
    "sdfa_freeze(&net, 1)": {"sdfa_freeze"},
    "sdfa_learn_weighted(&net, 1, 9)": {"sdfa_learn_weighted"},
    "sdfa_run_tail(&net)": {"sdfa_run_tail"},
    "(int)sdfa_guard_step((struct sdfa_guard *)arena, &net)": {"sdfa_guard_step"},
    "sdfa_gate_judge((struct sdfa_gate *)arena, &net)": {"sdfa_gate_judge", "sdfa_score_label", "sdfa_run_tail"},
    "sdfa_replay_learn((struct sdfa_replay *)arena, &net)": {"sdfa_replay_learn", "sdfa_run_tail"},
}


@pytest.mark.parametrize("call", USES)
def test_what_looks_after_learning_is_linked_one_by_one(call: str, tmp_path: Path) -> None:
    symbols = _linked(_exported(2), f"sdfa_learn(&net, 1) + {call}", tmp_path)
    assert symbols & CARE == USES[call]


PARTS = {
    "": set(),
    "sdfa_link_gate": {"sdfa_gate_judge", "sdfa_gate_back"},
    "sdfa_link_selftest": {"sdfa_selftest"},
    "sdfa_link_push": {"sdfa_slots_end", "sdfa_selftest"},
    "sdfa_link_trace": {"sdfa_trace_learn"},
}


@pytest.mark.parametrize("part", PARTS)
def test_what_a_device_does_not_offer_over_the_link_is_not_linked(part: str, tmp_path: Path) -> None:
    offered = f"((struct sdfa_link *)arena)->parts = (const struct sdfa_link_part *const *)&{part}, " if part else ""
    call = f"({offered}(int)sdfa_link_take((struct sdfa_link *)arena, 1))"
    symbols = _linked(_exported(2), f"sdfa_learn(&net, 1) + {call}", tmp_path)
    assert symbols & set().union(*PARTS.values()) == PARTS[part]
