"""Every target answers the same requests, and says plainly what went wrong. Images here are no models."""

from __future__ import annotations

import dataclasses
import struct
from itertools import pairwise
from pathlib import Path

import pytest

from sdfa.bundle import boards_dir, firmware_dir
from sdfa.errors import SdfaError
from sdfa.targets import Host, Qemu, Request, Target, find_target, target_names
from sdfa.targets.base import Reply, decode_replies, encode_requests
from sdfa.targets.build import build
from sdfa.targets.codes import error_value, exit_text, read_list, request_code, status_text
from sdfa.targets.machines import MACHINES
from sdfa.targets.process import run_batch
from sdfa.targets.qemu import find_machine

EVERYWHERE = [
    "host",
    *(pytest.param(f"qemu:{name}", marks=pytest.mark.qemu) for name in MACHINES),
]
OPEN, RUN, STATE, MEMORY = (request_code(name) for name in ("OPEN", "RUN", "STATE", "MEMORY"))


@pytest.fixture(params=EVERYWHERE)
def target(request: pytest.FixtureRequest) -> Target:
    return find_target(request.param)


def _texts(replies: list[Reply]) -> list[str]:
    return [status_text(reply.status) for reply in replies]


def test_requests_are_answered_in_order_and_bad_ones_skipped(target: Target) -> None:
    requests = [
        Request(99, b"abc"),
        Request(0),
        Request(RUN, bytes(1000)),
        Request(OPEN, b"x"),
        Request(MEMORY, b"x"),
    ]
    replies = target.execute(bytes(64), [*requests, Request(MEMORY)])
    assert _texts(replies) == [
        "unknown request",
        "unknown request",
        "no model is open",
        *["payload of a request has a wrong length"] * 2,
        "ok",
    ]
    assert [len(reply.payload) for reply in replies] == [0, 0, 0, 0, 0, 8]


def test_bytes_that_are_no_image_are_refused(target: Target) -> None:
    requests = [Request(OPEN), Request(STATE), Request(OPEN)]
    assert _texts(target.execute(b"not an image".ljust(64), requests)) == [
        "not an sdfa image",
        "no model is open",
        "not an sdfa image",
    ]


@pytest.mark.parametrize("image", [b"", b"SDFA", bytes(63)])
def test_an_image_too_short_for_a_header_is_refused(target: Target, image: bytes) -> None:
    assert target.execute(image, [Request(OPEN)])[0].status < 0


def test_no_requests_no_replies(target: Target) -> None:
    assert target.execute(b"", []) == []


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_boards_report_their_memory(name: str) -> None:
    target = find_target(f"qemu:{name}")
    stack_len, pool_len = struct.unpack("<2I", target.execute(b"", [Request(MEMORY)])[0].payload)
    machine = MACHINES[name]
    assert 0 < stack_len < machine.stack_len
    variables_len = machine.ram.length - machine.stack_len - pool_len
    assert 0 < variables_len < 1600


@pytest.mark.qemu
def test_the_microbit_leaves_12_kb_to_the_model() -> None:
    pool = struct.unpack("<2I", find_target("qemu:microbit").execute(b"", [Request(MEMORY)])[0].payload)[1]
    assert pool >= 12 * 1024


def test_the_sanitized_host_sees_one_byte_too_far(tmp_path: Path) -> None:
    overrun = tmp_path / "overrun.c"
    overrun.write_text('#include "app.h"\nint app_main(void) { ((volatile char *)app_take(5))[5] = 1; return 0; }\n')
    recipe = Host(sanitize=True).recipe()
    port = boards_dir() / "host" / "port.c"
    program = build(dataclasses.replace(recipe, name="overrun", library=(), sources=(overrun, port)))
    with pytest.raises(SdfaError, match="heap-buffer-overflow"):
        run_batch("host", [str(program), "model.sdfa", "requests.bin", "replies.bin"], b"", [], 60)


def test_the_sanitized_host_answers_the_same() -> None:
    requests = [Request(OPEN), Request(99), Request(STATE), Request(MEMORY)]
    assert Host(sanitize=True).execute(bytes(64), requests) == Host(sanitize=False).execute(bytes(64), requests)


def test_sanitizing_is_a_setting_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDFA_SANITIZE", "1")
    assert Host().sanitize
    monkeypatch.setenv("SDFA_SANITIZE", "0")
    assert not Host().sanitize


def _custom(machine: str, body: str, tmp_path: Path) -> Path:
    """Firmware whose app_main has this body."""
    source = tmp_path / "custom.c"
    source.write_text(f'#include "app.h"\nstatic volatile int zero;\n{body}\n')
    port = MACHINES[machine].family.port_sources()
    recipe = Qemu(MACHINES[machine]).recipe()
    return build(dataclasses.replace(recipe, name="custom", library=(), sources=(source, *port)))


FAULTS = {
    "no such address": "int app_main(void) { return *(volatile int *)0x7ffffff0 + *(volatile int *)0x1e000000; }",
    "undefined instruction": """
        #ifdef __riscv
        #define UNDEFINED "unimp"
        #else
        #define UNDEFINED "udf #1"
        #endif
        int app_main(void) { __asm__ volatile(UNDEFINED); return 0; }""",
}


@pytest.mark.qemu
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_processor_is_an_error(machine: str, fault: str, tmp_path: Path) -> None:
    program = _custom(machine, FAULTS[fault], tmp_path)
    command = Qemu(MACHINES[machine]).command(program)
    with pytest.raises(SdfaError, match="the processor faulted"):
        run_batch("board", command, bytes(4), [], 60)


@pytest.mark.qemu
@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("depth", [1, 40])
def test_a_stack_overflow_is_an_error(machine: str, depth: int, tmp_path: Path) -> None:
    """By one frame, and by many."""
    body = f"""
        static int __attribute__((noinline)) deep(int n) {{
            volatile char block[{MACHINES[machine].stack_len}];
            for (int i = 0; i < {MACHINES[machine].stack_len}; i++)
                block[i] = (char)n;
            return (n < {depth} ? deep(n + 1) : 0) + block[0];
        }}
        int app_main(void) {{
            return deep(zero + 1) & 0;
        }}"""
    program = _custom(machine, body, tmp_path)
    with pytest.raises(SdfaError, match=r"the stack overflowed|the processor faulted|Lockup"):
        run_batch("board", Qemu(MACHINES[machine]).command(program), bytes(4), [], 60)


@pytest.mark.qemu
def test_a_board_that_hangs_meets_the_time_limit(tmp_path: Path) -> None:
    program = _custom("microbit", "int app_main(void) { while (!zero) { } return 0; }", tmp_path)
    with pytest.raises(SdfaError, match=r"board: not done after 1 s: set SDFA_TIME_LIMIT"):
        run_batch("board", Qemu(MACHINES["microbit"]).command(program), bytes(4), [], 1)


@pytest.mark.qemu
def test_variables_have_their_initial_values(tmp_path: Path) -> None:
    body = """
        static int set = 1234, clear;
        int app_main(void) { return set == 1234 && clear == 0 ? 42 : 43; }"""
    program = _custom("microbit", body, tmp_path)
    with pytest.raises(SdfaError, match="exit code 42"):
        run_batch("board", Qemu(MACHINES["microbit"]).command(program), bytes(4), [], 60)


@pytest.mark.qemu
def test_the_stack_high_water_is_that_of_the_deepest_call(tmp_path: Path) -> None:
    """1000 bytes of stack, written by a function that has returned: painted memory tells."""
    body = """
        static void __attribute__((noinline)) deep(void) {
            volatile char block[1000];
            for (int i = 0; i < 1000; i++)
                block[i] = 0;
        }
        int app_main(void) { deep(); return app_stack_len() >= 1000 && app_stack_len() < 1200 ? 42 : 43; }"""
    program = _custom("microbit", body, tmp_path)
    with pytest.raises(SdfaError, match="exit code 42"):
        run_batch("board", Qemu(MACHINES["microbit"]).command(program), bytes(4), [], 60)


@pytest.mark.parametrize("cut", [1, 500])
def test_a_stream_that_ends_inside_a_request_is_an_error(cut: int, tmp_path: Path) -> None:
    requests = tmp_path / "requests.bin"
    requests.write_bytes(encode_requests([Request(99, bytes(1000))])[:-cut])
    with pytest.raises(SdfaError, match="the requests end inside a request"):
        run_batch("host", [str(Host().program()), "model.sdfa", str(requests), "replies.bin"], b"", [], 60)


def test_a_missing_file_is_an_error() -> None:
    with pytest.raises(SdfaError, match="a file could not be opened"):
        run_batch("host", [str(Host().program()), "absent", "requests.bin", "replies.bin"], b"", [], 60)


def test_a_program_that_leaves_no_answer_is_an_error() -> None:
    with pytest.raises(SdfaError, match="board: true ended without an answer"):
        run_batch("board", ["true"], b"", [], 60)


def test_replies_must_be_complete() -> None:
    with pytest.raises(SdfaError, match="answered 1 of 2 requests"):
        decode_replies(struct.pack("<iI", 0, 0), 2)
    with pytest.raises(SdfaError, match="answered"):
        decode_replies(struct.pack("<iI", 0, 5) + b"1234", 1)


@pytest.mark.qemu
def test_an_image_too_large_for_the_board_is_refused() -> None:
    with pytest.raises(SdfaError, match="qemu:microbit: the image has 196609 bytes, the board has room for 196608"):
        find_target("qemu:microbit").execute(bytes(196609), [Request(OPEN)])


@pytest.mark.parametrize("name", ["mps2-an521", "virt", ""])
def test_a_machine_that_is_not_in_the_table_is_an_error(name: str) -> None:
    with pytest.raises(SdfaError, match="microbit, mps2-an385, mps2-an386"):
        find_target(f"qemu:{name}")


def test_an_unknown_target_lists_the_known_ones() -> None:
    with pytest.raises(SdfaError, match="unknown target 'hots'; there is host, qemu:microbit"):
        find_target("hots")
    assert all(find_target(name).name == name for name in target_names())


@pytest.mark.parametrize("text", ["soon", "0", "-1", "inf", "nan"])
def test_a_senseless_time_limit_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDFA_TIME_LIMIT", text)
    with pytest.raises(SdfaError, match="SDFA_TIME_LIMIT"):
        find_target("host")


@pytest.mark.parametrize("tool", ["qemu-system-arm", "arm-none-eabi-gcc"])
def test_a_missing_tool_names_its_package(tool: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None if name == tool else f"/usr/bin/{name}")
    target = Qemu(find_machine("microbit"))
    with pytest.raises(SdfaError, match=rf"{tool} not found: apt install gcc-arm-none-eabi"):
        target.command(Path("x")) if tool.startswith("qemu") else target.program()


@pytest.mark.parametrize("name", MACHINES)
def test_regions_of_a_machine_are_apart(name: str) -> None:
    machine = MACHINES[name]
    regions = sorted((machine.flash, machine.ram, machine.image), key=lambda region: region.origin)
    assert all(a.origin + a.length <= b.origin for a, b in pairwise(regions))


def test_codes_come_from_the_headers() -> None:
    assert error_value("CRC") == -5
    assert status_text(-5) == "image is damaged: CRC-32 does not match"
    assert status_text(-12345) == "unknown error -12345"
    assert exit_text(-11) == "killed by signal 11"
    assert exit_text(3) == "exit code 3"


def test_each_list_of_codes_is_read_completely() -> None:
    for header, macro in (
        (firmware_dir() / "src" / "sdfa.h", "SDFA_ERRORS"),
        (firmware_dir() / "app" / "app.h", "APP_REQUESTS"),
        (firmware_dir() / "app" / "app.h", "APP_SECTIONS"),
        (firmware_dir() / "app" / "app.h", "APP_ERRORS"),
        (firmware_dir() / "app" / "app.h", "APP_EXITS"),
    ):
        source = header.read_text().split(f"#define {macro}(X)")[1]
        lines = [line for line in source.split("\n\n")[0].splitlines()[1:] if line.strip()]
        assert len(read_list(header, macro)) == len(lines)


def test_error_values_of_runtime_and_program_are_apart() -> None:
    runtime = read_list(firmware_dir() / "src" / "sdfa.h", "SDFA_ERRORS")
    app = read_list(firmware_dir() / "app" / "app.h", "APP_ERRORS")
    values = [entry.value for entry in (*runtime, *app)]
    assert len(set(values)) == len(values)


def test_a_header_without_its_list_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "empty.h").write_text("")
    with pytest.raises(SdfaError, match=r"empty\.h has no list APP_EXITS"):
        read_list(tmp_path / "empty.h", "APP_EXITS")
