"""MkDocs hook: pages and pictures that are made at build time, and links that lead out of docs/ in the repository."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from docs.tools import c_reference, cli_reference, modules, pictures
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = {
    "firmware/SPEC.md": "reference/specification.md",
    "firmware/PORTING.md": "reference/port.md",
    "CHANGELOG.md": "changelog.md",
}
"""Files of the repository that are pages too."""


def on_files(files: Files, config: Any) -> Files:
    """Adds what is not in docs/."""
    made: dict[str, str] = {
        "reference/commands.md": cli_reference.page(),
        "reference/c-interface.md": c_reference.page(c_reference.public_headers()),
        "reference/modules.md": modules.page(),
        **{page: (ROOT / path).read_text(encoding="utf-8") for path, page in OUTSIDE.items()},
        **{f"pictures/{name}.svg": svg for name, svg in pictures.all_pictures().items()},
    }
    for uri, content in made.items():
        files.append(File.generated(config, uri, content=content))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links between files of the repository lead to the same pages here: docs/x.md, and files that are pages too."""
    up = "../" * page.file.src_uri.count("/")
    for path, target in OUTSIDE.items():
        markdown = re.sub(rf"\]\((?:\.\./)*{re.escape(path)}", f"]({up}{target}", markdown)
    return markdown.replace("](docs/", f"]({up}")
