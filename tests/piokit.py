"""Runs `pio` on the stand-ins of tests/pio_offline, where it can in a network namespace without any network."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
EMULATED = ("qemu_m0", "qemu_m3", "qemu_m4", "qemu_m7", "qemu_m33", "qemu_m55")
BARE = ("nucleo_f446re", "bluepill_f103c8", "netduino2plus")


@functools.cache
def _alone() -> tuple[str, ...]:
    """The start of a command line that takes the network away; empty where that is not allowed."""
    command = ("unshare", "--map-root-user", "--net")
    if shutil.which("unshare") and subprocess.run([*command, "true"], capture_output=True, check=False).returncode == 0:
        return command
    return ()


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Parallel processes pass one after the other."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def common_folder(base: Path) -> Path:
    """A folder that all processes of one run of the tests share. base: pytest's, of this process."""
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pio"


@dataclass(frozen=True)
class Pio:
    """core: PLATFORMIO_CORE_DIR, filled when it is first used. project: a folder with a platformio.ini. work: for
    everything that PlatformIO writes, so that the project stays as it is."""

    core: Path
    project: Path
    work: Path

    def env(self) -> dict[str, str]:
        own = {"PLATFORMIO_CORE_DIR": str(self.core), "PLATFORMIO_WORKSPACE_DIR": str(self.work), "COLUMNS": "80"}
        paths = [str(ROOT), str(ROOT / "pytools"), os.environ.get("PYTHONPATH", "")]
        return os.environ | own | {"PYTHONPATH": os.pathsep.join(filter(None, paths))}

    def run(self, *args: str | Path, network: bool = False, limit_s: float = 900) -> subprocess.CompletedProcess[str]:
        """One command; stdout and stderr together. network: it shall reach this computer's own ports."""
        command = [*(() if network else _alone()), sys.executable, "-m", "tests.pio_offline", *map(str, args)]
        return subprocess.run(
            command, cwd=self.project, env=self.env(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=limit_s, check=False,
        )  # fmt: skip

    def done(self, *args: str | Path, network: bool = False) -> str:
        """What a command printed that must succeed."""
        ran = self.run(*args, network=network)
        assert ran.returncode == 0, ran.stdout[-6000:]
        return ran.stdout

    def program(self, name: str) -> Path:
        """What was built for an environment."""
        return self.work / "build" / name / ("program" if name == "native" else "firmware.elf")


def envs(*names: str) -> list[str]:
    """-e NAME for each."""
    return [word for name in names for word in ("-e", name)]
