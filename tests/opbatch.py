"""Many small images as one, so that a board runs them all in one start.

Each keeps an arena of its own inside the arena of the whole, which is input and output of the whole at once: what
comes back is all memory, so that a byte written beside an arena shows too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.device.device import Device
from sdfa.image.reader import Image, read_image
from sdfa.image.records import LAYER_KEEP, TENSOR
from sdfa.targets.base import Target
from sdfa.twin import infer
from tests.imagekit import pack, record

Int8Array = npt.NDArray[np.int8]

GUARD = 36
"""Bytes between arenas, which nothing may touch."""

_CONSTANTS = {
    **dict.fromkeys(("dense", "conv", "depthwise"), ("weights", "bias", "mult", "shift")),
    "table": ("table",),
}
_PLACES = {"dense": ("acc",), "conv": ("scratch",), "depthwise": ("scratch",)}


@dataclass(frozen=True, eq=False)
class Member:
    """One image; base: where its arena begins in the arena of the whole."""

    image: Image
    base: int


def wrong_members(target: Target, images: Sequence[bytes], rng: np.random.Generator, arena_max: int) -> list[int]:
    """Indices of those that yield other bytes than the twin, for a random input each, in the fewest batches whose
    arena fits. A touched guard counts for the image before it.
    """
    wrong: list[int] = []
    first = 0
    for batch in _batches([read_image(data) for data in images], arena_max):
        memory = _inputs(batch, rng)
        after = Device(target, _merged(batch, len(memory))).run(memory[None])[0]
        wrong += [first + i for i, member in enumerate(batch) if not _same(member, memory, after)]
        first += len(batch)
    return wrong


def _inputs(members: Sequence[Member], rng: np.random.Generator) -> Int8Array:
    """The arena of the whole: random bytes, for some members only both ends of int8."""
    memory = rng.integers(-128, 128, _arena_len(members)).astype(np.int8)
    for member in members:
        if rng.random() < 0.3:
            own = memory[member.base : member.base + _own_len(member.image)]
            own[:] = np.where(own < 0, -128, 127)
    return memory


def _batches(images: Sequence[Image], arena_max: int) -> Iterator[list[Member]]:
    batch: list[Member] = []
    for image in images:
        member = Member(image, _arena_len(batch))
        if batch and _arena_len([member]) > arena_max:
            yield batch
            batch, member = [], Member(image, 0)
        batch.append(member)
    yield batch


def _arena_len(members: Sequence[Member]) -> int:
    return members[-1].base + _own_len(members[-1].image) + GUARD if members else 0


def _own_len(image: Image) -> int:
    return -(-int(image.header["arena_len"]) // 4) * 4


def _same(member: Member, memory: Int8Array, after: Int8Array) -> bool:
    """Output, kept accumulators and guard."""
    image, end = member.image, member.base + _own_len(member.image)
    wanted = infer.run(image, None, memory[_place(member, "input")][None])
    found = [
        np.array_equal(after[_place(member, "output")], wanted.output[0]),
        np.array_equal(after[end : end + GUARD], memory[end : end + GUARD]),
    ]
    for name, op in image.ops:
        if name == "dense" and int(op["flags"]) & LAYER_KEEP and wanted.acc is not None:
            at = member.base + int(op["acc"])
            found.append(after[at : at + 4 * wanted.acc.shape[1]].tobytes() == wanted.acc[0].tobytes())
    return all(found)


def _place(member: Member, end: str) -> slice:
    """The model's input or output in the arena of the whole."""
    tensor = member.image.tensors[int(member.image.header[end])]
    at = member.base + int(tensor["off"])
    return slice(at, at + int(tensor["h"]) * int(tensor["w"]) * int(tensor["c"]))


def _merged(members: Sequence[Member], whole: int) -> bytes:
    tensors, ops, data, kernels = b"", b"", b"", 0
    for member in members:
        tensor_n = len(tensors) // TENSOR.itemsize
        moved = member.image.tensors.copy()
        moved["off"] += member.base
        tensors += moved.tobytes()
        ops += b"".join(_moved(name, op, member.base, tensor_n, len(data)) for name, op in member.image.ops)
        data += member.image.data + bytes(-len(member.image.data) % 4)
        kernels |= int(member.image.header["kernels"])
    memory = len(tensors) // TENSOR.itemsize
    tensors += record(TENSOR, off=0, h=1, w=1, c=whole, scale=1)
    return pack(
        {b"TENS": tensors, b"OPS ": ops, b"DATA": data}, arena_len=whole, tensor_n=memory + 1, input=memory,
        output=memory, op_n=sum(len(member.image.ops) for member in members), kernels=kernels,
    )  # fmt: skip


def _moved(name: str, op: np.void, base: int, tensor_n: int, data_len: int) -> bytes:
    """The record with its offsets into arena, tensors and DATA moved on."""
    found = op.copy()
    names = found.dtype.names or ()
    for fields, step in (
        (("in", "out", "in1"), tensor_n),
        (_CONSTANTS.get(name, ()), data_len),
        (_PLACES.get(name, ()), base),
    ):
        for one in set(fields) & set(names):
            found[one] += step
    return bytes(found.tobytes())
