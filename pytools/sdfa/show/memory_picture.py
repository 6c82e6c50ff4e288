"""The memory map as a picture: time to the right, the arena upwards. matplotlib is imported on use."""

from __future__ import annotations

import io
from typing import Any

from sdfa.lower.plan import Block, align
from sdfa.show.memory_map import MemoryMap, label, last_seen, shades
from sdfa.show.plots import need_matplotlib

_TENSORS = ("#a6cee3", "#b2df8a", "#fdd49e", "#cab2d6")
_OTHERS = {"s": ("#8c8c8c", "scratch"), "a": ("#fb9a99", "accumulators"), "e": ("#e31a1c", "error"),
           "d": ("#ff7f00", "deltas")}  # fmt: skip
_PEAK, _ARENA, _MINIMUM = "#c0392b", "#222222", "#1f618d"
_LINE = 0.022  # height of a line of text, in arenas


def draw_png(m: MemoryMap, title: str) -> bytes:
    """The picture as the bytes of a PNG."""
    need_matplotlib()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    n = max(len(m.steps), 1)
    figure, axes = plt.subplots(figsize=(min(max(7.5, 0.55 * n + 2.5), 40), 6.5), dpi=130)
    colours = shades(m, len(_TENSORS))
    for block in m.blocks:
        _draw_block(axes, m, block, colours[block.name])
    _mark_peak(axes, m)
    _lines(axes, m)
    _dress(axes, m, title)
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    return file.getvalue()


def _draw_block(axes: Any, m: MemoryMap, block: Block, shade: int) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    name, off = label(block), m.offsets[block.name]
    colour = _OTHERS[name][0] if name in _OTHERS else _TENSORS[shade]
    steps = last_seen(m, block) - block.first + 1
    box = Rectangle((block.first, off), steps, align(block.len), facecolor=colour, edgecolor="white", linewidth=1.0)
    axes.add_patch(box)
    if align(block.len) >= _LINE * m.arena_len:
        where = (block.first + steps / 2, off + align(block.len) / 2)
        text = axes.text(*where, _text(m, block, steps), ha="center", va="center", fontsize=7.5, linespacing=0.95)
        text.set(zorder=6, path_effects=[withStroke(linewidth=2.5, foreground=colour)])  # readable on the frame


def _text(m: MemoryMap, block: Block, steps: int) -> str:
    """Name and size, on two lines or without the size where there is no room."""
    text = f"{label(block)}: {block.len:,}"
    if steps * _chars(m) >= len(text):
        return text
    return text.replace(": ", "\n") if align(block.len) >= 2 * _LINE * m.arena_len else label(block)


def _chars(m: MemoryMap) -> float:
    """Characters that fit into one step."""
    return max(7.0, 60 / max(len(m.steps), 1))


def _mark_peak(axes: Any, m: MemoryMap) -> None:
    from matplotlib.patches import Rectangle

    if not m.steps:
        return
    frame = Rectangle((m.peak, 0), 1, m.arena_len, fill=False, edgecolor=_PEAK, linewidth=2, zorder=5)
    axes.add_patch(frame)
    where = (m.peak + 0.5, 1.035 * m.arena_len)
    axes.text(*where, f"peak: {m.use[m.peak]:,}", ha="center", va="bottom", fontsize=8, color=_PEAK, weight="bold")


def _lines(axes: Any, m: MemoryMap) -> None:
    axes.axhline(m.arena_len, color=_ARENA, linewidth=1.5, label=f"arena: {m.arena_len:,} bytes")
    axes.axhline(m.minimum, color=_MINIMUM, linewidth=1.5, linestyle="--", label=f"minimum: {m.minimum:,} bytes")
    for key, (colour, what) in _OTHERS.items():
        if any(label(b) == key for b in m.blocks):
            axes.plot([], [], "s", color=colour, label=what)


def _dress(axes: Any, m: MemoryMap, title: str) -> None:
    n = len(m.steps)
    axes.set_xlim(0, max(n, 1))
    axes.set_ylim(0, 1.1 * max(m.arena_len, 1))
    names = [f"{i} {kind}" if kind != "learn" else kind for i, kind in enumerate(m.steps)]
    axes.set_xticks([i + 0.5 for i in range(n)], names, rotation=60, ha="right", rotation_mode="anchor", fontsize=8)
    if n:
        axes.get_xticklabels()[m.peak].set_color(_PEAK)
    axes.yaxis.set_major_formatter(lambda v, _: f"{v:,.0f}")
    axes.set_ylabel("bytes")
    axes.set_title(title, fontsize=10, loc="left")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.legend(loc="upper left", bbox_to_anchor=(1.005, 1.0), fontsize=8, frameon=False)
