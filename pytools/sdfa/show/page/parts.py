"""Parts that several pages have: confusion matrices, layers that differ, RAM, and where things come from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sdfa import __version__
from sdfa.image.reader import Image
from sdfa.show.memory_map import memory_map
from sdfa.show.memory_text import summary
from sdfa.show.page import svg
from sdfa.show.page.shell import pairs, table, text

MOVED, WRONG = (31, 97, 141), (163, 25, 15)
_RAM = {
    "arena": "arena: tensors, scratch, errors", "tail": "weights and biases that learn", "state": "struct sdfa",
    "care": "replay, gate, guard, balance", "stack": "stack, measured", "total": "together",
}  # fmt: skip
_VIEWS = {"counts": "counts", "percent": "% of the true class", "change": "change by learning"}


def confusion(found: dict[str, Any]) -> str:
    """Both matrices side by side."""
    buttons = "".join(f'<button type="button" data-view="{v}">{words}</button> ' for v, words in _VIEWS.items())
    matrices = "".join(_matrix(found, when) for when in ("before", "after"))
    return (
        f'<p hidden class="needs-script">Show {buttons}</p><div class="pair">{matrices}</div>'
        "<p>Row: what it was. Column: what the network took it for.</p>"
    )


def _matrix(found: dict[str, Any], when: str) -> str:
    names, rows = found["labels"], found[when]
    head = "".join(f'<th scope="col">{text(name)}</th>' for name in names)
    body = "".join(
        f'<tr><th scope="row">{text(name)}</th>{_cells(rows[i], names, i)}</tr>' for i, name in enumerate(names)
    )
    right, n = sum(row[i] for i, row in enumerate(rows)), sum(map(sum, rows))
    caption = f"{when} learning: {right} of {n} right"
    return (
        f'<div class="wide"><table class="confusion"><caption>{caption}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[int], names: Sequence[str], true: int) -> str:
    return "".join(_cell(n, sum(row), names[true], names[j], true == j) for j, n in enumerate(row))


def _cell(n: int, of: int, was: str, taken: str, right: bool) -> str:
    colour = "31,97,141" if right else "163,25,15"
    shade = f' style="background:rgba({colour},{0.6 * n / of:.2f})"' if n else ""
    said = text(f"{n} of {of} samples of {was} taken for {taken}")
    return f'<td data-n="{n}" data-say="{said}"{shade}>{n}</td>'


def layers(found: Sequence[dict[str, Any]], what: str, colour: tuple[int, int, int]) -> str:
    """A table by layer, and a strip with one box per neuron. what: "moved", say."""
    rows = []
    for i, layer in enumerate(found):
        neurons = len(layer["by_row"])
        rows.append((
            f"trainable layer {i}", f"{neurons:,}", f"{neurons * layer['per_row']:,}", f"{layer['differing']:,}",
            f"{sum(n > 0 for n in layer['by_row']):,}",
        ))  # fmt: skip
    strips = "".join(
        f"<p>trainable layer {i}, a box per neuron:</p>"
        + svg.strip(layer["by_row"], layer["per_row"], what, colour=colour)
        for i, layer in enumerate(found)
    )
    head = ("", "neurons", "weights and biases", f"that {what}", f"neurons that have one that {what}")
    return table(head, rows) + strips


def memory(image: Image, ram: dict[str, int | None]) -> str:
    """The map of the arena, and what else takes RAM."""
    m = memory_map(image)
    rows = [
        (words, "not known: on boards only" if ram[key] is None else f"{ram[key]:,} bytes")
        for key, words in _RAM.items()
        if key in ram
    ]
    return svg.memory(m) + "".join(f"<p>{text(line)}</p>" for line in summary(m)) + pairs(rows)


def provenance(image: Image, data: bytes, path: Path, samples: dict[str, Path | None]) -> str:
    """Names (without folders) and digests of all that went in."""
    rows: list[tuple[str, object]] = [
        ("made by", f"sdfa {__version__}"), ("image", path.name), ("image, SHA-256", hashlib.sha256(data).hexdigest()),
        ("model id", image.model_id.hex()), ("exported by", image.meta.get("tool", "not said")),
        ("exported from", image.meta.get("source", "not said")),
        ("source, SHA-256", image.meta.get("source_sha256", "not said")),
    ]  # fmt: skip
    for what, file in samples.items():
        if file is not None:
            digest = hashlib.sha256(file.read_bytes()).hexdigest()
            rows += [(what, file.name), (f"{what}, SHA-256", digest)]
    return pairs(rows)
