"""Pictures as inline SVG: a curve, rows of weights, the memory map. Every mark says in words what it shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sdfa.lower.plan import Block, align
from sdfa.show.memory_map import MemoryMap, label, last_seen, shades
from sdfa.show.page.shell import text

_TENSORS = ("#a6cee3", "#b2df8a", "#fdd49e", "#cab2d6")
_OTHERS = {"s": "#b5b5b5", "a": "#fb9a99", "e": "#f4777f", "d": "#ffb267", "b": "#d9c7a3"}
_LEFT, _MARKS, _BOXES = 70, 80, 240


def _picture(width: float, height: float, what: str, parts: Sequence[str]) -> str:
    view = f'viewBox="0 0 {width:g} {height:g}" width="{width:g}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{text(what)}" {view}>{"".join(parts)}</svg>'


def _word(x: float, y: float, words: object, anchor: str = "middle", more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {more}>{text(words)}</text>'


def _line(x1: float, y1: float, x2: float, y2: float, colour: str, more: str = "") -> str:
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" {more}/>'


def _box(x: float, y: float, w: float, h: float, colour: str, words: str) -> str:
    said = text(words)
    where = f'x="{x:.1f}" y="{y:.1f}" width="{max(w, 0.5):.1f}" height="{max(h, 0.5):.1f}"'
    return f'<rect {where} fill="{colour}" stroke="#fff" data-say="{said}"><title>{said}</title></rect>'


def curve(values: Sequence[float], across: str, up: str, *, percent: bool) -> str:
    """values[0]: before learning. percent: shares 0 to 1 on an axis to 100 %, else from 0 to the largest."""
    width, height, top = 720.0, 300.0, 1.0 if percent else max(*values, 1e-9)
    room, low = width - _LEFT - 30, height - 45

    def place(i: int) -> tuple[float, float]:
        return _LEFT + room * i / max(len(values) - 1, 1), low - (low - 15) * values[i] / top

    def said(value: float) -> str:
        return f"{100 * value:.1f} %" if percent else f"{value:.4g}"

    parts = []
    for i in range(5):
        y = low - (low - 15) * i / 4
        parts += [_line(_LEFT, y, width - 30, y, "#ddd"), _word(_LEFT - 8, y + 4, said(top * i / 4), "end")]
    last, every = len(values) - 1, max(1, -(-(len(values) - 1) // 12))
    parts += [_word(place(i)[0], low + 18, i) for i in range(0, last + 1, every)]
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(place, range(len(values))))
    parts.append(f'<polyline points="{points}" fill="none" stroke="#1f618d" stroke-width="2"/>')
    for i in range(0, len(values), max(1, -(-len(values) // _MARKS))):
        words, (x, y) = text(f"{across} {i}: {up} {said(values[i])}"), place(i)
        mark = (
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1f618d" data-say="{words}"><title>{words}</title></circle>'
        )
        parts.append(mark)
    parts.append(_word((_LEFT + width) / 2, height - 8, across))
    return _picture(width, height, f"{up} by {across}: from {said(values[0])} to {said(values[-1])}", parts)


def strip(by_row: Sequence[int], per_row: int, what: str, *, colour: tuple[int, int, int]) -> str:
    """One box per neuron, the stronger the colour the larger the share of its per_row values that {what}."""
    every = -(-len(by_row) // _BOXES)  # so many neurons share a box
    width, cell, parts = 720.0, min(18.0, 720 * every / max(len(by_row), 1)), []
    for i in range(0, len(by_row), every):
        some = by_row[i : i + every]
        n, of = sum(some), per_row * len(some)
        shade = _blend(colour, 0.15 + 0.85 * n / max(of, 1)) if n else "#eeeeee"
        who = str(i) if len(some) == 1 else f"{i} to {i + len(some) - 1}"
        parts.append(_box(i // every * cell, 0, cell, 18, shade, f"{who}: {n} of {of} values {what}"))
    return _picture(width, 18, f"{sum(n > 0 for n in by_row)} of {len(by_row)} have values that {what}", parts)


def _blend(colour: tuple[int, int, int], share: float) -> str:
    return "#" + "".join(f"{round(255 + (c - 255) * share):02x}" for c in colour)


def memory(m: MemoryMap) -> str:
    """The arena upwards, operations to the right; the frame is the operation that needs most."""
    n, height = max(len(m.steps), 1), 420.0
    step = min(max(36.0, 640 / n), 110.0)
    width, low, colours = _LEFT + step * n + 20, height - 110, shades(m, len(_TENSORS))

    def up(offset: float) -> float:
        return low - (low - 25) * offset / max(m.arena_len, 1)

    parts = []
    for offset in sorted({0, m.arena_len // 2, m.arena_len}):
        parts += [_line(_LEFT, up(offset), width - 20, up(offset), "#ddd")]
        parts += [_word(_LEFT - 8, up(offset) + 4, f"{offset:,}", "end")]
    for b in m.blocks:
        parts += _block(m, b, _OTHERS.get(label(b)) or _TENSORS[colours[b.name]], step, up)
    if m.steps:
        x = _LEFT + step * m.peak
        parts.append(_word(x + step / 2, 14, f"peak: {m.use[m.peak]:,} bytes", more='style="fill:#a3190f"'))
        frame = f'x="{x:.1f}" y="{up(m.arena_len):.1f}" width="{step:.1f}" height="{low - up(m.arena_len):.1f}"'
        parts.append(f'<rect {frame} fill="none" stroke="#a3190f" stroke-width="2" pointer-events="none"/>')
    for i, kind in enumerate(m.steps):
        x, y = _LEFT + step * (i + 0.5), low + 14
        name = kind if kind == "learn" else f"{i} {kind}"
        parts.append(_word(x, y, name, "end", f'transform="rotate(-50 {x:.1f} {y:.1f})"'))
    words = f"memory map: arena of {m.arena_len:,} bytes, minimum {m.minimum:,}, over {len(m.steps)} operations"
    return _picture(width, height, words, parts)


def _block(m: MemoryMap, b: Block, colour: str, step: float, up: Callable[[float], float]) -> list[str]:
    off, end = m.offsets[b.name], m.offsets[b.name] + align(b.len)
    last = last_seen(m, b)
    x, wide, tall = _LEFT + step * b.first, step * (last - b.first + 1), up(off) - up(end)
    words = f"{b.name}: {b.len:,} bytes at offset {off:,}, operations {b.first} to {last}"
    box = _box(x, up(end), wide, tall, colour, words)
    if tall < 14:
        return [box]
    return [box, _word(x + wide / 2, up(off) - tall / 2 + 4, label(b), more='pointer-events="none"')]
