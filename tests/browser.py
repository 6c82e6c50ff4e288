"""A real browser without a window: what a page becomes in it, and what it complains of."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

# no network beyond the page itself: a browser's own services would only fill the log
_QUIET = (
    "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--disable-quic", "--hide-scrollbars", "--window-size=1100,3000", "--enable-logging=stderr",
)  # fmt: skip
_PROGRAMS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


@dataclass(frozen=True)
class Rendered:
    """dom: the document after its script ran. complaints: errors and warnings of the console."""

    dom: str
    complaints: list[str]


def browser() -> str:
    """The program; a test without one fails, since a page that nobody looked at proves nothing."""
    found = next(filter(None, map(shutil.which, _PROGRAMS)), None)
    assert found, f"no browser: install one of {', '.join(_PROGRAMS)} (Debian: chromium-headless-shell)"
    return found


def _start(profile: Path, *args: str) -> subprocess.CompletedProcess[str]:
    command = [browser(), *_QUIET, f"--user-data-dir={profile}", *args]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def render(page: Path, profile: Path, fragment: str = "") -> Rendered:
    """profile: an empty folder for what the browser keeps."""
    ran = _start(profile, "--dump-dom", f"{page.resolve().as_uri()}{fragment}")
    return Rendered(ran.stdout, re.findall(r"CONSOLE.*", ran.stderr))


def picture(page: Path, profile: Path, to: Path) -> bytes:
    """The page as a PNG."""
    _start(profile, f"--screenshot={to}", page.resolve().as_uri())
    return to.read_bytes()
