"""Learning that looks after itself: what may be asked for, and how a target is asked (firmware/app/care.h)."""

from __future__ import annotations

import struct
from dataclasses import asdict, dataclass
from typing import Any

from sdfa.errors import SdfaError
from sdfa.limits import STEPS_MAX

POLICIES = ("reservoir", "balanced")
REASONS = {1: "saturated", 2: "diverged", 4: "coarse", 8: "idle"}
"""Bits of enum sdfa_reason."""
VERDICTS = ("more right", "as good", "more wrong", "more loss")
"""enum sdfa_verdict; the last two are refusals."""
RING_MAX, WINDOW_MAX, REPLAYS_MAX = 65535, 1024, 1000


@dataclass(frozen=True)
class Care:
    """Each is off unless asked for.

    replay: samples of the ring. policy: of POLICIES. replays: steps from the ring after each new sample.
    guard: report | halve the rate, in windows of `window` steps; "" for no guard.
    frozen: trainable layers that do not learn, 0 is the first. balance: errors weigh by the counts of the classes.
    decay: share of the way back to the factory weights, after every `decay_every` new samples.
    added: spare outputs that become classes first.
    hold_out: samples that are not learned but judge each epoch; a worse epoch is taken back.
    """

    replay: int = 0
    policy: str = "reservoir"
    replays: int = 1
    guard: str = ""
    window: int = 64
    frozen: tuple[int, ...] = ()
    balance: bool = False
    decay: float = 0.0
    decay_every: int = 16
    hold_out: int = 0
    added: int = 0

    @property
    def on_the_device(self) -> bool:
        """Whether a step does more than learn."""
        return bool(self.replay or self.guard or self.frozen or self.balance or self.decay)

    @property
    def decay_q16(self) -> int:
        return round(self.decay * 65536)

    @property
    def frozen_mask(self) -> int:
        return sum(1 << layer for layer in set(self.frozen))

    def check(self, layers: int) -> None:
        """SdfaError for what makes no sense in a model with so many trainable layers."""
        if not 0 <= self.replay <= RING_MAX:
            raise SdfaError(f"--replay {self.replay}: at most {RING_MAX} samples")
        for name, value, least, most in (
            ("replay-steps", self.replays, 1, REPLAYS_MAX), ("decay-every", self.decay_every, 1, STEPS_MAX),
            ("hold-out", self.hold_out, 0, RING_MAX), ("add-class", self.added, 0, RING_MAX),
        ):  # fmt: skip
            if not least <= value <= most:
                raise SdfaError(f"--{name} {value}: from {least} to {most}")
        if self.policy not in POLICIES:
            raise SdfaError(f"--replay-policy {self.policy}: known are {', '.join(POLICIES)}")
        if self.guard not in ("", "report", "halve"):
            raise SdfaError(f"--guard {self.guard}: known are report, halve")
        if not 1 <= self.window <= WINDOW_MAX:
            raise SdfaError(f"--guard-window {self.window}: from 1 to {WINDOW_MAX} steps")
        wrong = [layer for layer in self.frozen if not 0 <= layer < min(layers, 16)]
        if wrong:
            raise SdfaError(f"--freeze {wrong[0]}: the trainable layers are 0 to {layers - 1}, first to last")
        if not 0 <= self.decay_q16 <= 65535 or (self.decay and not self.decay_q16):
            raise SdfaError(f"--decay {self.decay:g}: from 0.00001 to 0.9999")


@dataclass(frozen=True)
class CareStage:
    """From now on each Learn does all this too. seed: of the ring's generator."""

    care: Care
    seed: int = 1

    def payload(self) -> bytes:
        c = self.care
        return struct.pack(
            "<10I", c.replay, POLICIES.index(c.policy), c.replays if c.replay else 0, self.seed,
            c.window if c.guard else 0, c.guard == "halve", c.frozen_mask, c.balance,
            c.decay_q16, c.decay_every if c.decay else 0,
        )  # fmt: skip


@dataclass(frozen=True)
class Judge:
    """Compares the weights with those of the mark."""


@dataclass(frozen=True)
class Cared:
    """Asks what was done beside learning."""


@dataclass(frozen=True)
class AddClass:
    """Opens the next spare output."""


@dataclass(frozen=True)
class Judgement:
    """verdict: of VERDICTS. right, loss: of n held-out samples, before (at the mark) and now; loss in bits, summed."""

    verdict: str
    n: int
    right_before: int
    right: int
    loss_before: float
    loss: float

    @property
    def refused(self) -> bool:
        """Whether the weights of the mark are back."""
        return VERDICTS.index(self.verdict) >= 2


@dataclass(frozen=True)
class CareState:
    """ring: samples in it; seen: put; random: its generator; replays: steps from it. The guard's: windows,
    halvings of the rate, reasons of all windows, mean loss of the last window (as the device counts it).
    decays: calls of sdfa_decay.
    """

    ring: int
    seen: int
    random: int
    replays: int
    windows: int
    halvings: int
    reasons: int
    loss: int
    decays: int


RING_LEN, GATE_LEN, GUARD_LEN, BALANCE_LEN = 40, 64, 96, 16
"""Bytes of struct sdfa_replay, _gate, _guard and _balance on a 32-bit core; a test compiles them."""


def care_ram(care: Care, tail_input: int, classes: int, tail: int) -> int:
    """Bytes of RAM that it takes on a 32-bit core (SPEC.md 4). tail_input, tail: bytes."""
    found = 0
    if care.replay:
        found += RING_LEN + (tail_input + 2) * care.replay + 6 * classes * (care.policy == "balanced")
    if care.hold_out:
        found += GATE_LEN + (tail_input + 2) * care.hold_out + tail
    if care.guard:
        found += GUARD_LEN + tail * (care.guard == "halve")
    return found + (BALANCE_LEN + 2 * classes) * care.balance


def layer_numbers(text: str) -> tuple[int, ...]:
    """ "0,2" to (0, 2)."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(part.isdecimal() and len(part) < 6 for part in parts):
        raise SdfaError(f"--freeze {text}: numbers of trainable layers with commas between, 0 for the first")
    return tuple(map(int, parts))


def decode_judgement(payload: bytes) -> Judgement:
    verdict, n, right_before, loss_before, _, right, loss = struct.unpack("<3IQ2IQ", payload)
    return Judgement(VERDICTS[verdict], n, right_before, right, loss_before / 4096, loss / 4096)


def decode_care_state(payload: bytes) -> CareState:
    return CareState(*struct.unpack("<9I", payload))


def reason_names(bits: int) -> list[str]:
    return [name for bit, name in REASONS.items() if bits & bit]


def care_report(care: Care, state: CareState | None, judgements: tuple[Judgement, ...]) -> dict[str, Any]:
    """What happened, for the JSON of `pytools learn`: only what was asked for."""
    found: dict[str, Any] = {}
    if care.replay and state:
        found["replay"] = {"policy": care.policy, "samples": state.ring, "seen": state.seen, "steps": state.replays}
    if care.guard and state:
        found["guard"] = {
            "windows": state.windows, "reasons": reason_names(state.reasons), "halvings": state.halvings,
        }  # fmt: skip
    if care.frozen:
        found["frozen"] = sorted(set(care.frozen))
    if care.balance:
        found["balance"] = True
    if care.decay and state:
        found["decay"] = {"share": care.decay_q16 / 65536, "every": care.decay_every, "times": state.decays}
    if care.added:
        found["added"] = care.added
    if care.hold_out:
        found["gate"] = {
            "hold_out": care.hold_out, "refused": sum(j.refused for j in judgements),
            "judgements": [asdict(j) for j in judgements],
        }  # fmt: skip
    return found


def care_lines(result: dict[str, Any]) -> list[str]:
    """The same for people; result: of `pytools learn`."""
    care, lines = result["care"], []
    if "gate" in care:
        gate = care["gate"]
        last = gate["judgements"][-1]
        lines.append(
            f"gate: {gate['refused']} of {len(gate['judgements'])} epochs taken back; last: {last['verdict']}, "
            f"{last['right']} of {last['n']} held-out samples right ({last['right_before']} at its mark)"
        )
    if "guard" in care:
        guard = care["guard"]
        what = ", ".join(guard["reasons"]) or "nothing wrong"
        lines.append(f"guard: {what} in {guard['windows']} windows; rate halved {guard['halvings']} times")
    if "replay" in care:
        ring = care["replay"]
        lines.append(f"replay: {ring['steps']} steps from {ring['samples']} samples of {ring['seen']} seen")
    if "forgetting" in result:
        name = "accuracy" if "accuracy_before" in result else "rmse"
        unit, scale = (" points", 100) if name == "accuracy" else ("", 1)
        lines.append(f"forgetting: {scale * result['forgetting']:.3g}{unit} of {name} on the old samples")
    return lines
