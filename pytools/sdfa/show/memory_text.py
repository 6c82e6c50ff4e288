"""The memory map as text: columns are operations, rows are ranges of the arena, the highest on top."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from rich.console import Group
from rich.text import Text

from sdfa.lower.plan import Block, align, missed
from sdfa.show.memory_map import MemoryMap, label, shades

WIDTH = 100
ROWS = 28
_GUTTER = 16
_SHADES = "█▓▒░"
_COLOURS = ("cyan", "yellow", "green", "magenta", "blue", "red")
_LEVELS = " ▁▂▃▄▅▆▇█"
_KEYS = {"s": "scratch", "a": "accumulators", "e": "error", "d": "deltas"}


def draw(m: MemoryMap, width: int) -> Group:
    """The map in lines of at most `width` (and WIDTH) characters; many operations take several panels."""
    room = min(width, WIDTH) - _GUTTER
    n = len(m.steps)
    wide = max(2, min(5, room // max(n, 1)))
    per = max(room // wide, 1)
    parts = [line for start in range(0, n, per) for line in _panel(m, range(start, min(start + per, n)), wide)]
    return Group(*parts, *map(Text, summary(m)))


def summary(m: MemoryMap) -> list[str]:
    """What the letters mean, and where the peak is."""
    used = {label(b) for b in m.blocks}
    keys = ["number: tensor", *(f"{key}: {what}" for key, what in _KEYS.items() if key in used)]
    peak = "nothing" if not m.steps else f"step {m.peak} ({m.steps[m.peak]}), {m.use[m.peak]:,} bytes"
    why = missed(m.blocks, m.offsets, m.minimum)
    return [
        ", ".join(keys),
        f"peak: {peak}; arena {m.arena_len:,}; minimum {m.minimum:,}",
        *([why] if why else []),
    ]


def _panel(m: MemoryMap, steps: range, wide: int) -> Iterator[Text]:
    every = -(-(len(str(steps[-1])) + 1) // wide)  # numbers that would touch are left out
    numbers = "".join(str(t).ljust(wide * every) for t in steps[::every])
    yield Text(f"{'offset':>8}{'bytes':>7} {numbers}".rstrip(), style="bold")
    bounds = _bounds(m, steps)
    chars = shades(m, len(_SHADES))
    named: set[str] = set()
    for start, stop in reversed(list(pairwise(bounds))):
        line = Text(f"{start:>8}{stop - start:>7} ")
        for t in steps:
            block = _at(m, t, start, stop)
            line.append_text(_cell(m, block, chars, named, wide))
        yield line
    top = max(m.use, default=0) or 1
    levels = "".join((_LEVELS[-(-m.use[t] * 8 // top)] * (wide - 1)).ljust(wide) for t in steps)
    yield Text(f"{'in use':>15} {levels}".rstrip())
    if m.peak in steps:
        yield Text(f"{'peak':>15} " + " " * (steps.index(m.peak) * wide) + "^", style="bold")


def _cell(m: MemoryMap, block: Block | None, chars: dict[str, int], named: set[str], wide: int) -> Text:
    if block is None:
        return Text("·".ljust(wide), style="dim")
    place = [b.name for b in m.blocks].index(block.name)
    style, fill = _COLOURS[place % len(_COLOURS)], _SHADES[chars[block.name]]
    name = label(block)
    if block.name in named or len(name) > wide:
        return Text(fill * wide, style=style)
    named.add(block.name)
    cell = Text(name, style=f"bold {style} reverse")
    return cell.append(fill * (wide - len(name)), style=style)


def _at(m: MemoryMap, step: int, start: int, stop: int) -> Block | None:
    """The block that fills most of a range at a step; of two on one place the one that ends there."""
    best, most = None, 0
    for b in m.blocks:
        off = m.offsets[b.name]
        common = min(stop, off + align(b.len)) - max(start, off)
        if b.first <= step <= b.last and common > most:
            best, most = b, common
    return best


def _bounds(m: MemoryMap, steps: range) -> list[int]:
    """Where blocks begin and end; the thinnest ranges are joined until there are at most ROWS."""
    seen = [b for b in m.blocks if b.first <= steps[-1] and steps[0] <= b.last]
    ends = {m.offsets[b.name] for b in seen} | {m.offsets[b.name] + align(b.len) for b in seen}
    bounds = sorted(ends | {0, m.arena_len})
    while len(bounds) > ROWS + 1:
        thinnest = min(range(1, len(bounds) - 1), key=lambda i: bounds[i + 1] - bounds[i - 1])
        del bounds[thinnest]
    return bounds
