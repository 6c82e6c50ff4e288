"""docs/architecture.md says what is so: packages, folders, modules, who uses whom. Files and functions are short."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from docs.tools import modules

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "pytools" / "sdfa"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
ROWS = [re.findall(r"`([^`]+)`", line.split("|")[1]) for line in PAGE.splitlines() if line.startswith("| `")]
FIRST = [row for row in ROWS if (PACKAGE / row[0]).is_dir() or (PACKAGE / f"{row[0]}.py").is_file()]
ORDER = [name for row in FIRST for name in row]
"""Packages and modules at the top, as the page has them."""
FOLDERS = {name for row in ROWS if row not in FIRST for name in row}
MODULES = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
SHARED = {"twin.fixedpoint", "image.records"}
"""Tables and arithmetic that stand once, and that packages above them use too."""
FILE_MAX, FUNCTION_MAX, FUNCTION_MEDIAN = 400, 60, 12
MADE = "models/digits/exported/"


def _tracked(*endings: str) -> list[str]:
    """Files of the repository."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for path in listed.splitlines() if path.endswith(endings or "")]


def test_every_package_is_on_the_page_and_the_other_way_round() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    assert set(ORDER) == there - {"__init__"}
    assert len(ORDER) == len(set(ORDER))


def test_every_folder_is_on_the_page_and_the_other_way_round() -> None:
    there = {path.split("/")[0] for path in _tracked() if "/" in path}
    there |= {path.rpartition("/")[0] for path in _tracked(".c", ".h") if path.startswith("firmware/")}
    named = FOLDERS | {"firmware", "pytools"}
    assert {folder for folder in there - named if not folder.startswith("firmware/test/")} == set()
    assert {folder for folder in named if not (ROOT / folder).is_dir()} == set()


def test_every_name_on_the_page_exists() -> None:
    dotted = set(re.findall(rf"\b(?:{'|'.join(ORDER)})\.[a-z_]+\b", PAGE)) - {"model.toml"}
    assert len(dotted) > 15
    assert dotted - set(MODULES) == set()
    assert all((ROOT / path).exists() for path in re.findall(r"`((?:firmware|tests|docs|pytools)/[\w./]+)`", PAGE))


def _imports(path: Path) -> Iterator[str]:
    """What a module takes from sdfa, as package.module."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("sdfa."):
            yield node.module.removeprefix("sdfa.")


def test_a_package_uses_those_above_it() -> None:
    wrong = {
        (name, used)
        for name, path in MODULES.items()
        for used in _imports(path)
        if name not in ("__init__", "targets.serial", "learning.spare") and used not in SHARED
        and ORDER.index(used.split(".")[0]) > ORDER.index(name.split(".")[0])
    }  # fmt: skip
    assert wrong == set()


def test_every_file_says_what_it_is() -> None:
    page = modules.page()
    c = {path for top in modules.C_FOLDERS for path in (ROOT / top).rglob("*.c")}
    assert {path.name for path in (*MODULES.values(), *c) if f"| `{path.name}` | " not in page} == set()
    assert [line for line in page.splitlines() if re.fullmatch(r"\| `.*` \| .{0,9} \|", line)] == []
    assert set(modules.PACKAGES) == {
        path.parent.relative_to(PACKAGE).as_posix().replace(".", "") for path in MODULES.values()
    }


def _python_functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            yield node.name, (node.end_lineno or 0) - node.lineno + 1


def _c_functions(path: Path) -> Iterator[tuple[str, int]]:
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(r"^[A-Za-z_][^\n;={}]*\([^;{}]*\) \{\n.*?^\}", text, re.DOTALL | re.MULTILINE):
        yield found[0].split("(")[0], found[0].count("\n") + 1


@pytest.mark.parametrize("endings", [(".py",), (".c", ".h", ".cpp")])
def test_files_and_functions_are_short(endings: tuple[str, ...]) -> None:
    functions = _python_functions if endings == (".py",) else _c_functions
    files = [ROOT / path for path in _tracked(*endings) if not path.startswith(MADE)]
    assert [path for path in files if path.read_text(encoding="utf-8").count("\n") > FILE_MAX] == []
    found = [(length, name, path.name) for path in files for name, length in functions(path)]
    assert len(found) > 500
    assert [row for row in found if row[0] > FUNCTION_MAX] == []
    assert statistics.median(length for length, _, _ in found) <= FUNCTION_MEDIAN
