"""A model on a target, with typed questions and answers. Each method runs one batch on a fresh machine."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from sdfa.device.care import AddClass, Cared, CareState, Judge, Judgement, decode_care_state, decode_judgement
from sdfa.device.costs import Costs, decode_costs
from sdfa.device.requests import (
    NO_CLASS,
    Classify,
    HoldOut,
    Int16Array,
    IntArray,
    Labelled,
    Learn,
    LearnTarget,
    Measure,
    Profile,
    Remember,
    Reset,
    Run,
    Set,
    Stage,
    encode,
    request,
    rows,
)
from sdfa.errors import SdfaError
from sdfa.image.records import HEADER
from sdfa.targets.base import Reply, Target
from sdfa.targets.codes import error_value, status_text
from sdfa.tflite.graph import Int8Array

__all__ = [
    "Classify", "Device", "HoldOut", "Info", "Int16Array", "IntArray", "Learn", "LearnResult", "LearnTarget", "Measure",
    "Memory", "Profile", "Remember", "Reset", "Run", "Session", "Set", "Stage", "State", "Stats",
]  # fmt: skip
"""With the stages that a session is made of."""

ClassArray = npt.NDArray[np.uint16]


@dataclass(frozen=True)
class Info:
    """What the target says about the opened model; lengths in bytes. class_n: 0 if nothing learns."""

    arena_len: int
    tail_len: int
    state_len: int
    input_len: int
    output_len: int
    class_n: int


@dataclass(frozen=True)
class Stats:
    """struct sdfa_stats, in the order of SPEC.md 3.5."""

    steps: int
    correct: int
    loss: int
    weights_nonzero: int
    weights_updated: int
    moved: int
    saturated_weights: int
    saturated_activations: int
    saturated_logits: int


@dataclass(frozen=True)
class State:
    """stats: since the model was opened. random: the generator's state. The rest as the device uses it."""

    stats: Stats
    random: int
    rate_q24: int
    tau_q15: int


@dataclass(frozen=True)
class Memory:
    """stack_len: most bytes of stack used, the batch program's included; 0 if the target cannot know.

    pool_len: bytes that the target has for arena and tail; on the host, bytes that it gave.
    """

    stack_len: int
    pool_len: int


@dataclass(frozen=True, eq=False)
class Session:
    """The answers to a list of stages.

    outputs: one int8 (n, output_len) per Run. classes: one uint16 (n,) per Classify.
    guesses: one uint16 (n,) per Learn, the class before each sample's step.
    states: one per Learn and LearnTarget, as it was after that stage. state, tail, memory: at the end.
    costs: one per Measure. profiles: instructions int64 (n, operations), one per Profile.
    kept: one uint16 (n,) per Remember, whether each sample went into the ring. judgements: one per Judge.
    cared: one per Cared. added: label of each AddClass.
    tail: the bytes of the trainable tail, empty if nothing learns.
    """

    info: Info
    outputs: tuple[Int8Array, ...]
    classes: tuple[ClassArray, ...]
    guesses: tuple[ClassArray, ...]
    states: tuple[State, ...]
    state: State
    tail: bytes
    memory: Memory
    costs: tuple[Costs, ...] = ()
    profiles: tuple[npt.NDArray[np.int64], ...] = ()
    kept: tuple[ClassArray, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    cared: tuple[CareState, ...] = ()
    added: tuple[int, ...] = ()

    def ram(self) -> dict[str, int | None]:
        """Bytes of RAM: stack is the measured high-water mark of the whole program, None if unknown; total of all."""
        known = {"arena": self.info.arena_len, "tail": self.info.tail_len, "state": self.info.state_len}
        stack = self.memory.stack_len or None
        return {**known, "stack": stack, "total": sum(known.values()) + (stack or 0)}


@dataclass(frozen=True, eq=False)
class LearnResult:
    """guesses, stats: of all epochs together. classes: of the evaluation data, empty if there is none."""

    classes_before: ClassArray
    classes_after: ClassArray
    guesses: ClassArray
    stats: Stats
    random: int
    tail: bytes
    stack_len: int


@dataclass(frozen=True)
class Device:
    """target: where it runs. image: the bytes of a .sdfa file.

    Every method raises SdfaError when the target refuses the image or a request, or cannot run.
    """

    target: Target
    image: bytes

    def info(self) -> Info:
        return self.session([]).info

    def run(self, x: Int8Array) -> Int8Array:
        """x: int8 (n, *input). Returns int8 (n, output_len), the bytes of each output tensor."""
        return self.session([Run(x)]).outputs[0]

    def classify(self, x: Int8Array) -> ClassArray:
        """x: int8 (n, *input). The largest logit of each sample; only for models that learn from labels."""
        return self.session([Classify(x)]).classes[0]

    def learn(
        self,
        x: Int8Array,
        y: IntArray,
        *,
        settings: Set | None = None,
        epochs: int = 1,
        x_eval: Int8Array | None = None,
    ) -> LearnResult:
        """Learns the samples in their order, `epochs` times. For more, see session."""
        evaluation = [] if x_eval is None else [Classify(x_eval)]
        s = self.session([settings or Set(), *evaluation, *[Learn(x, y)] * epochs, *evaluation])
        none = np.empty(0, np.uint16)
        return LearnResult(
            classes_before=s.classes[0] if s.classes else none,
            classes_after=s.classes[-1] if s.classes else none,
            guesses=np.concatenate([none, *s.guesses]),
            stats=s.state.stats,
            random=s.state.random,
            tail=s.tail,
            stack_len=s.memory.stack_len,
        )

    def session(self, stages: Sequence[Stage]) -> Session:
        """All stages, one after the other, in one batch."""
        measures = any(isinstance(stage, Measure) for stage in stages)
        requests = [*([request("MEASURE")] if measures else []), request("OPEN")]
        for stage in stages:
            requests.append(encode(stage))
            requests += [request("STATE")] if isinstance(stage, (Learn, LearnTarget)) else []
        requests += [request(name) for name in ("STATE", "TAIL", "MEMORY")]
        replies = self.target.execute(self.image, requests)
        if measures:
            _accept(self.target, "MEASURE", replies.pop(0))
        memory = Memory(*_u32s(_accept(self.target, "MEMORY", replies[-1])))
        info = self._open(replies[0], memory)
        return _decode(self.target, info, memory, stages, replies[1:-1])

    def _open(self, reply: Reply, memory: Memory) -> Info:
        if reply.status in (error_value("ARENA"), error_value("TAIL")) and len(self.image) >= HEADER.itemsize:
            header = np.frombuffer(self.image, HEADER, 1)[0]
            need = f"{header['arena_len']} + {header['tail_len']} bytes of RAM (arena + tail)"
            raise SdfaError(f"{self.target.name}: the model needs {need}, there are {memory.pool_len}")
        return Info(*_u32s(_accept(self.target, "OPEN", reply)))


def _accept(target: Target, what: str, reply: Reply) -> bytes:
    if reply.status != 0:
        raise SdfaError(f"{target.name}: {what.lower()}: {status_text(reply.status)}")
    return reply.payload


def _u32s(payload: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(payload) // 4}I", payload)


def _state(payload: bytes) -> State:
    values = struct.unpack("<2I4Q6I", payload)
    n = len(fields(Stats))
    return State(Stats(*values[:n]), *values[n:])


def _check_rows(target: Target, info: Info, stage: Stage) -> None:
    """The target sees one stream of bytes: samples of a wrong length may show only here."""
    if not isinstance(stage, (Run, Classify, Learn, Remember, HoldOut, LearnTarget, Profile)):
        return
    length = rows(stage.x, "i1").shape[1]
    if length != info.input_len:
        raise SdfaError(f"{target.name}: a sample has {length} values, the model's input {info.input_len}")
    if isinstance(stage, LearnTarget) and rows(stage.targets, "<i2").shape[1] != 2 * info.class_n:
        shape = stage.targets.shape
        raise SdfaError(f"{target.name}: targets of shape {shape}, the model has {info.class_n} outputs")


def _check_guesses(target: Target, info: Info, stage: Labelled, guesses: ClassArray) -> None:
    wrong = np.flatnonzero(guesses == NO_CLASS)
    if wrong.size:
        place = int(wrong[0])
        what = f"label {stage.y[place]} of sample {place} is out of range"
        raise SdfaError(f"{target.name}: {what}: the model has {info.class_n} classes")


def _decode(target: Target, info: Info, memory: Memory, stages: Sequence[Stage], replies: Sequence[Reply]) -> Session:
    """replies: those to the stages, to STATE and to TAIL."""
    outputs: list[Int8Array] = []
    classes: list[ClassArray] = []
    guesses: list[ClassArray] = []
    states: list[State] = []
    costs: list[Costs] = []
    profiles: list[npt.NDArray[np.int64]] = []
    kept: list[ClassArray] = []
    judgements: list[Judgement] = []
    cared: list[CareState] = []
    added: list[int] = []
    rest = iter(replies)
    for stage in stages:
        _check_rows(target, info, stage)
        payload = _accept(target, type(stage).__name__, next(rest))
        if isinstance(stage, Run):
            outputs.append(np.frombuffer(payload, np.int8).reshape(len(stage.x), info.output_len))
        elif isinstance(stage, Classify):
            classes.append(np.frombuffer(payload, "<u2").astype(np.uint16))
        elif isinstance(stage, Learn):
            guesses.append(np.frombuffer(payload, "<u2").astype(np.uint16))
            _check_guesses(target, info, stage, guesses[-1])
        elif isinstance(stage, (Remember, HoldOut)):
            kept.append(np.frombuffer(payload, "<u2").astype(np.uint16))
            _check_guesses(target, info, stage, kept[-1])
        elif isinstance(stage, Judge):
            judgements.append(decode_judgement(payload))
        elif isinstance(stage, Cared):
            cared.append(decode_care_state(payload))
        elif isinstance(stage, AddClass):
            added += _u32s(payload)
        elif isinstance(stage, Measure):
            costs.append(decode_costs(target.name, payload))
        elif isinstance(stage, Profile):
            profiles.append(np.frombuffer(payload, "<u4").astype(np.int64).reshape(len(stage.x), -1))
        if isinstance(stage, (Learn, LearnTarget)):
            states.append(_state(_accept(target, "STATE", next(rest))))
    state = _state(_accept(target, "STATE", next(rest)))
    tail = _accept(target, "TAIL", next(rest)) if info.tail_len else b""
    return Session(
        info, tuple(outputs), tuple(classes), tuple(guesses), tuple(states), state, tail, memory,
        tuple(costs), tuple(profiles), tuple(kept), tuple(judgements), tuple(cared), tuple(added),
    )  # fmt: skip
