"""What stands where in the arena, and when: read from an image itself, so that it is right for any image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from sdfa.image.checks import OpRecord, ints, size
from sdfa.image.reader import Image
from sdfa.image.records import LAYER_PACKABLE, LAYER_PACKED
from sdfa.lower.plan import Block, Use, align, live_minimum, storage_blocks

_LABELS = {"scratch": "s", "accumulators": "a", "error": "e", "delta": "d"}


@dataclass(frozen=True)
class MemoryMap:
    """blocks: by first step, then offset; offsets: arena offset by block name.

    steps: kinds of operations; one more, "learn", if the image learns. Bytes: arena_len; minimum, less than which no
    plan can do with; use, one per step, rounded up to the alignment.
    """

    blocks: tuple[Block, ...]
    offsets: dict[str, int]
    steps: tuple[str, ...]
    arena_len: int
    minimum: int
    use: tuple[int, ...]

    @property
    def peak(self) -> int:
        """The first step that needs most."""
        return self.use.index(max(self.use)) if self.use else 0


def label(block: Block) -> str:
    """A tensor's number, or s, a, e, d, b for what is no tensor."""
    kind, _, number = block.name.partition(" ")
    return _LABELS.get(kind, number)


def last_seen(m: MemoryMap, block: Block) -> int:
    """The last step in which nothing else has taken the block's place."""
    later = [b for b in m.blocks if b.first == block.last and m.offsets[b.name] == m.offsets[block.name]]
    taken = any(b is not block and b.first > block.first for b in later)
    return min(block.last, len(m.steps) - 1) - (1 if taken else 0)


def memory_map(image: Image) -> MemoryMap:
    """The map of an image. What lives when follows from its operations."""
    uses, kept, names = _uses(image)
    lengths = {t: size(record) for t, record in enumerate(image.tensors)}
    begun = [int(image.header["input"]), *names]
    found = [(b, int(image.tensors[int(label(b))]["off"])) for b in storage_blocks(uses, lengths, begun, kept)]
    found += [*_scratch(image), *_learning(image)]
    found.sort(key=lambda pair: (pair[0].first, pair[1]))
    blocks, offsets = tuple(b for b, _ in found), {b.name: off for b, off in found}
    steps = tuple(kind for kind, _ in image.ops) + (("learn",) if image.learning is not None else ())
    use = tuple(_use(blocks, offsets, t) for t in range(len(steps)))
    return MemoryMap(blocks, offsets, steps, int(image.header["arena_len"]), live_minimum(blocks), use)


def overlaps(m: MemoryMap) -> list[tuple[str, str]]:
    """Pairs of blocks that share bytes at one time without being in place (SPEC.md 1.4): none in a sound plan."""
    found = []
    for a, b in combinations(m.blocks, 2):
        at, bt = m.offsets[a.name], m.offsets[b.name]
        together = a.first <= b.last and b.first <= a.last
        if not together or at + a.len <= bt or bt + b.len <= at:
            continue
        in_place = at == bt and (a.name in b.over or b.name in a.over)
        if not in_place:
            found.append((a.name, b.name))
    return found


def shades(m: MemoryMap, n: int) -> dict[str, int]:
    """A shade 0 ... n - 1 for each block, another one than its neighbours' in time or in memory as far as n allows."""
    found: dict[str, int] = {}
    for b in m.blocks:
        taken = [found[other.name] for other in m.blocks if other.name in found and _touch(m, b, other)]
        found[b.name] = min(range(n), key=taken.count)
    return found


def _touch(m: MemoryMap, a: Block, b: Block) -> bool:
    at, bt = m.offsets[a.name], m.offsets[b.name]
    near = at <= bt + align(b.len) and bt <= at + align(a.len)
    return near and a.first <= b.last + 1 and b.first <= a.last + 1


def as_data(m: MemoryMap) -> dict[str, Any]:
    """JSON-able."""
    return {
        "arena": m.arena_len, "minimum": m.minimum, "peak": m.peak, "steps": list(m.steps), "use": list(m.use),
        "blocks": [
            {"name": b.name, "off": m.offsets[b.name], "len": b.len, "first": b.first, "last": b.last}
            for b in m.blocks
        ],
    }  # fmt: skip


def from_data(data: dict[str, Any]) -> MemoryMap:
    """What as_data made, as far as drawing needs it."""
    blocks = tuple(Block(b["name"], b["len"], b["first"], b["last"]) for b in data["blocks"])
    offsets = {b["name"]: b["off"] for b in data["blocks"]}
    return MemoryMap(blocks, offsets, tuple(data["steps"]), data["arena"], data["minimum"], tuple(data["use"]))


def _use(blocks: Sequence[Block], offsets: dict[str, int], step: int) -> int:
    # a block that stands on another counts once
    spans = {(offsets[b.name], align(b.len)) for b in blocks if b.first <= step <= b.last}
    return sum(length for _, length in spans)


def _operands(op: OpRecord) -> list[int]:
    kind, record = op
    return list(ints(record, "in", "in1") if kind in ("add", "mul") else ints(record, "in"))


def _uses(image: Image) -> tuple[list[Use], list[int], list[int]]:
    """(the operations in terms of storages, storages that are kept to the end, tensors that nothing ever writes).

    A storage has the number of the tensor that is written there; a tensor that nothing writes is another name of
    what was written last at its offset.
    """
    head_in, head_out = ints(image.header, "input", "output")
    written = {head_in, *(int(op["out"]) for _, op in image.ops)}
    owner = {int(image.tensors[head_in]["off"]): head_in}
    orphans: list[int] = []

    def storage(t: int) -> int:
        found = t if t in written else owner.get(int(image.tensors[t]["off"]), -1)
        if found >= 0:
            return found
        orphans.append(t)
        return t

    uses, trained = [], []
    for i, (kind, op) in enumerate(image.ops):
        inputs, out = tuple(storage(t) for t in _operands((kind, op))), int(op["out"])
        owner[int(image.tensors[out]["off"])] = out
        uses.append(Use(kind, inputs, out))
        if image.op_off[i] in image.layers["op"]:
            trained += [*inputs, out]
    return uses, [storage(head_out), *trained], orphans


def _scratch(image: Image) -> Iterator[tuple[Block, int]]:
    for i, (kind, op) in enumerate(image.ops):
        if kind in ("conv", "depthwise"):
            taps = int(op["kh"]) * int(op["kw"]) * int(image.tensors[int(op["in"])]["c"])
            wide = kind == "conv" and int(op["flags"]) & (LAYER_PACKABLE | LAYER_PACKED)
            length = align(taps) + 4 * taps if wide else taps
            yield Block(f"scratch {i}", length, i, i), int(op["scratch"])


def _learning(image: Image) -> Iterator[tuple[Block, int]]:
    g, end = image.learning, len(image.ops)
    if g is None:
        return
    places = [image.op_off.index(int(layer["op"])) for layer in image.layers]
    widths = [int(image.ops[place][1]["out_n"]) for place in places]
    yield Block("accumulators", 4 * widths[-1], places[-1], end), int(image.ops[places[-1]][1]["acc"])
    yield Block("error", 2 * widths[-1], end, end), int(g["error"])
    if len(widths) > 1:
        rows = 2 if len(widths) > 2 else 1
        yield Block("delta", 2 * align(max(widths[:-1]), 2) * rows, end, end), int(g["delta"])
