"""The documentation: every code block of every page runs, and the generated pages name everything that there is."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from docs.tools import c_reference, cli_reference, pictures

from sdfa.bundle import firmware_dir, model_dir, runtime_sources
from sdfa.targets.build import Program, build, host_compiler
from tests.clikit import Cli, done

DOCS = Path(__file__).parent.parent / "docs"
MADE = {"results.md"}
"""Pages without blocks, made by commands."""
PAGES = sorted(
    str(page) for page in (path.relative_to(DOCS) for path in DOCS.rglob("*.md")) if page.parts[0] != "results"
)
BY_CI = ("pip install ", "pytools demo")
"""Lines of shell that .ci/run does by itself, and that take long."""
NOT_RUN = {"needs a board"}
"""The only reasons why a block may not run."""


@dataclass(frozen=True)
class Block:
    """info: what stands behind the fence, such as `sh` or `sh no-run (why)`."""

    info: str
    code: str

    @property
    def language(self) -> str:
        return self.info.split(" ")[0]

    @property
    def not_run(self) -> str | None:
        """Why it does not run here."""
        found = re.fullmatch(r"\w+ no-run \((.+)\)", self.info)
        return found[1] if found else None


def blocks(markdown: str) -> Iterator[Block]:
    """The fenced blocks of a page, in their order."""
    for info, code in re.findall(r"^```([^\n]+)\n(.*?)^```$", markdown, re.DOTALL | re.MULTILINE):
        yield Block(info.strip(), code)


class Page:
    """Runs blocks one after the other, as a reader would."""

    def __init__(self, pytools: Cli) -> None:
        self.pytools = pytools
        self.printed = ""

    def run(self, block: Block) -> None:
        if block.not_run is not None:
            assert block.not_run in NOT_RUN, block.info
            return
        assert " " not in block.info, f"a block that does not run must say `no-run (why)`: {block.info}"
        getattr(self, f"_{block.language}")(block.code)

    def _sh(self, code: str) -> None:
        self.printed = ""
        for line in code.splitlines():
            if not line.startswith(BY_CI):
                program, *args = shlex.split(line)
                assert program == "pytools", line
                self.printed += done(self.pytools(*args)).out

    def _python(self, code: str) -> None:
        exec(compile(code, "page", "exec"), {"__name__": "page"})

    def _c(self, code: str) -> None:
        Path("main.c").write_text(code, encoding="utf-8")
        (exported,) = Path().glob("*/*.c")
        src = firmware_dir() / "src"
        program = Program(
            name="page",
            compiler=host_compiler(),
            library=runtime_sources(),
            sources=(Path("main.c"), exported),
            include_dirs=(src, exported.parent),
            flags=("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror"),
        )
        self.printed = subprocess.run([build(program)], check=True, capture_output=True, text=True).stdout

    def _text(self, code: str) -> None:
        assert code in self.printed, self.printed


def _personalization(printed: list[str]) -> None:
    """From below 40 % to above 90 %; and freezing the hidden layer is worse."""
    found = [re.findall(r"accuracy │ +([\d.]+) % │ +([\d.]+) %", text) for text in printed]
    (_, last), (before, best), (_, frozen) = [tuple(map(float, rows[-1])) for rows in found if rows]
    assert last > 90
    assert before < 40
    assert best > 90 > frozen


def _class_added(printed: list[str]) -> None:
    """Every second digit is lost, nearly; less than half as many with replay."""
    naive, replayed = (float(lost) for text in printed for lost in re.findall(r"forgetting: (-?[\d.]+) points", text))
    assert naive > 35
    assert replayed < naive / 2


TENSORFLOW = {"keras.md"}
"""Pages that import it: it warns a lot."""

CLAIMS = {"tutorials/personalize.md": _personalization, "tutorials/add-a-class.md": _class_added}
"""Pages that say what comes out, and the check of that on what each block printed."""


@pytest.mark.qemu
@pytest.mark.parametrize("name", [name for name in PAGES if name not in MADE])
def test_every_block_runs(name: str, pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model_dir("digits"), "models/digits")
    if name in TENSORFLOW:
        warnings.simplefilter("ignore")
    page, printed = Page(pytools), []
    for block in blocks((DOCS / name).read_text(encoding="utf-8")):
        page.run(block)
        printed += [page.printed] if block.language == "sh" else []
    CLAIMS.get(name, len)(printed)


def test_few_blocks_do_not_run() -> None:
    found = [b for name in PAGES for b in blocks((DOCS / name).read_text(encoding="utf-8"))]
    assert len(found) > 25
    assert sum(b.not_run is not None for b in found) == 3


def test_a_false_block_is_noticed(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    page = Page(pytools)
    for block in (
        Block("sh", "pytools nonsense\n"), Block("sh", "rm x\n"), Block("python", "1 / 0\n"), Block("sh no-run", ""),
        Block("sh no-run (no time)", ""), Block("text", "what nobody printed\n"), Block("c", "int main(void) {"),
    ):  # fmt: skip
        with pytest.raises((AssertionError, ZeroDivisionError, ValueError)):
            page.run(block)


def test_every_command_and_option_is_in_the_reference() -> None:
    page = cli_reference.page()
    for name, command in cli_reference.commands():
        assert f"\n## {name}\n" in page
        assert all(f"`{option}" in page for parameter in command.params for option in parameter.opts if "-" in option)
    assert "[cyan]" not in page


def test_every_function_is_in_the_c_reference() -> None:
    headers = c_reference.public_headers()
    page = c_reference.page(headers)
    assert {"sdfa.h", "sdfa_store.h", "sdfa_link.h", "sdfa_replay.h"} <= {path.name for path in headers}
    for path in headers:
        source = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
        for function in re.findall(r"^\w[\w *]*?\b(sdfa_\w+)\(", source, re.MULTILINE):
            assert f"{function}(" in page, (path.name, function)


def test_comments_become_paragraphs_lists_and_code() -> None:
    opening = "/* What it is.\n *\n *   int x = 1;\n */\n\n"
    source = f"{opening}/* Adds.\n *\n * one  the first\n *      number\n */\nint add(int one);\n"
    page = c_reference.section("x.h", source)
    assert "What it is." in page
    assert "int x = 1;\n```" in page
    assert "- `one`: the first\n  number" in page
    assert "int add(int one);\n```" in page


def test_pictures_are_pictures_with_words() -> None:
    from xml.etree import ElementTree as ET

    for name, picture in pictures.all_pictures().items():
        root: Any = ET.fromstring(picture)
        assert root.get("role") == "img", name
        assert len(root.get("aria-label")) > 20
