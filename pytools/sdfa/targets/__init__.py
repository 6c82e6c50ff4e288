"""Machines that run the C runtime: the host, emulated boards, boards behind a serial port. See find_target."""

from __future__ import annotations

import os
from dataclasses import replace

from sdfa.errors import SdfaError
from sdfa.targets.base import Reply, Request, Target
from sdfa.targets.host import Host
from sdfa.targets.machines import MACHINES
from sdfa.targets.qemu import Qemu, find_machine

__all__ = ["Host", "Qemu", "Reply", "Request", "Target", "find_counting", "find_target", "target_names"]


def target_names() -> list[str]:
    """All that find_target knows; a serial target has its port in the place of URL."""
    return ["host", *(f"qemu:{name}" for name in sorted(MACHINES)), "serial:URL"]


def find_target(name: str, *, counting: bool = False) -> Target:
    """The target that --target names, not built yet. SdfaError, listing all, for an unknown one.

    counting: one that answers Measure; emulated boards can.
    """
    if counting:
        return find_counting(name)
    if name == "host":
        return Host(time_limit_s=_time_limit_s())
    if name.startswith("qemu:"):
        return Qemu(find_machine(name.removeprefix("qemu:")), _time_limit_s())
    if name.startswith("serial:"):
        from sdfa.targets.serial import Serial  # it needs sdfa.device, which needs this package

        return Serial(name.removeprefix("serial:"))
    raise SdfaError(f"unknown target {name!r}; there is {', '.join(target_names())}")


def find_counting(name: str) -> Qemu:
    """An emulated board that answers Measure. SdfaError, listing all, for any other target."""
    machine = find_target(name)
    if not isinstance(machine, Qemu):
        raise SdfaError(f"{name} cannot count instructions; there is {', '.join(target_names()[1:-1])}")
    return replace(machine, counting=True)


def _time_limit_s() -> float:
    """$SDFA_TIME_LIMIT, seconds of one batch of requests; default 600."""
    text = os.environ.get("SDFA_TIME_LIMIT", "600")
    try:
        limit = float(text)
    except ValueError:
        limit = 0.0
    if not 0 < limit < float("inf"):
        raise SdfaError(f"SDFA_TIME_LIMIT is {text!r}: give a number of seconds")
    return limit
