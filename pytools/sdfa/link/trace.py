"""What a device learned, step by step, pulled and repeated on the PC (firmware/SPEC.md 4.8)."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.image.reader import Image
from sdfa.link.remote import Remote
from sdfa.tflite.graph import Int8Array
from sdfa.twin.learn import Twin

_HEAD = struct.Struct("<12I")
_SETTINGS = 0xFFFF
MEMORY, COPY = range(2)
"""What TRACE_READ reads."""


@dataclass(frozen=True, eq=False)
class Trace:
    """Steps without a gap, and the weights at both ends.

    first: steps that the weights had behind them when it began. lost: steps behind the trace that did not fit.
    settings: uint32 (m, 4), each {index of the step before which it holds, rate_q24, tau_q15, random}; the first one
    holds before step 0. frozen: bits of the layers that did not learn. labels: (n,). inputs: of the tail, int8 (n, K).
    start: the weights when it began, empty when the device kept no copy; start_crc: their CRC-32. end: weights now.
    """

    model_id: str
    first: int
    lost: int
    frozen: int
    start_crc: int
    settings: npt.NDArray[np.uint32]
    labels: npt.NDArray[np.uint16]
    inputs: Int8Array
    start: bytes
    end: bytes


def _need_trace(remote: Remote) -> None:
    if "trace" not in remote.info.features:
        raise SdfaError("the device's program keeps no trace: build it with one (sdfa_link_trace)")


def start_trace(remote: Remote) -> None:
    """Forget the trace; the next step is its first."""
    _need_trace(remote)
    remote.request("TRACE_START")


def pull_trace(remote: Remote) -> Trace:
    """The trace that the device holds."""
    _need_trace(remote)
    first, steps, lost, used, _, random, rate, tau, frozen, crc, input_len, has_copy = _HEAD.unpack(
        remote.request("TRACE")
    )
    memory = remote.read_block("TRACE_READ", MEMORY, used)
    start = remote.read_block("TRACE_READ", COPY, remote.info.tail_len) if has_copy else b""
    settings, labels, inputs = _records(memory, input_len)
    if len(labels) != steps:
        raise SdfaError(
            f"the trace holds {len(labels)} steps and says {steps}: the device learned meanwhile; pull again"
        )
    return Trace(
        remote.info.model_id, first, lost, frozen, crc, np.array([(0, rate, tau, random), *settings], np.uint32),
        np.array(labels, np.uint16), np.array(inputs, np.int8).reshape(steps, input_len), start, remote.tail(),
    )  # fmt: skip


def _records(memory: bytes, input_len: int) -> tuple[list[tuple[int, ...]], list[int], list[Int8Array]]:
    """(settings, labels, inputs) of the records of a trace."""
    settings: list[tuple[int, ...]] = []
    labels: list[int] = []
    inputs: list[Int8Array] = []
    at = 0
    while at < len(memory):
        (label,) = struct.unpack_from("<H", memory, at)
        at += 2
        if label == _SETTINGS:
            settings.append((len(labels), *struct.unpack_from("<3I", memory, at)))
            at += 12
            continue
        labels.append(label)
        inputs.append(np.frombuffer(memory, np.int8, input_len, at))
        at += input_len
    return settings, labels, inputs


_ARRAYS = ("settings", "labels", "inputs")


def trace_bytes(trace: Trace) -> bytes:
    """A .npz file of it."""
    file = io.BytesIO()
    numbers = np.array([trace.first, trace.lost, trace.frozen, trace.start_crc], np.uint32)
    np.savez_compressed(
        file, model_id=np.array(trace.model_id), numbers=numbers, start=np.frombuffer(trace.start, np.uint8),
        end=np.frombuffer(trace.end, np.uint8), **{name: getattr(trace, name) for name in _ARRAYS},
    )  # fmt: skip
    return file.getvalue()


def read_trace(data: bytes, name: str) -> Trace:
    """A trace from a file. SdfaError when it is none."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as found:
            first, lost, frozen, crc = (int(v) for v in found["numbers"])
            return Trace(
                str(found["model_id"]), first, lost, frozen, crc, found["settings"], found["labels"], found["inputs"],
                found["start"].tobytes(), found["end"].tobytes(),
            )  # fmt: skip
    except (ValueError, KeyError, EOFError, OSError, TypeError, zipfile.BadZipFile):
        raise SdfaError(f"{name} is no trace: pull one with `pytools device trace`") from None


def start_of(trace: Trace, image: Image) -> bytes:
    """The weights that the trace begins with: the device's copy, or those of the image if they are the ones."""
    if trace.model_id != image.model_id.hex():
        raise SdfaError(f"the trace is of the model {trace.model_id}, the image is {image.model_id.hex()}")
    for tail in (trace.start, image.present_tail, image.tail):
        if tail and zlib.crc32(tail) == trace.start_crc:
            return tail
    raise SdfaError(
        f"the trace begins with weights after {trace.first} steps that are not in this image: give the image that was "
        "pulled when it began"
    )


def replay(trace: Trace, image: Image) -> dict[str, Any]:
    """Repeat the trace with the integer twin. mismatching_bytes: of the weights, against the device's; None where the
    device went on after the trace was full. tail: the weights after it."""
    twin = Twin(image)
    twin.set_tail(start_of(trace, image))
    twin.frozen = trace.frozen
    ends = [*(int(row[0]) for row in trace.settings[1:]), len(trace.labels)]
    for (begin, rate, tau, random), end in zip(trace.settings.tolist(), ends, strict=True):
        twin.set_rate(rate)
        twin.tau_q15, twin.random = tau, random
        if end > begin:
            twin.learn_features(trace.inputs[begin:end], trace.labels[begin:end].astype(np.int64))
    tail = twin.tail_bytes()
    wrong = int(np.sum(np.frombuffer(tail, np.uint8) != np.frombuffer(trace.end, np.uint8)))
    return {
        "model_id": trace.model_id, "first": trace.first, "steps": len(trace.labels), "lost": trace.lost,
        "bytes": len(tail), "mismatching_bytes": None if trace.lost else wrong, "tail": tail, "random": twin.random,
        "rate_q24": twin.rate_q24, "tau_q15": twin.tau_q15,
    }  # fmt: skip
