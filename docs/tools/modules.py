"""The page of all files: Python modules and C files, each with the first sentence that it says about itself."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "pytools" / "sdfa"
C_FOLDERS = ("firmware/src", "firmware/app", "firmware/device")
PACKAGES = (
    "", "tflite", "lower", "learning", "image", "twin", "exporter", "targets", "device", "link", "keras", "show",
    "show/page", "start", "experiment", "cli",
)  # fmt: skip
"""In the order of the data, as docs/architecture.md has them."""


def page() -> str:
    """Markdown."""
    head = "# All files\n\nMade from what each file says about itself.\n"
    python = "".join(_section(_title(name), sorted((PACKAGE / name).glob("*.py"))) for name in PACKAGES)
    return head + python + "".join(_section(f"`{folder}`", c_files(folder)) for folder in _c_folders())


def c_files(folder: str) -> list[Path]:
    """A C file, and headers that have no C file beside them, of one folder."""
    sources = sorted((ROOT / folder).glob("*.c"))
    alone = {path.stem for path in sources}
    return sorted([*sources, *(path for path in (ROOT / folder).glob("*.h") if path.stem not in alone)])


def said(path: Path) -> str:
    """The first sentence of a module's docstring, or of the comment that a C file opens with."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        opening = ast.get_docstring(ast.parse(text)) or ""
    else:
        found = re.match(r"\s*/\*(.*?)\*/", text, re.DOTALL)
        opening = re.sub(r"\n \* ?", "\n", found[1]) if found else said(path.with_suffix(".h"))
    paragraph = " ".join(opening.strip().split("\n\n")[0].split())
    return re.split(r"(?<=\.) (?=[A-Z])", paragraph)[0]


def _c_folders() -> list[str]:
    found = [ROOT / top for top in C_FOLDERS]
    found += [path for top in C_FOLDERS for path in (ROOT / top).iterdir() if path.is_dir()]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def _title(name: str) -> str:
    return "`" + ".".join(["sdfa", *filter(None, name.split("/"))]) + "`"


def _section(title: str, paths: list[Path]) -> str:
    rows = "".join(f"| `{path.name}` | {said(path).replace('|', chr(92) + '|')} |\n" for path in paths)
    return f"\n## {title}\n\n| | |\n|---|---|\n{rows}"
