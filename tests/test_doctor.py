"""`pytools doctor`: on machines that are made up, and on this one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from sdfa.errors import SdfaError
from sdfa.start import doctor
from sdfa.start.doctor import TASKS, World, diagnose, refuse_missing
from tests.clikit import Cli, done, one_line

BASE = {"numpy": "1.26.4", "typer": "0.29.2", "rich": "15.0.0"}


def world(packages: Mapping[str, str] = BASE, programs: Mapping[str, str] | None = None, **more: Any) -> World:
    """programs: name to its first line."""
    have = programs or {}
    first: dict[str, Any] = {
        "environ": {}, "python": (3, 11, 7), "version": packages.get, "compiles": lambda _: None, "ports": list,
        "which": lambda program: f"/bin/{program}" if program in have else None,
        "first_line": lambda command: have[command[0]],
    }  # fmt: skip
    return World(**(first | more))


def ready(found: dict[str, Any]) -> set[str]:
    return {name for name, task in found["tasks"].items() if task["ready"]}


def test_a_bare_machine_can_export() -> None:
    found = diagnose(world())
    assert ready(found) == {"base"}
    assert found["tasks"]["demo"]["missing"] == ["C compiler", "scikit-learn", "matplotlib"]
    assert found["tasks"]["demo"]["todo"][1:] == ["pip install 'sdfa[demo]'"]
    refuse_missing(found, "base")
    with pytest.raises(SdfaError, match=r"task keras .* lacks TensorFlow: pip install 'sdfa\[train\]'"):
        refuse_missing(found, "keras")


def test_each_task_has_its_parts() -> None:
    packages = BASE | {
        "scikit-learn": "1.9", "matplotlib": "3.11", "joblib": "1.6", "platformio": "6.2", "pyserial": "3.5",
        "tensorflow-cpu": "2.19.1", "tflite-runtime": "2.14.0", "mkdocs-material": "9.8.2",
    }  # fmt: skip
    programs = dict.fromkeys(
        ("cc", "arm-none-eabi-gcc", "qemu-system-arm", "riscv64-unknown-elf-gcc", "qemu-system-riscv32"), "version 1"
    )
    found = diagnose(world(packages, programs))
    assert ready(found) == set(TASKS)
    assert found["notes"] == []
    assert found["tasks"]["flash"]["optional"] == ["serial port"]
    for program in programs:
        rest = {name: line for name, line in programs.items() if name != program}
        assert ready(diagnose(world(packages, rest))) < set(TASKS), program
    for package in packages:
        rest = {name: line for name, line in packages.items() if name != package}
        assert ready(diagnose(world(rest, programs))) < set(TASKS), package


def test_the_base_needs_this_python() -> None:
    assert "base" not in ready(diagnose(world(python=(3, 14, 0))))
    assert "base" not in ready(diagnose(world(python=(3, 9, 9))))
    assert "base" in ready(diagnose(world(python=(3, 13, 1))))
    assert "base" not in ready(diagnose(world({"typer": "1", "rich": "1"})))


@pytest.mark.parametrize(
    ("packages", "part", "words", "todo"),
    [
        ({"numpy": "2.1.3", "tflite-runtime": "2.14.0"}, "TFLite interpreter", "dies", "pip install 'numpy<2'"),
        ({"tensorflow-cpu": "2.16.2"}, "TensorFlow", "2.16 aborts", "pip install 'sdfa[train]'"),
        ({"tensorflow": "2.22.0"}, "TensorFlow", "2.17 to 2.21", "pip install 'sdfa[train]'"),
        ({"ai-edge-litert": "2.0.2"}, "TFLite interpreter", "2.0 is broken", "pip install 'sdfa[tflite]'"),
    ],
)
def test_versions_that_do_not_work_together(packages: dict[str, str], part: str, words: str, todo: str) -> None:
    found = diagnose(world(BASE | packages))["parts"][part]
    assert not found["ok"]
    assert words in found["wrong"]
    assert found["todo"] == todo


@pytest.mark.parametrize("packages", [{"tensorflow-cpu": "2.21.0"}, {"ai-edge-litert": "2.3.0"}])
def test_what_rounds_otherwise_is_noted(packages: dict[str, str]) -> None:
    (note,) = diagnose(world(BASE | packages))["notes"]
    assert "may differ by 1" in note


def test_a_compiler_without_headers_does_not_count() -> None:
    found = diagnose(world(programs={"cc": "cc 12"}, compiles=lambda _: "no stdint.h"))
    assert found["parts"]["C compiler"]["wrong"] == "no stdint.h"
    assert "host" not in ready(found)


def test_cc_is_asked_first() -> None:
    seen: list[Any] = []
    diagnose(world(programs={"cc": "cc 12", "mycc": "mine"}, environ={"CC": "mycc -m32"}, compiles=seen.append))
    assert seen == [["mycc", "-m32"]]


def test_a_port_without_the_right_to_it() -> None:
    found = diagnose(world(ports=lambda: ["/dev/ttyACM0"], may_use=lambda _: False))["parts"]["serial port"]
    assert "/dev/ttyACM0" in found["wrong"]
    assert "dialout" in found["todo"]


def test_this_machine(pytools: Cli) -> None:
    printed = done(pytools("doctor")).out
    assert all(name in printed for name in TASKS)
    found = json.loads(done(pytools("doctor", "--task", "host", "--json", "-")).out)
    assert {"base", "host"} <= ready(found)
    assert found["parts"]["C compiler"]["version"]


def test_one_task_is_shown_alone(pytools: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    printed = done(pytools("doctor", "--task", "base")).out
    assert "C sources" in printed
    assert "Arm compiler" not in printed
    assert "riscv" not in printed
    monkeypatch.setattr(doctor, "World", lambda: world(programs={"cc": "cc 12"}))
    refused = pytools("doctor", "--task", "experiment").err.strip()
    assert refused.endswith("lacks scikit-learn, matplotlib, joblib: pip install 'sdfa[experiment]'")


def test_what_is_missing_is_one_line(pytools: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there is base, host" in one_line(pytools("doctor", "--task", "nonsense"))
    monkeypatch.setattr(doctor, "World", world)
    ran = pytools("doctor", "--task", "demo")
    assert ran.code == 1
    assert ran.err.startswith("pytools: task demo (pytools demo) lacks C compiler, scikit-learn")
    assert ran.err.count("\n") == 1


def test_a_compiler_that_is_none_says_why() -> None:
    assert doctor._compiles(["false"]) == "it fails"
    assert "unrecognized" in (doctor._compiles(["cc", "-mnonsense"]) or "")
