"""Pictures of the documentation as SVG: `python -m docs.tools.pictures FOLDER` writes them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdfa.bundle import model_dir
from sdfa.exporter.export import Options, export_file
from sdfa.show.memory_map import memory_map
from sdfa.show.page import svg

_BLUE, _RED, _GREY = "#1f618d", "#c0392b", "#bbbbbb"
_STYLE = "<style>text{font:13px system-ui,sans-serif;fill:#333}</style>"


def _svg(width: int, height: int, what: str, parts: Sequence[str]) -> str:
    view = f'viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
    ground = f'<rect width="{width}" height="{height}" fill="#fff"/>'
    start = f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{what}" {view}>'
    return f"{start}{_STYLE}{ground}{''.join(parts)}</svg>\n"


def _text(x: float, y: float, words: str, anchor: str = "middle") -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{words}</text>'


def _line(a: tuple[float, float], b: tuple[float, float], colour: str, more: str = "") -> str:
    return f'<line x1="{a[0]:g}" y1="{a[1]:g}" x2="{b[0]:g}" y2="{b[1]:g}" stroke="{colour}" {more}/>'


def _path(d: str, colour: str, more: str = "") -> str:
    return f'<path d="{d}" fill="none" stroke="{colour}" {more}/>'


def _neurons(x: float, n: int) -> list[tuple[float, float]]:
    return [(x, 130 + 34 * (i - (n - 1) / 2)) for i in range(n)]


def _circle(at: tuple[float, float], colour: str) -> str:
    return f'<circle cx="{at[0]:g}" cy="{at[1]:g}" r="9" fill="{colour}" stroke="#333"/>'


def _net(left: float, title: str, feedback: Sequence[tuple[int, int]]) -> list[str]:
    """Two hidden layers of 5 and an output of 3; feedback: (output, neuron of either hidden layer) lines."""
    one, two, out = _neurons(left + 40, 5), _neurons(left + 120, 5), _neurons(left + 200, 3)
    weights = [(a, b) for xs, ys in ((one, two), (two, out)) for a in xs for b in ys]
    parts = [_text(left + 120, 28, title)]
    parts += [_line(a, b, "#e4e4e4" if feedback else _RED) for a, b in weights]
    for c, i in feedback:
        for layer, bend in ((one, -60), (two, 40)):
            a, b = out[c], layer[i]
            middle = f"{(a[0] + b[0]) / 2:g} {min(a[1], b[1]) + bend:g}"
            parts.append(_path(f"M {a[0]:g} {a[1]:g} Q {middle} {b[0]:g} {b[1]:g}", _RED))
    return [*parts, *(_circle(at, "#cfe3f1") for at in (*one, *two)), *(_circle(at, "#f8d7a0") for at in out)]


def feedback() -> str:
    """Three ways in which an error reaches hidden neurons."""
    dense = [(c, i) for c in range(3) for i in range(5)]
    sparse = [(0, 0), (1, 1), (2, 2), (0, 3), (1, 4)]
    parts = [
        *_net(0, "back-propagation: all weights", []), *_net(260, "direct feedback: all outputs", dense),
        *_net(520, "sparse: one output each (k = 1)", sparse),
        _text(390, 255, "Red: the ways of the error. Orange: outputs. Sparse: two bytes of flash per connection."),
    ]  # fmt: skip
    return _svg(780, 270, "Back-propagation, direct feedback alignment, and its sparse form", parts)


def rounding() -> str:
    """What 200 updates of 0.2 do to an int8 weight, rounded to nearest and stochastically."""
    steps, update = 200, 0.2
    rng = np.random.default_rng(1)
    drawn = np.cumsum(np.floor(update + rng.random(steps)))
    parts = [_line((60, 230), (560, 230), "#333"), _line((60, 230), (60, 20), "#333")]
    for values, colour, words in (
        (np.arange(1, steps + 1) * update, _GREY, "exact"), (np.zeros(steps), _RED, "to nearest: nothing happens"),
        (drawn, _BLUE, "stochastic: right on average"),
    ):  # fmt: skip
        points = " ".join(f"{60 + 500 * i / steps:.1f},{230 - 200 * v / 44:.1f}" for i, v in enumerate(values))
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(_text(570, 234 - 200 * float(values[-1]) / 44 + (14 if colour == _GREY else 0), words, "start"))
    parts += [_text(310, 255, f"{steps} updates of {update} of a weight's unit"), _text(20, 15, "weight", "start")]
    return _svg(780, 270, "An int8 weight under 200 small updates, by way of rounding", parts)


_HEAD = (
    '<defs><marker id="head" orient="auto" markerWidth="8" markerHeight="8" refX="6" refY="3">'
    '<path d="M0,0 L6,3 L0,6"/></marker></defs>'
)
_BOXES = (
    ("model.tflite", "int8"), ("pytools export", "plans memory"), ("model.sdfa, .c, .h", "goes into flash"),
    ("the device", "runs and learns"), ("learned.sdfa", "learned weights"),
)  # fmt: skip


def way() -> str:
    """The way of the data: model file, image, device, and back."""
    parts = [_HEAD]
    for i, (name, what) in enumerate(_BOXES):
        x, fill = 12 + 154 * i, "#cfe3f1" if i in (1, 3) else "#f4f4f4"
        parts.append(f'<rect x="{x}" y="40" width="130" height="56" rx="6" fill="{fill}" stroke="#333"/>')
        parts += [_text(x + 65, 64, name), _text(x + 65, 84, what)]
        if i:
            parts.append(_line((x - 24, 68), (x - 3, 68), "#333", 'marker-end="url(#head)"'))
    parts.append(_path("M 693 96 Q 693 140 385 140 Q 77 140 77 100", "#333", 'marker-end="url(#head)"'))
    parts.append(_text(385, 158, "pytools merge: the learned weights go back into the .tflite file"))
    return _svg(780, 170, "From a .tflite file to a device that learns, and back", parts)


def digits_memory() -> str:
    """The memory map of the digits model."""
    image = export_file(model_dir("digits") / "model.tflite", "digits", Options(train_last=3)).image
    return svg.memory(memory_map(image)).replace(">", f">{_STYLE}", 1)


def all_pictures() -> dict[str, str]:
    """By name, without the ending."""
    return {"feedback": feedback(), "rounding": rounding(), "way": way(), "memory": digits_memory()}


if __name__ == "__main__":
    for name, picture in all_pictures().items():
        (Path(sys.argv[1]) / f"{name}.svg").write_text(picture, encoding="utf-8")
