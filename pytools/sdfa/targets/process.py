"""Runs the batch program as a process: files in, files out, in a folder of its own."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sdfa.errors import SdfaError
from sdfa.targets.base import Reply, Request, decode_replies, encode_requests
from sdfa.targets.codes import exit_text

IMAGE, REQUESTS, REPLIES = "model.sdfa", "requests.bin", "replies.bin"

# the line of a crash's output that says most
_TELLING = re.compile(r"runtime error|ERROR: \w+Sanitizer|Lockup|fatal|rror:")


def run_batch(
    name: str, command: Sequence[str], image: bytes, requests: Sequence[Request], time_limit_s: float
) -> list[Reply]:
    """Runs a command that finds IMAGE and REQUESTS in its working folder and leaves REPLIES there.

    SdfaError if it crashes, exceeds the time limit, or leaves an incomplete file.
    """
    with tempfile.TemporaryDirectory(prefix="sdfa-") as folder:
        work = Path(folder)
        (work / IMAGE).write_bytes(image)
        (work / REQUESTS).write_bytes(encode_requests(requests))
        _run(name, command, work, time_limit_s)
        if not (work / REPLIES).is_file():
            raise SdfaError(f"{name}: {Path(command[0]).name} ended without an answer: is it the right program?")
        return decode_replies((work / REPLIES).read_bytes(), len(requests))


def _run(name: str, command: Sequence[str], work: Path, time_limit_s: float) -> None:
    try:
        result = subprocess.run(
            command,
            cwd=work,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=time_limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise SdfaError(f"{name}: not done after {time_limit_s:g} s: set SDFA_TIME_LIMIT") from error
    except OSError as error:
        raise SdfaError(f"{name}: cannot run {command[0]}: {error.strerror}") from error
    if result.returncode != 0:
        raise SdfaError(f"{name}: {exit_text(result.returncode)}{_reason(result.stderr)}")


def _reason(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if _TELLING.search(line)]
    return "".join(f": {line}" for line in (telling or lines)[:1])
