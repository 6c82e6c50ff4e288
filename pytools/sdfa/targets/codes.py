"""Names, numbers and texts of the C side, read from its headers: each list is written down once, there."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from pathlib import Path

from sdfa.bundle import firmware_dir
from sdfa.errors import SdfaError

_ENTRY = re.compile(r'X\((\w+),\s*(-?\d+),\s*(?:"([^"]*)"|[^"()]*)\)')


@dataclass(frozen=True)
class Entry:
    """One line X(name, value, "text")."""

    name: str
    value: int
    text: str


@functools.cache
def read_list(header: Path, macro: str) -> tuple[Entry, ...]:
    """The entries of `#define MACRO(X) ...`. SdfaError if the header has no such list."""
    source = header.read_text(encoding="utf-8").replace("\\\n", " ")
    found = re.search(rf"^#define {macro}\(X\)(.*)$", source, re.MULTILINE)
    if not found:
        raise SdfaError(f"{header.name} has no list {macro}: reinstall sdfa")
    return tuple(Entry(name, int(value), text) for name, value, text in _ENTRY.findall(found[1]))


def _app(macro: str) -> tuple[Entry, ...]:
    return read_list(firmware_dir() / "app" / "app.h", macro)


def _runtime(macro: str) -> tuple[Entry, ...]:
    return read_list(firmware_dir() / "src" / "sdfa.h", macro)


def request_code(name: str) -> int:
    """Code of a request of app.h, by its name ("RUN")."""
    return {entry.name: entry.value for entry in _app("APP_REQUESTS")}[name]


def request_name(code: int) -> str:
    """Name of a request of app.h."""
    return {entry.value: entry.name for entry in _app("APP_REQUESTS")}[code]


def error_value(name: str) -> int:
    """Value of an error of sdfa.h, by its name ("ARENA")."""
    return {entry.name: entry.value for entry in _runtime("SDFA_ERRORS")}[name]


def link_request(name: str) -> int:
    """Code of a request of the device link, by its name ("HELLO")."""
    return link_requests()[name]


@functools.cache
def link_requests() -> dict[str, int]:
    """All requests of the device link, those of the parts that a device need not have too."""
    header = firmware_dir() / "src" / "sdfa_link.h"
    lists = re.findall(r"^#define (SDFA_REQUESTS\w*)\(X\)", header.read_text(encoding="utf-8"), re.MULTILINE)
    return {entry.name: entry.value for macro in lists for entry in read_list(header, macro)}


def section_names() -> tuple[str, ...]:
    """Names of the sections that MEASURE tells about, by index."""
    entries = sorted(_app("APP_SECTIONS"), key=lambda entry: entry.value)
    return tuple(entry.name for entry in entries)


def status_text(status: int) -> str:
    """What the status of a reply means, in English, without a full stop."""
    texts = {entry.value: entry.text for entry in (*_runtime("SDFA_ERRORS"), *_app("APP_ERRORS"))}
    return texts.get(status, f"unknown error {status}")


def exit_text(code: int) -> str:
    """What the exit code of the batch program means; a negative one is a signal."""
    texts = {entry.value: entry.text for entry in _app("APP_EXITS")}
    return texts.get(code, f"killed by signal {-code}" if code < 0 else f"exit code {code}")
