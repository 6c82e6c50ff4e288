"""Pictures of experiments: panels of lines or bars, side by side. matplotlib is imported on use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdfa.show.plots import need_matplotlib


@dataclass(frozen=True)
class Axes:
    """One panel. lines: name -> (x, y) points; levels: name -> a horizontal line; bars: x are names of columns."""

    title: str
    x_label: str
    y_label: str
    lines: Mapping[str, Sequence[tuple[float | str, float]]]
    levels: Mapping[str, float] = field(default_factory=dict)
    bars: bool = False
    log: bool = False


def draw(panels: Sequence[Axes], path: Path) -> None:
    """Panels side by side, as a PNG."""
    need_matplotlib()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, found = plt.subplots(1, len(panels), figsize=(5 * len(panels), 4), dpi=110, squeeze=False)
    for panel, axes in zip(panels, found[0], strict=True):
        _draw_panel(panel, axes)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


_MARKS, _DASHES = "osv^xD+*", ("--", ":", "-.", (0, (1, 3)))


def _draw_panel(panel: Axes, axes: Any) -> None:
    for mark, (name, points) in zip(_MARKS, panel.lines.items(), strict=False):
        xs, ys = [x for x, _ in points], [y for _, y in points]
        if panel.bars:
            axes.bar(xs, ys, label=name, color="#1f618d")
        else:
            axes.plot(xs, ys, marker=mark, label=name, markersize=5)
    for i, (name, y) in enumerate(panel.levels.items()):
        axes.axhline(y, linestyle=_DASHES[i % len(_DASHES)], color="#555555", linewidth=1, label=name)
    axes.set_title(panel.title, fontsize=10)
    axes.set_xlabel(panel.x_label)
    axes.set_ylabel(panel.y_label)
    if panel.log:
        axes.set_yscale("log")
    axes.grid(alpha=0.3, axis="y" if panel.bars else "both")
    if len(panel.lines) + len(panel.levels) > 1:
        axes.legend(fontsize=8, frameon=False)
