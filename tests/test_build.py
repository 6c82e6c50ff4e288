"""Programs are built once, safely in parallel; a compiler that is absent or fails is one clear line."""

from __future__ import annotations

import dataclasses
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

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
    script, part = tmp_path / "script.ld", tmp_path / "library" / "part.c"
    script.write_text("1")
    part.parent.mkdir()
    part.write_text("int part;")
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
    names.add(fingerprint(dataclasses.replace(program, own_flags=("-O2",))))
    with_part = dataclasses.replace(program, library=(part,))
    names.add(fingerprint(with_part))
    (part.parent / "part.h").write_text("")
    names.add(fingerprint(with_part))
    part.write_text("int part = 1;")
    names.add(fingerprint(with_part))
    assert len(names) == 12


def test_a_changed_header_is_built_anew(program: Program, tmp_path: Path) -> None:
    assert _exit_code(build(program)) == 42
    (tmp_path / "answer.h").write_text("#define ANSWER 43\n")
    assert _exit_code(build(program)) == 43


@pytest.fixture
def library(program: Program, tmp_path: Path) -> Program:
    """Exits with the number in a header of the library, to which its own flags add nothing."""
    folder = tmp_path / "library"
    folder.mkdir()
    (folder / "seven.h").write_text("#define SEVEN 7\n")
    (folder / "first.c").write_text('#include "seven.h"\n#ifndef ADD\n#define ADD 0\n#endif\nint n = SEVEN + ADD;\n')
    (folder / "second.c").write_text("int second;\n")
    program.sources[0].write_text("extern int n; int main(void) { return n + ADD; }\n")
    return dataclasses.replace(program, library=tuple(sorted(folder.glob("*.c"))), own_flags=("-DADD=0",))


def _objects(cache: Path) -> dict[str, list[str]]:
    """Object files by the name of their source."""
    found: dict[str, list[str]] = {}
    for path in sorted((cache / "objects").iterdir()):
        found.setdefault(path.name.split("-")[0], []).append(path.name)
    return found


def test_a_library_is_compiled_once_for_all_programs(library: Program, cache: Path) -> None:
    assert _exit_code(build(library)) == 7
    before = _objects(cache)
    assert _exit_code(build(dataclasses.replace(library, name="other", own_flags=("-DADD=30",)))) == 37
    assert _objects(cache) == before
    assert {name: len(paths) for name, paths in before.items()} == {"first": 1, "second": 1}


def test_what_a_library_depends_on_compiles_it_anew(library: Program, cache: Path) -> None:
    build(library)
    library.library[1].write_text("int second = 2;\n")
    build(library)
    assert {name: len(paths) for name, paths in _objects(cache).items()} == {"first": 1, "second": 2}
    (library.library[0].parent / "seven.h").write_text("#define SEVEN 8\n")
    assert _exit_code(build(library)) == 8
    assert _exit_code(build(dataclasses.replace(library, flags=("-O0",)))) == 8
    assert {name: len(paths) for name, paths in _objects(cache).items()} == {"first": 3, "second": 4}


def test_an_error_in_a_library_is_one_line(library: Program, cache: Path) -> None:
    library.library[1].write_text("int second = zero;\n")
    with pytest.raises(SdfaError, match=r"^\w+ cannot build answer: .*second\.c.* error: .*zero"):
        build(library)
    assert not [path for path in cache.iterdir() if path.name != "objects"]


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
    sources = list(recipe.sources)
    assert {path.name for path in sources} == {"app.c", "care.c", "measure.c", "port.c", "wire.c"}
    assert _strict((compiler,), sources, list(recipe.include_dirs), ()) == ""


@pytest.mark.qemu
@pytest.mark.parametrize("name", MACHINES)
def test_program_and_board_port_are_free_of_warnings(name: str) -> None:
    recipe = Qemu(MACHINES[name]).recipe()
    sources = list(recipe.sources)
    assert len(sources) == 10
    assert _strict(recipe.compiler, sources, list(recipe.include_dirs), (*recipe.flags, *recipe.own_flags)) == ""
