"""Files that a command writes: refused before the work when they cannot be, and whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from sdfa.errors import SdfaError

STDOUT = "-"


def read_bytes(path: Path, what: str) -> bytes:
    """The file's bytes; SdfaError that says `what` to give instead."""
    try:
        return path.read_bytes()
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SdfaError(f"{path}: {why}; give {what}") from None


def check_outputs(outputs: Iterable[Path], inputs: Iterable[Path | None] = (), json_to: Path | None = None) -> None:
    """SdfaError for an output that cannot be written, is one of the inputs, or is given twice."""
    taken = {path.resolve() for path in inputs if path is not None}
    as_json = [] if json_to is None or str(json_to) == STDOUT else [json_to]
    for path in (*outputs, *as_json):
        if str(path) == STDOUT:
            raise SdfaError("only --json goes to stdout as '-': give the name of a file")
        _check_writable(path)
        if path.resolve() in taken:
            raise SdfaError(f"{path} would be overwritten: it is in use by this command; give another file")
        taken.add(path.resolve())


def _check_writable(path: Path) -> None:
    if path.is_dir():
        raise SdfaError(f"{path} is a folder: give the name of a file in it")
    if not path.parent.is_dir():
        raise SdfaError(f"{path}: there is no folder {path.parent}: make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise SdfaError(f"{path} may not be written: give a place where you have the right to")


def check_folder(folder: Path) -> None:
    """SdfaError for a folder that cannot be made because a file is in the way."""
    for path in (folder, *folder.parents):
        if path.is_dir():
            return
        if path.exists():
            raise SdfaError(f"{path} is a file, not a folder: give another folder")


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a failure leaves the old one; devices and pipes are written to directly.

    SdfaError when it cannot be written.
    """
    try:
        _write(path, data)
    except BrokenPipeError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SdfaError(f"{path}: {why}; give another place") from None


def _write(path: Path, data: bytes) -> None:
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    target = path.resolve()
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
