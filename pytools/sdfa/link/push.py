"""Another image for a device, and what it has learned (firmware/SPEC.md 5.1 and 6.3)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from sdfa.device.adapt import learned_image
from sdfa.errors import SdfaError
from sdfa.image.packing import repack
from sdfa.image.reader import Image, read_image
from sdfa.link.client import LinkError
from sdfa.link.remote import DATA_MAX, Remote

_SLOTS = struct.Struct("<6I")


@dataclass(frozen=True)
class Slots:
    """room: bytes that an image may have. running: 0 for the compiled-in image, else the slot, 1 or 2. sequence, len:
    of the image in each slot, 0 where none is whole; len 0: from here on the compiled-in image runs."""

    room: int
    running: int
    sequence: tuple[int, int]
    len: tuple[int, int]


def need_slots(remote: Remote) -> None:
    """SdfaError where no image can be pushed."""
    if "slots" not in remote.info.features:
        raise SdfaError("the device takes no pushed images: build its program with slots (sdfa_link_push)")


def slots(remote: Remote) -> Slots:
    """What the device's slots hold."""
    need_slots(remote)
    room, running, *rest = _SLOTS.unpack(remote.request("SLOTS"))
    return Slots(room, running, (rest[0], rest[1]), (rest[2], rest[3]))


def push(remote: Remote, data: bytes, told: Callable[[int], None] = lambda n: None) -> None:
    """Bring an image, with a signature behind it if the device wants one; the device runs it from then on.

    told: gets the bytes sent so far. SdfaError, and the old image stays, when the device refuses it.
    """
    need_slots(remote)
    wanted = read_image(data)
    try:
        _send(remote, data, told)
    except LinkError as error:
        if error.is_error("SLOT"):
            room = slots(remote).room
            raise SdfaError(f"the image has {len(data)} bytes, a slot of this device {room}") from None
        if error.is_error("PUSH"):
            raise SdfaError("the push was interrupted; the old image runs on: push again") from None
        raise SdfaError(f"the device refused the image, the old one runs on: {_why(error, wanted, remote)}") from None
    remote.begin_again()
    if remote.info.model_id != wanted.model_id.hex():
        raise SdfaError(f"the device runs the model {remote.info.model_id}, not the pushed one: restart it")


def _why(error: LinkError, image: Image, remote: Remote) -> str:
    """With numbers where memory is short: a device says what the model that runs needs, and has perhaps more."""
    name = "arena" if error.is_error("ARENA") else "tail" if error.is_error("TAIL") else ""
    if not name:
        return error.reason
    needs, has = int(image.header[f"{name}_len"]), getattr(remote.info, f"{name}_len")
    return (
        f"{error.reason}: the image needs {needs:,} bytes, the one that runs {has:,}; build the device's program "
        "with a compiled-in model that needs as much"
    )


def drop(remote: Remote) -> None:
    """What was pushed counts no longer: the device runs the compiled-in image, from now on and after a restart."""
    need_slots(remote)
    remote.request("PUSH_DROP")
    remote.begin_again()


def _send(remote: Remote, data: bytes, told: Callable[[int], None]) -> None:
    remote.request("PUSH_BEGIN", struct.pack("<II", len(data), zlib.crc32(data)))
    for off in range(0, len(data), DATA_MAX):
        remote.request("PUSH_DATA", struct.pack("<H", off // DATA_MAX) + data[off : off + DATA_MAX])
        told(min(off + DATA_MAX, len(data)))
    remote.request("PUSH_END")


def pull(remote: Remote, parent: bytes | None = None) -> bytes:
    """The image with what the device has learned in it. parent: the same image from a file; else it is read too."""
    data = remote.image() if parent is None else parent
    image = read_image(data)
    if image.model_id.hex() != remote.info.model_id:
        raise SdfaError(f"the device runs the model {remote.info.model_id}, the image is {image.model_id.hex()}")
    if image.learning is None:
        return repack(data, "plain")
    state = remote.state()
    return learned_image(data, remote.tail(), state.stats.steps, state.random, state.rate_q24, state.tau_q15)
