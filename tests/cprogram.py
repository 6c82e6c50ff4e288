"""C programs around the runtime, built with sanitizers: for the tests of tests/c."""

from __future__ import annotations

import subprocess
from pathlib import Path

from sdfa.bundle import firmware_dir, runtime_sources
from sdfa.targets.build import Program, build, find_tool

C_DIR = Path(__file__).resolve().parent / "c"
SRC = firmware_dir() / "src"
PACKAGES = (
    "apt install clang libclang-rt-14-dev gcc g++ gcc-arm-none-eabi libnewlib-arm-none-eabi "
    "gcc-riscv64-unknown-elf picolibc-riscv64-unknown-elf"
)
_CHECKED = ("-std=c11", "-g", "-O1", "-Wall", "-Wextra", "-Werror", "-fno-sanitize-recover=all")


def tool(name: str) -> str:
    """Full path of a compiler or binary tool. SdfaError that says what to install when it is absent."""
    return find_tool(name, PACKAGES)


def sanitized(name: str, *sources: str, sanitize: str = "address,undefined", flags: tuple[str, ...] = ()) -> Path:
    """A program of files in tests/c and the whole runtime; a bad access or an undefined operation ends it."""
    program = Program(
        name=name,
        compiler=(tool("clang"),),
        library=runtime_sources(),
        sources=tuple(C_DIR / source for source in sources),
        include_dirs=(SRC, C_DIR),
        flags=(*_CHECKED, f"-fsanitize={sanitize}"),
        own_flags=flags,
        hint=f" ({PACKAGES})",
    )
    return build(program)


def output(*command: str | Path, timeout_s: float = 300, cwd: Path | None = None) -> str:
    """stdout of a command; it must succeed, in silence."""
    result = subprocess.run(
        [*map(str, command)], cwd=cwd, capture_output=True, text=True, timeout=timeout_s, check=False
    )
    assert result.returncode == 0, f"{Path(command[0]).name}: exit code {result.returncode}\n{result.stderr[-4000:]}"
    assert result.stderr == ""
    return result.stdout
