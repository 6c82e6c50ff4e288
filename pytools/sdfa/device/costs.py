"""What calls into the runtime cost on a target that counts: the payload of MEASURE (firmware/app/app.h)."""

from __future__ import annotations

import struct
from dataclasses import dataclass

from sdfa.errors import SdfaError
from sdfa.targets.codes import section_names

_HEAD = struct.Struct("<2I")
_SECTION = struct.Struct("<4IQ")


@dataclass(frozen=True)
class Cost:
    """All calls of one function of the runtime; all 0 if there was none.

    instructions: executed, of all calls together; least, most: of the shortest and the longest call. Exact up to the
    two or three that set up a call. stack_len: bytes, of the deepest call.
    """

    calls: int
    stack_len: int
    least: int
    most: int
    instructions: int

    @property
    def mean(self) -> int:
        """Instructions of a call, rounded."""
        return round(self.instructions / max(self.calls, 1))


@dataclass(frozen=True)
class Costs:
    """open: of sdfa_open; bind: of sdfa_bind, its part behind the CRC-32; run: of sdfa_run; learn: of sdfa_learn and
    sdfa_learn_target."""

    open: Cost
    bind: Cost
    run: Cost
    learn: Cost

    @property
    def stack_len(self) -> int:
        """Bytes of the deepest call of all."""
        return max(self.open.stack_len, self.run.stack_len, self.learn.stack_len)


def raw_costs(payload: bytes) -> tuple[Cost, dict[str, Cost]]:
    """(what the probe should cost, each section by its name), overhead included."""
    instructions, stack_len = _HEAD.unpack_from(payload)
    values = _SECTION.iter_unpack(payload[_HEAD.size :])
    sections = {name: Cost(*of) for name, of in zip(section_names(), values, strict=True)}
    return Cost(1, stack_len, instructions, instructions, instructions), sections


def decode_costs(target: str, payload: bytes) -> Costs:
    """Without the overhead. SdfaError when the probe shows that instructions were not counted."""
    known, of = raw_costs(payload)
    nothing, probe = of["NOTHING"], of["PROBE"]
    if probe.instructions - nothing.instructions != known.instructions:
        raise SdfaError(f"{target}: instructions are not counted here: find the target with counting=True")
    each, stack_off = nothing.instructions, known.stack_len - probe.stack_len

    def cost(name: str) -> Cost:
        raw = of[name]
        if not raw.calls:
            return Cost(0, 0, 0, 0, 0)
        rest = raw.instructions - raw.calls * each
        return Cost(raw.calls, raw.stack_len + stack_off, raw.least - each, raw.most - each, rest)

    return Costs(cost("OPEN"), cost("BIND"), cost("RUN"), cost("LEARN"))
