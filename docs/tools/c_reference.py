"""The page of the C interface, from the comments of its headers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from sdfa.bundle import firmware_dir

FIRST = "sdfa.h"
ROOT = Path(__file__).resolve().parents[2]
_COMMENT = re.compile(r"/\*(.*?)\*/", re.DOTALL)
_ITEM = re.compile(
    r"^(?P<comment>/\*(?:(?!\*/).)*\*/)\n(?P<code>(?!#ifndef SDFA_\w+_H\b)(?:[^\n]+\n)+)", re.DOTALL | re.MULTILINE
)


def public_headers() -> list[Path]:
    """Those that an application includes: the list in the Makefile, which lint compiles as C++ too."""
    (names,) = re.findall(r"sdfa_%\.h,([\w ]+)\)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    return [firmware_dir() / "src" / name for name in (FIRST, *(f"sdfa_{word}.h" for word in sorted(names.split())))]


def page(headers: Sequence[Path]) -> str:
    """Markdown."""
    head = "# C interface\n\nMade from the comments of the headers in `firmware/src`.\n"
    return head + "".join(section(path.name, path.read_text(encoding="utf-8")) for path in headers)


def section(name: str, source: str) -> str:
    """Markdown of one header: its opening comment, then each declaration under its own comment."""
    opening = _COMMENT.match(source)
    parts = [f"\n## {name}\n\n{plain(opening[1])}\n" if opening else f"\n## {name}\n"]
    parts += [f"\n{plain(comment)}\n\n```{{.c .declaration}}\n{code}\n```\n" for comment, code in items(source)]
    return "".join(parts)


def items(source: str) -> Iterator[tuple[str, str]]:
    """(comment, declaration) of everything that a comment stands above."""
    for found in _ITEM.finditer(source):
        if found.start() > 0 and not found["code"].startswith("#endif"):
            yield found["comment"][2:-2], found["code"].rstrip()


def plain(comment: str) -> str:
    """A comment as Markdown: an indented part is code."""
    lines = [re.sub(r"^ ?\* ?", "", line.rstrip()) for line in comment.strip("\n").splitlines()]
    blocks = re.split(r"\n\s*\n", "\n".join(lines).strip())
    return "\n\n".join(_block(block) for block in blocks)


def _block(block: str) -> str:
    lines = block.splitlines()
    if all(line.startswith("  ") for line in lines):
        code = "\n".join(line[2:] for line in lines)
        return f"```{{.c .declaration}}\n{code}\n```"
    if any(re.match(r"\w+ {2,}", line) for line in lines):  # names of arguments, and what they are
        return "\n".join(_argument(line) for line in lines)
    return " ".join(line.strip() for line in lines).replace("<", "&lt;")


def _argument(line: str) -> str:
    name = re.match(r"(\w+) {2,}(.*)", line)
    return f"- `{name[1]}`: {name[2]}" if name else f"  {line.strip()}"
