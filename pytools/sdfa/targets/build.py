"""Builds C programs, once per (sources, compiler, flags), into a cache that parallel runs may share."""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from sdfa.errors import SdfaError


@dataclass(frozen=True)
class Program:
    """What to build.

    name: of the cache entry, for people.
    compiler: the start of the command line.
    sources: C files. include_dirs: all headers there, and beside the sources, count as sources.
    depends: further files that matter.
    flags: before the sources; link_flags: behind them.
    hint: for the message when the compiler fails.
    """

    name: str
    compiler: tuple[str, ...]
    sources: tuple[Path, ...]
    include_dirs: tuple[Path, ...]
    flags: tuple[str, ...]
    link_flags: tuple[str, ...] = ()
    depends: tuple[Path, ...] = ()
    hint: str = ""


def host_compiler() -> tuple[str, ...]:
    """$CC (which may hold options), else the first of cc, gcc, clang. SdfaError if there is none."""
    for candidate in (os.environ.get("CC", "").split(), ["cc"], ["gcc"], ["clang"]):
        found = shutil.which(candidate[0]) if candidate else None
        if found:
            return (found, *candidate[1:])
    raise SdfaError("no C compiler found: install gcc (apt install gcc) or set CC")


def find_tool(name: str, hint: str) -> str:
    """Full path of a program. SdfaError, with the hint, if it is not installed."""
    found = shutil.which(name)
    if not found:
        raise SdfaError(f"{name} not found: {hint}")
    return found


def cache_dir() -> Path:
    """$SDFA_CACHE, else sdfa/ in $XDG_CACHE_HOME or ~/.cache. Safe to delete at any time."""
    own = os.environ.get("SDFA_CACHE")
    if own:
        return Path(own)
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "sdfa"


def build(program: Program) -> Path:
    """The executable. SdfaError with the compiler's first error when it does not compile."""
    target = cache_dir() / f"{program.name}-{fingerprint(program)}"
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
            made = Path(folder) / "program"
            _compile(program, made)
            made.replace(target)  # atomic: another process sees all of it or nothing
    except OSError as error:
        raise SdfaError(f"build cache {target.parent}: {error.strerror}: set SDFA_CACHE") from error
    return target


def compiler_version(compiler: tuple[str, ...]) -> str:
    """The first line that it says about its version."""
    return _version(compiler).splitlines()[0]


def fingerprint(program: Program) -> str:
    """Names everything that the executable depends on."""
    digest = hashlib.sha256(_version(program.compiler).encode())
    for text in (*program.compiler, *program.flags, *program.link_flags):
        digest.update(text.encode() + b"\0")
    for path in _inputs(program):
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:24]


def _inputs(program: Program) -> list[Path]:
    folders = dict.fromkeys((*program.include_dirs, *(path.parent for path in program.sources)))
    headers = [path for folder in folders for path in sorted(folder.glob("*.h"))]
    return [*program.sources, *headers, *program.depends]


@functools.cache
def _version(compiler: tuple[str, ...]) -> str:
    return _run([*compiler, "--version"]).stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """In English: _first_error reads the messages."""
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)


def _compile(program: Program, target: Path) -> None:
    includes = [f"-I{folder}" for folder in program.include_dirs]
    sources = [str(path) for path in program.sources]
    command = [*program.compiler, *program.flags, *includes, *sources, *program.link_flags, "-o", str(target)]
    result = _run(command)
    if result.returncode != 0:
        what = f"{Path(command[0]).name} cannot build {program.name}"
        raise SdfaError(f"{what}: {_first_error(result.stderr)}{program.hint}")


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line or "undefined reference" in line]
    return (errors or lines or ["no message"])[0]
