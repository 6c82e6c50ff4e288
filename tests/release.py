"""Whether the version that the sources say can be released: `python -m tests.release [TAG]`."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import sdfa

ROOT = Path(__file__).resolve().parent.parent


def versions(root: Path = ROOT) -> dict[str, str]:
    """The version by place; pytools/sdfa/__init__.py is where it is made."""
    manifest = json.loads((root / "firmware/library.json").read_text(encoding="utf-8"))
    places = {
        "firmware/library.properties": r"^version=(.+)$",
        "CITATION.cff": r"^version: (.+)$",
        "CHANGELOG.md": r"^## (\S+)",
    }
    found = {"pytools/sdfa/__init__.py": sdfa.__version__, "firmware/library.json": str(manifest["version"])}
    for name, pattern in places.items():
        match = re.search(pattern, (root / name).read_text(encoding="utf-8"), re.MULTILINE)
        found[name] = match[1] if match else "none"
    return found


def problems(tag: str | None, root: Path = ROOT) -> list[str]:
    """What stands against a release; tag: v and the version, None before there is one."""
    wrong = [
        f"{place} says {v}, the package {sdfa.__version__}"
        for place, v in versions(root).items()
        if v != sdfa.__version__
    ]
    heading = re.findall(r"^## \S+ \((.+)\)$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    if not heading or not re.fullmatch(r"not released|\d{4}-\d\d-\d\d", heading[0]):
        wrong.append("the top heading of CHANGELOG.md must be `## VERSION (not released)` or `## VERSION (YYYY-MM-DD)`")
    if tag is not None:
        wrong += [f"the tag is {tag}, the version {sdfa.__version__}"] if tag != f"v{sdfa.__version__}" else []
        wrong += (
            ["CHANGELOG.md says that this version is not released: give it a date"]
            if "not released" in heading[:1]
            else []
        )
    return wrong


if __name__ == "__main__":
    found = problems(sys.argv[1] if len(sys.argv) > 1 else None)
    sys.exit("\n".join(found) or 0)
