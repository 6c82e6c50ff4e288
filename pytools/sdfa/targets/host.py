"""The C runtime as a program of this computer."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sdfa.bundle import boards_dir, firmware_dir, runtime_sources
from sdfa.targets.base import Reply, Request
from sdfa.targets.build import Program, build, host_compiler
from sdfa.targets.process import IMAGE, REPLIES, REQUESTS, run_batch

_FLAGS = ("-std=c99", "-O2")
_SANITIZE = ("-std=c99", "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")


def _sanitize_wanted() -> bool:
    return os.environ.get("SDFA_SANITIZE", "0") not in ("", "0")


@dataclass(frozen=True)
class Host:
    """sanitize: a bad memory access or undefined operation becomes an SdfaError; default: SDFA_SANITIZE=1."""

    sanitize: bool = field(default_factory=_sanitize_wanted)
    time_limit_s: float = 600.0

    @property
    def name(self) -> str:
        return "host"

    def recipe(self) -> Program:
        """How to build the batch program. SdfaError without a C compiler."""
        app, port = firmware_dir() / "app", boards_dir() / "host"
        return Program(
            name="host-sanitize" if self.sanitize else "host",
            compiler=host_compiler(),
            library=runtime_sources(),
            sources=tuple(path for folder in (app, port) for path in sorted(folder.glob("*.c"))),
            include_dirs=(firmware_dir() / "src", app),
            flags=_SANITIZE if self.sanitize else _FLAGS,
        )

    def program(self) -> Path:
        """The batch program, built if need be."""
        return build(self.recipe())

    def execute(self, image: bytes, requests: Sequence[Request]) -> list[Reply]:
        command = [str(self.program()), IMAGE, REQUESTS, REPLIES]
        return run_batch(self.name, command, image, requests, self.time_limit_s)
