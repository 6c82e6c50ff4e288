"""Pictures. matplotlib is imported on use."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from sdfa.errors import SdfaError

# one colour and mark per rule, told apart without colour too
STYLES = {
    "none": ("#888888", ":", None), "last": ("#b8860b", "-", "v"), "random k=1": ("#c0392b", "-", "x"),
    "aligned k=1": ("#5dade2", "-", "s"), "aligned k=2": ("#1f618d", "-", "o"),
    "live k=1": ("#58d68d", "-", "D"), "live k=2": ("#1e8449", "-", "D"),
    "bp": ("#222222", "--", "^"),
}  # fmt: skip


def need_matplotlib() -> None:
    """SdfaError when pictures cannot be drawn; cheap, for the time before long work."""
    if importlib.util.find_spec("matplotlib") is None:
        raise SdfaError("plots need matplotlib: pip install 'sdfa[demo]'")


def learning_curves(curves: Mapping[str, Sequence[float]], title: str, path: Path) -> None:
    """Accuracy (0 .. 1) before learning and after each epoch, one line per rule, as a PNG."""
    need_matplotlib()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    figure, axes = plt.subplots(figsize=(8, 4.2), dpi=130)
    for name, values in curves.items():
        color, line, mark = STYLES.get(name, (None, "-", "o"))
        y = [100 * v for v in values]
        axes.plot(range(len(y)), y, line, color=color, marker=mark, label=f"{name}: {y[-1]:.1f} %", markersize=5)
    axes.set_xlabel("epochs on the device")
    axes.set_ylabel("accuracy on unseen samples, %")
    axes.set_title(title, fontsize=10)
    axes.set_ylim(0, 100)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(alpha=0.3)
    # beside the axes: curves may lie anywhere in them
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False, title="rule: at the end")
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)


def people_bars(panels: Mapping[str, Mapping[str, Mapping[str, float]]], title: str) -> bytes:
    """A PNG: one panel each, with the mean of each rule as a bar and a dot per person; accuracies 0 ... 1."""
    need_matplotlib()
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    rules = list(next(iter(panels.values())))
    size = (2.0 + 4.0 * len(panels), 1.2 + 0.36 * len(rules))
    figure, all_axes = plt.subplots(1, len(panels), figsize=size, dpi=110, sharey=True, squeeze=False)
    for axes, (name, rows) in zip(all_axes[0], panels.items(), strict=True):
        for place, rule in enumerate(rules):
            values = [100 * v for v in rows[rule].values()]
            mean = sum(values) / len(values)
            axes.barh(place, mean, color=STYLES.get(rule, ("#7f8c8d",))[0], alpha=0.55)
            axes.plot(values, [place] * len(values), "o", color="#222222", markersize=3)
            axes.text(1, place, f"{mean:.1f}", va="center", fontsize=8)
        axes.set_title(name, fontsize=9)
        axes.set_xlim(0, 100)
        axes.set_xlabel("accuracy, %")
        axes.grid(axis="x", alpha=0.3)
    all_axes[0][0].set_yticks(range(len(rules)), rules)
    all_axes[0][0].invert_yaxis()
    figure.suptitle(title, fontsize=10)
    figure.tight_layout()
    file = io.BytesIO()
    figure.savefig(file, format="png")
    plt.close(figure)
    return file.getvalue()
