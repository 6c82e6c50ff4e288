"""Builds C programs, once per (sources, compiler, flags), into a cache that parallel runs may share.

The runtime is most of every program: its object files are cached by themselves, and programs of the same compiler and
flags share them.
"""

from __future__ import annotations

import functools
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from sdfa.errors import SdfaError


@dataclass(frozen=True)
class Program:
    """What to build.

    name: of the cache entry, for people.
    compiler: the start of the command line.
    library: C files that other programs have too. They come first, and see `flags` and their own headers only.
    sources: its own C files. include_dirs: all headers there count as sources. depends: further files that matter.
    flags: before all C files. own_flags: before `sources` alone. link_flags: behind them.
    hint: for the message when the compiler fails.
    """

    name: str
    compiler: tuple[str, ...]
    sources: tuple[Path, ...]
    include_dirs: tuple[Path, ...]
    flags: tuple[str, ...]
    link_flags: tuple[str, ...] = ()
    depends: tuple[Path, ...] = ()
    library: tuple[Path, ...] = ()
    own_flags: tuple[str, ...] = ()
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
    return _cached(target, lambda made: _compile(program, made))


def _cached(target: Path, make: Callable[[Path], None]) -> Path:
    """A file of the cache. make(PATH): writes it there when it is absent."""
    if target.is_file():
        return target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix="build-") as folder:
            made = Path(folder) / "made"
            make(made)
            made.replace(target)  # atomic: another process sees all of it or nothing
    except OSError as error:
        raise SdfaError(f"build cache {target.parent}: {error.strerror}: set SDFA_CACHE") from error
    return target


def compiler_version(compiler: tuple[str, ...]) -> str:
    """The first line that it says about its version."""
    return _version(compiler).splitlines()[0]


def fingerprint(program: Program) -> str:
    """Names everything that the executable depends on."""
    texts = (*program.compiler, *program.flags, *program.own_flags, *program.link_flags)
    files = [*program.library, *_headers(_folders(program.library)), *program.sources, *_headers(program.include_dirs)]
    return _digest(program.compiler, texts, [*files, *program.depends])


def _digest(compiler: tuple[str, ...], texts: Iterable[str], files: Iterable[Path]) -> str:
    digest = hashlib.sha256(_version(compiler).encode())
    for text in texts:
        digest.update(text.encode() + b"\0")
    for path in files:
        content = path.read_bytes()
        digest.update(f"{path.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:24]


def _headers(folders: Iterable[Path]) -> list[Path]:
    return [path for folder in folders for path in sorted(folder.glob("*.h"))]


def _folders(files: Iterable[Path]) -> list[Path]:
    return sorted({path.parent for path in files})


def _common(files: Iterable[Path]) -> Path:
    folders = _folders(files)
    return Path(os.path.commonpath(folders)) if folders else Path()


@functools.cache
def _version(compiler: tuple[str, ...]) -> str:
    return _run([*compiler, "--version"]).stdout


def _run(command: list[str]) -> subprocess.CompletedProcess[str]:
    """In English: _first_error reads the messages."""
    environment = {**os.environ, "LC_ALL": "C"}
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, env=environment)


def _compile(program: Program, target: Path) -> None:
    includes = [f"-I{folder}" for folder in program.include_dirs]
    files = [*_objects(program), *program.sources]
    _compiler(program, *program.flags, *program.own_flags, *includes, *files, *program.link_flags, "-o", target)


def _objects(program: Program) -> list[Path]:
    """Of the library, in its order; all processors of this computer work on those that are missing."""
    headers, include = _headers(_folders(program.library)), f"-I{_common(program.library)}"

    def compiled(source: Path) -> Path:
        name = _digest(program.compiler, (*program.compiler, *program.flags), [source, *headers])
        target = cache_dir() / "objects" / f"{source.stem}-{name}.o"
        return _cached(target, lambda made: _compiler(program, *program.flags, include, "-c", source, "-o", made))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(compiled, program.library))


def _compiler(program: Program, *arguments: str | Path) -> None:
    result = _run([*program.compiler, *map(str, arguments)])
    if result.returncode != 0:
        what = f"{Path(program.compiler[0]).name} cannot build {program.name}"
        raise SdfaError(f"{what}: {_first_error(result.stderr)}{program.hint}")


def _first_error(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error: " in line or "undefined reference" in line]
    return (errors or lines or ["no message"])[0]
