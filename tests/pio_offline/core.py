"""Makes a folder for PLATFORMIO_CORE_DIR with everything that the environments of platformio.ini need.

Each stand-in is a link to what this computer has: SCons from the Python package of that name, the compiler and cppcheck
from Debian. PlatformIO looks packages up by owner, so that each folder says in `.piopm` who it is.
"""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import platformio

HERE = Path(__file__).resolve().parent
OWNER = "platformio"
PREFIX = "arm-none-eabi-"
# versions that the pins of PlatformIO Core, of platformio.ini and of its platforms allow
SCONS, CPPCHECK, TOOLCHAIN = "4.41101.0", "1.21100.0", "1.120201.0"
_SCONS_PY = "from SCons.Script import main\n\nmain()\n"


def make_core(folder: Path) -> None:
    """Fill an empty or absent folder. RuntimeError that says what to install if something is missing."""
    packages, platforms = folder / "packages", folder / "platforms"
    _state(folder)
    _scons(packages / "tool-scons")
    _tools(packages / "toolchain-gccarmnoneeabi" / "bin", _found(f"{PREFIX}*"))
    _manifest(packages / "toolchain-gccarmnoneeabi", TOOLCHAIN)
    _tools(packages / "tool-cppcheck", _found("cppcheck"))
    _manifest(packages / "tool-cppcheck", CPPCHECK)
    for platform in sorted((HERE / "platforms").iterdir()):
        shutil.copytree(platform, platforms / platform.name, ignore=shutil.ignore_patterns("__pycache__"))
        version = json.loads((platform / "platform.json").read_text())["version"]
        _owner(platforms / platform.name, "platform", version)


def _state(folder: Path) -> None:
    """A core of another version would ask the registry for news."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "appstate.json").write_text(json.dumps({"last_version": platformio.__version__}))


def _scons(folder: Path) -> None:
    spec = importlib.util.find_spec("SCons")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("SCons is missing: pip install scons==4.11.1")
    folder.mkdir(parents=True)
    (folder / "SCons").symlink_to(next(iter(spec.submodule_search_locations)))
    (folder / "scons.py").write_text(_SCONS_PY)
    _manifest(folder, SCONS)


def _found(pattern: str) -> list[Path]:
    """Programs in /usr/bin; RuntimeError if there is none."""
    found = sorted(Path("/usr/bin").glob(pattern))
    if not found:
        raise RuntimeError(f"/usr/bin/{pattern} is missing: apt install gcc-arm-none-eabi cppcheck")
    return found


def _tools(folder: Path, programs: list[Path]) -> None:
    folder.mkdir(parents=True)
    for program in programs:
        (folder / program.name).symlink_to(program)


def _manifest(folder: Path, version: str) -> None:
    manifest = {"name": folder.name, "version": version, "description": "stand-in for tests"}
    (folder / "package.json").write_text(json.dumps(manifest))
    _owner(folder, "tool", version)


def _owner(folder: Path, kind: str, version: str) -> None:
    spec = {"owner": OWNER, "id": None, "name": folder.name, "requirements": None, "uri": None}
    data = {"type": kind, "name": folder.name, "version": version, "spec": spec}
    (folder / ".piopm").write_text(json.dumps(data))
