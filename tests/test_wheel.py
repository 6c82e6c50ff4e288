"""The wheel alone, in an environment of its own and away from the checkout, exports, learns and checks."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from sdfa import __version__

REPO = Path(__file__).resolve().parent.parent
BUNDLED = ("firmware", "boards", "models/digits")
BY_TOOLS = {"__pycache__", ".mypy_cache", ".ruff_cache"}


def _run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    """stdout of a command, which must succeed."""
    ran = subprocess.run(
        [*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, f"{command}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the checkout; the builder is fetched only where it is not installed."""
    folder = tmp_path_factory.mktemp("dist")
    here = ["--no-isolation"] if importlib.util.find_spec("hatchling") else []
    _run(sys.executable, "-m", "build", "--wheel", *here, "--outdir", folder, REPO, cwd=folder)
    (found,) = folder.iterdir()
    return found


@dataclass(frozen=True)
class Installed:
    """bin: the folder of its programs. folder: where they run, empty at first. env: their environment."""

    bin: Path
    folder: Path
    env: dict[str, str]

    def run(self, program: str, *args: str | Path) -> str:
        return _run(self.bin / program, *args, cwd=self.folder, env=self.env)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel in a new environment, which borrows numpy and the like from ours, but not our sdfa."""
    root = tmp_path_factory.mktemp("installed")
    venv.create(root / "venv", symlinks=True)
    python = root / "venv" / "bin" / "python"
    _run(sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", "--no-index", wheel, cwd=root)
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    # a folder that a .pth file names is searched, but its own .pth files (our editable sdfa) are not obeyed
    (site,) = (root / "venv" / "lib").glob("python*/site-packages")
    (site / "borrowed.pth").write_text("\n".join(sorted(paths)) + "\n")
    (root / "empty").mkdir()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "SDFA_", "VIRTUAL_ENV"))}
    return Installed(python.parent, root / "empty", env | {"XDG_CACHE_HOME": str(root / "cache")})


def test_every_source_is_in_the_wheel(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    files = [path for top in BUNDLED for path in (REPO / top).rglob("*") if path.is_file()]
    wanted = {f"sdfa/_bundle/{path.relative_to(REPO).as_posix()}" for path in files if not BY_TOOLS & {*path.parts}}
    assert len(wanted) > 40
    wanted.add("sdfa/_bundle/tests/bench/results.json")  # what estimates are made from
    assert wanted == {name for name in names if name.startswith("sdfa/_bundle/")}
    modules = {path.relative_to(REPO / "pytools").as_posix() for path in (REPO / "pytools" / "sdfa").rglob("*.py")}
    assert modules == {name for name in names if name.endswith(".py") and "/_bundle/" not in name}


def test_it_is_the_installed_one(installed: Installed) -> None:
    code = "import sdfa.bundle as b; print(b.__file__); print(b.firmware_dir()); print(b.boards_dir())"
    places = installed.run("python", "-c", code).splitlines()
    assert len(places) == 3
    assert all(place.startswith(str(installed.bin.parent)) for place in places)
    assert installed.run("pytools", "--version") == f"{__version__}\n"


def _export(installed: Installed) -> None:
    model = installed.run("python", "-c", "from sdfa.bundle import model_dir as m; print(m('digits') / 'model.tflite')")
    installed.run("pytools", "export", model.strip(), "-o", "digits")
    assert {path.suffix for path in (installed.folder / "digits").iterdir()} == {".sdfa", ".c", ".h", ".json"}


def test_it_learns_and_checks_on_the_host(installed: Installed) -> None:
    _export(installed)
    x = np.random.default_rng(1).random((50, 8, 8, 1), np.float32)
    np.savez(installed.folder / "d.npz", x=x, y=np.full(50, 3))  # noise is a three from now on
    learn = ("learn", "digits/digits.sdfa", "--target", "host", "--data", "d.npz", "--epochs", "5")
    found = json.loads(installed.run("pytools", *learn, "-o", "learned.sdfa", "--json", "-"))
    assert found["steps"] == 250
    assert found["accuracy_before"] < 0.5 < 0.9 < found["accuracy_after"]
    check = ("check", "learned.sdfa", "--target", "host", "--steps", "100", "--json", "-")
    assert json.loads(installed.run("pytools", *check))["mismatching_bytes"] == 0


@pytest.mark.qemu
def test_it_builds_for_a_board(installed: Installed) -> None:
    """The linker script and the start-up code travel too."""
    _export(installed)
    check = ("check", "digits/digits.sdfa", "--target", "qemu:microbit", "--steps", "20", "--json", "-")
    assert json.loads(installed.run("pytools", *check))["mismatching_bytes"] == 0
