"""The `pytools` command. Thin: parse, call, print."""

from __future__ import annotations

import io
import os
import sys

import typer

from sdfa.cli import device_keep
from sdfa.cli.base import app
from sdfa.cli.device import device
from sdfa.cli.doctor import doctor
from sdfa.cli.experiment import experiment
from sdfa.cli.files import export, inspect, merge, quantize
from sdfa.cli.machines import bench, check, demo, learn, run
from sdfa.cli.paper import convs, costs, paper, results, scratch
from sdfa.cli.people import fetch, personalize
from sdfa.cli.project import new
from sdfa.cli.untrained import init
from sdfa.errors import SdfaError, printable

__all__ = [
    "bench",
    "check",
    "convs",
    "costs",
    "demo",
    "device",
    "device_keep",
    "doctor",
    "experiment",
    "export",
    "fetch",
    "init",
    "inspect",
    "learn",
    "main",
    "merge",
    "new",
    "paper",
    "personalize",
    "quantize",
    "results",
    "run",
    "scratch",
]

STOPPED = 130
"""Exit code after ctrl-C, as shells have it."""

# typer carries its own click since 0.2x, and older ones use the real click: the common name of both
_UsageError: type[typer.BadParameter] = next(c for c in typer.BadParameter.__mro__ if c.__name__ == "ClickException")


def main() -> None:
    """Run the command line; every error is one line and a non-zero exit."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a terminal without box characters is no reason to fail
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
        if code == STOPPED:
            _fail("stopped", STOPPED)
        sys.exit(code if isinstance(code, int) else 0)
    except SdfaError as e:
        _fail(str(e))
    except (typer.Abort, KeyboardInterrupt):
        _fail("stopped", STOPPED)
    except BrokenPipeError:
        _close_stdout()
        sys.exit(1)
    except OSError as e:
        _close_stdout()
        _fail(f"{e.filename or 'output'}: {e.strerror or e}")
    except MemoryError:
        _fail("out of memory: give fewer samples, steps or epochs at once")
    except _UsageError as e:
        _fail(f"{e.format_message()} (see --help)", e.exit_code)


def _close_stdout() -> None:
    """Nobody listens: the interpreter shall not try again at its end."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        try:
            sys.stdout.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, code: int = 1) -> None:
    print(f"pytools: {printable(' '.join(message.split()))}", file=sys.stderr)
    sys.exit(code)
