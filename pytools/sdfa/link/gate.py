"""Held-out samples on a device: what judges its learning, and the way back (firmware/SPEC.md 4.3 and 6.3)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

from sdfa.device.care import Judgement, decode_judgement
from sdfa.errors import SdfaError
from sdfa.link.client import LinkError
from sdfa.link.remote import Remote
from sdfa.tflite.graph import Int8Array


def _need_gate(remote: Remote) -> None:
    if "gate" not in remote.info.features:
        raise SdfaError("the device's program holds no samples out: build it with the gate (sdfa_link_gate)")


def hold_out(remote: Remote, samples: Iterable[tuple[Int8Array, int]]) -> list[bool]:
    """These samples, int8[input_len] with their classes, become the gate's, and the present weights its mark. Whether
    each was taken: a label out of range is not."""
    _need_gate(remote)
    (room,) = struct.unpack("<I", remote.request("EMPTY"))
    kept = []
    for x, label in samples:
        remote.classify(x)
        try:
            remote.request("HOLD_OUT", struct.pack("<I", label))
        except LinkError as error:
            if error.is_error("ROOM"):
                raise SdfaError(f"the device has room for {room} held-out samples: give no more") from None
            if not error.is_error("LABEL"):
                raise
        else:
            kept.append(True)
            continue
        kept.append(False)
    if not any(kept):
        raise SdfaError("no sample was held out: none, or all labels are out of range")
    remote.request("MARK")
    return kept


def judge(remote: Remote) -> Judgement:
    """The present weights against those of the mark. Refused ones are replaced by those of the mark."""
    _need_gate(remote)
    try:
        return decode_judgement(remote.request("JUDGE"))
    except LinkError as error:
        if error.is_error("ORDER"):
            raise SdfaError(
                "the device holds no samples out yet: give some with evaluate --data F --hold-out"
            ) from None
        raise


def roll_back(remote: Remote) -> str:
    """The last good weights: those of the gate's mark, else the saved ones. Says which."""
    if "gate" in remote.info.features:
        try:
            remote.request("ROLLBACK")
            return "mark"
        except LinkError as error:
            if not (error.is_error("ORDER") or error.is_error("TAIL")):
                raise
    if "store" not in remote.info.features:
        raise SdfaError(
            "there is nothing to go back to: no mark, and no store; `pytools device reset` for the factory's"
        )
    remote.load()
    return "saved"
