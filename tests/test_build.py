"""Programs are built once, safely in parallel; a compiler that is absent or fails is one clear line."""

from __future__ import annotations

import dataclasses
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sdfa.bundle import runtime_sources
from sdfa.errors import SdfaError
from sdfa.targets import Host, Qemu
from sdfa.targets.build import Program, build, cache_dir, fingerprint, host_compiler
from sdfa.targets.machines import MACHINES

STRICT = ("-std=c99", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow", "-Wpedantic", "-Werror", "-c")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SDFA_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def program(tmp_path: Path, cache: Path) -> Program:
    """Exits with the number in its header."""
    (tmp_path / "answer.h").write_text("#define ANSWER 42\n")
    (tmp_path / "main.c").write_text('#include "answer.h"\nint main(void) { return ANSWER; }\n')
    return Program("answer", host_compiler(), (tmp_path / "main.c",), (tmp_path,), ("-O1",))


def _exit_code(path: Path) -> int:
    return subprocess.run([str(path)], check=False).returncode


def test_a_program_is_built_once(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    first = build(program)
    assert _exit_code(first) == 42
    monkeypatch.setattr("sdfa.targets.build._compile", lambda *_: pytest.fail("compiled again"))
    assert build(program) == first


def test_whatever_the_program_depends_on_names_it(program: Program, tmp_path: Path) -> None:
    script = tmp_path / "script.ld"
    script.write_text("1")
    names = {fingerprint(program), fingerprint(dataclasses.replace(program, depends=(script,)))}
    script.write_text("2")
    names.add(fingerprint(dataclasses.replace(program, depends=(script,))))
    names.add(fingerprint(dataclasses.replace(program, flags=("-O2",))))
    names.add(fingerprint(dataclasses.replace(program, link_flags=("-lm",))))
    names.add(fingerprint(dataclasses.replace(program, compiler=("clang",))))
    (tmp_path / "answer.h").write_text("#define ANSWER 43\n")
    names.add(fingerprint(program))
    program.sources[0].write_text("int main(void) { return 44; }\n")
    names.add(fingerprint(program))
    assert len(names) == 8


def test_a_changed_header_is_built_anew(program: Program, tmp_path: Path) -> None:
    assert _exit_code(build(program)) == 42
    (tmp_path / "answer.h").write_text("#define ANSWER 43\n")
    assert _exit_code(build(program)) == 43


def test_parallel_builds_do_not_disturb_each_other(program: Program, cache: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        paths = list(pool.map(build, [program] * 8))
    assert len(set(paths)) == 1
    assert _exit_code(paths[0]) == 42
    assert list(cache.iterdir()) == [paths[0]]


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("int main(void) { return zero; }", "zero"),
        ("int absent(void); int main(void) { return absent(); }", "undefined reference to .absent"),
        ('#include "absent.h"', r"absent\.h: No such file"),
    ],
)
def test_a_compiler_error_is_one_line_and_leaves_nothing(program: Program, cache: Path, source: str, text: str) -> None:
    program.sources[0].write_text(source)
    with pytest.raises(SdfaError, match=f"cannot build answer: .*{text}.* try this") as error:
        build(dataclasses.replace(program, hint=" try this"))
    assert "\n" not in str(error.value)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_an_error(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SDFA_CACHE", str(tmp_path / "file"))
    with pytest.raises(SdfaError, match="set SDFA_CACHE"):
        build(program)


def test_the_cache_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDFA_CACHE", "/a")
    monkeypatch.setenv("XDG_CACHE_HOME", "/b")
    monkeypatch.setenv("HOME", "/c")
    assert cache_dir() == Path("/a")
    monkeypatch.delenv("SDFA_CACHE")
    assert cache_dir() == Path("/b/sdfa")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_dir() == Path("/c/.cache/sdfa")


def test_cc_chooses_the_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CC", "gcc -m64 -pipe")
    assert Path(host_compiler()[0]).name == "gcc"
    assert host_compiler()[1:] == ("-m64", "-pipe")
    monkeypatch.setenv("CC", "no-such-compiler")
    assert Path(host_compiler()[0]).name == "cc"


def test_no_compiler_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CC", raising=False)
    with pytest.raises(SdfaError, match=r"^no C compiler found: install gcc \(apt install gcc\) or set CC$"):
        host_compiler()


def _strict(compiler: tuple[str, ...], sources: list[Path], includes: list[Path], flags: tuple[str, ...]) -> str:
    """What a compiler says under all warnings."""
    said = ""
    for source in sources:
        command = [*compiler, *STRICT, *flags, *[f"-I{folder}" for folder in includes], str(source), "-o", "/dev/null"]
        said += subprocess.run(command, capture_output=True, text=True, check=False).stderr
    return said


@pytest.mark.parametrize("compiler", ["gcc", "clang"])
def test_program_and_host_port_are_free_of_warnings(compiler: str) -> None:
    recipe = Host().recipe()
    sources = [path for path in recipe.sources if path not in runtime_sources()]
    assert {path.name for path in sources} == {"app.c", "care.c", "measure.c", "port.c", "wire.c"}
    assert _strict((compiler,), sources, list(recipe.include_dirs), ()) == ""


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_program_and_board_port_are_free_of_warnings(name: str) -> None:
    recipe = Qemu(MACHINES[name]).recipe()
    sources = [path for path in recipe.sources if path not in runtime_sources()]
    assert len(sources) == 10
    assert _strict(recipe.compiler, sources, list(recipe.include_dirs), recipe.flags) == ""
