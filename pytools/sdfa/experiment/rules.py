"""The rules that an experiment compares: one line each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from sdfa.errors import SdfaError

NONE, DEVICE, FLOAT, SCRATCH = "none", "device", "float", "scratch"


@dataclass(frozen=True)
class Rule:
    """runs: NONE; DEVICE, the C runtime in int8; FLOAT, back-propagation in float32 through the same layers; SCRATCH,
    float32 too, all layers, from random weights.

    feedback, connections: as pytools export takes them. more: further sdfa.Options, as (name, value).
    rates: the grid that the learning rate is chosen from. held: of the samples of each class, so many are not learned
    but judge at the end whether what was learned stays (sdfa_gate.h). again: if it may, learning starts over with all.
    """

    name: str
    runs: str
    feedback: str = ""
    connections: int | None = None
    more: tuple[tuple[str, Any], ...] = ()
    rates: tuple[float, ...] = (0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128)
    held: int = 0
    again: bool = False

    @property
    def random(self) -> bool:
        """Whether a seed changes the feedback."""
        return self.feedback in ("random", "dense")


_LIST = (
    Rule("none", NONE, rates=()),
    Rule("last", DEVICE, "last"),
    Rule("random k=1", DEVICE, "random", 1),
    Rule("random k=2", DEVICE, "random", 2),
    Rule("aligned k=1", DEVICE, "aligned", 1),
    Rule("aligned k=2", DEVICE, "aligned", 2),
    Rule("live k=1", DEVICE, "live", 1),
    Rule("live k=2", DEVICE, "live", 2),
    Rule("live k=2 centred", DEVICE, "live", 2, (("centred", True),)),
    Rule("dense", DEVICE, "dense"),
    Rule("bp", DEVICE, "bp"),
    Rule("float bp", FLOAT),
    Rule("scratch", SCRATCH, rates=(0.0003, 0.001, 0.003, 0.01)),
)
RULES = {rule.name: rule for rule in _LIST}


def find_rules(names: str) -> list[Rule]:
    """Rules by their names, separated by commas. SdfaError, listing all, for an unknown one."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in RULES:
            raise SdfaError(f"unknown rule {name!r}; there is {', '.join(RULES)}")
    if not wanted:
        raise SdfaError(f"no rule given; there is {', '.join(RULES)}")
    return [RULES[name] for name in RULES if name in wanted]


def with_gate(rules: list[Rule]) -> list[Rule]:
    """These, and each rule of the device twice more with one sample of each class held out: once what was learned from
    the rest stays, once all are learned then."""
    gated = [
        replace(rule, name=f"{rule.name}, {name}", held=1, again=again)
        for rule in rules
        for name, again in (("gate", False), ("gate, then all", True))
        if rule.runs == DEVICE
    ]
    if not gated:
        raise SdfaError("--gate is for rules that run on the device; add live k=2 to --rules")
    return [*rules, *gated]
