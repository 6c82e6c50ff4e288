"""The library is installed by lib_deps from a folder, an archive and a git address, and works."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from sdfa.bundle import firmware_dir
from tests.exported_digits import EXPORTED
from tests.piokit import ROOT, Pio

pytestmark = pytest.mark.qemu
SAYS = "after 20 steps the guess is 7\n"
KINDS = ("folder", "archive", "git")


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("core") / "core"


def _project(folder: Path, lib_deps: str) -> Path:
    """The README's example with the exported digits."""
    (folder / "src").mkdir(parents=True)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```c\n(.*?)```", readme, re.DOTALL)
    (folder / "src" / "main.c").write_text(example)
    for name in ("digits.c", "digits.h"):
        shutil.copy(EXPORTED / name, folder / "src")
    (folder / "platformio.ini").write_text(f"[env:native]\nplatform = platformio/native\nlib_deps = {lib_deps}\n")
    return folder


def _git_address(folder: Path) -> str:
    """A repository whose top folder is that of ours: the library is one folder of it."""
    shutil.copytree(firmware_dir(), folder / "firmware")
    shutil.copy(ROOT / "README.md", folder)
    who = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    for words in (("init", "-q"), ("add", "."), (*who, "commit", "-q", "-m", "x")):
        subprocess.run(["git", *words], cwd=folder, check=True)
    return f"git+file://{folder}"


def _address(kind: str, core: Path, folder: Path) -> str:
    if kind == "folder":
        return f"file://{firmware_dir()}"
    if kind == "git":
        return _git_address(folder / "repository")
    folder.joinpath("a folder").mkdir()
    archive = folder / "a folder" / "sdfa.tar.gz"
    Pio(core, folder, folder / "pack").done("pkg", "pack", firmware_dir(), "-o", archive)
    with tarfile.open(archive) as packed:
        names = packed.getnames()
    assert {"library.json", "library.properties", "src/sdfa.h", "SPEC.md"} <= set(names)
    assert not [name for name in names if name.startswith(("test", "app"))]
    return f"file://{archive}"


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_installed_and_works(kind: str, core: Path, tmp_path: Path) -> None:
    """In a project whose path has spaces."""
    project = _project(tmp_path / "my project", _address(kind, core, tmp_path))
    pio = Pio(core, project, project / ".pio")
    printed = pio.done("run")
    assert "sdfa @ 0.1.0" in printed
    assert subprocess.run([pio.program("native")], capture_output=True, text=True, check=True).stdout == SAYS
    installed = [path.name for path in (project / ".pio" / "libdeps" / "native").iterdir() if path.is_dir()]
    assert installed == ["sdfa"]


def test_it_is_the_only_manifest() -> None:
    """An installation from git takes the first that it finds."""
    found = subprocess.run(
        ["git", "ls-files", "*library.json", "*library.properties"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert sorted(found) == ["firmware/library.json", "firmware/library.properties"]
