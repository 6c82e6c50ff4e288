"""The pages of `pytools learn --html` and `pytools check --html`: made from their JSON and the image alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdfa.device.care import care_lines
from sdfa.image.reader import Image
from sdfa.show.page import parts, svg
from sdfa.show.page.shell import document, pairs, table, text

_SATURATED = {"weights": "weights and biases", "activations": "hidden outputs", "logits": "outputs"}


def learn_page(result: dict[str, Any], image: Image, data: bytes, path: Path, samples: dict[str, Path | None]) -> bytes:
    """result: the JSON of `pytools learn`. image, data, path: before learning. samples: files by what they are for."""
    name = "accuracy" if "accuracy_before" in result else "rmse"
    before, after = (_score(result[f"{name}_{when}"], name) for when in ("before", "after"))
    intro = f"<p>{result['steps']:,} steps took the {name} from {before} to <strong>{after}</strong>.</p>"
    picture = svg.curve(result["curve"], "epoch", name, percent=name == "accuracy")
    numbers = table(("epoch", name), [(i, _score(v, name)) for i, v in enumerate(result["curve"])])
    sections = [(
        "Learning", f"{intro}{picture}<details><summary>the same as a table</summary>{numbers}</details>{_care(result)}"
    )]  # fmt: skip
    if result.get("confusion"):
        sections.append(("What is taken for what", parts.confusion(result["confusion"])))
    sections += [
        ("Which weights moved", parts.layers(result["layers"], "moved", parts.MOVED) + _work(result)),
        ("Memory", parts.memory(image, result["ram"])),
        ("Settings", pairs(_settings(result))),
        ("Where it comes from", parts.provenance(image, data, path, samples)),
    ]
    return document(f"Learning: {path.name}", sections, result)


def _score(value: float, name: str) -> str:
    return f"{100 * value:.1f} %" if name == "accuracy" else f"{value:.4g}"


def _care(result: dict[str, Any]) -> str:
    return "".join(f"<p>{text(line)}</p>" for line in care_lines(result))


def _work(result: dict[str, Any]) -> str:
    share = 100 * result["weights_updated"] / max(result["weights_total"], 1)
    rows = [("weight updates done (the others were too small to matter)", f"{share:.1f} %")]
    rows += [(f"{what} stopped at a limit", f"{result['saturations'][key]:,}") for key, what in _SATURATED.items()]
    return pairs(rows)


def _settings(result: dict[str, Any]) -> list[tuple[str, object]]:
    return [(key.replace("_", " "), value) for key, value in result["settings"].items()]


def check_page(result: dict[str, Any], image: Image, data: bytes, path: Path, samples: dict[str, Path | None]) -> bytes:
    """result: the JSON of `pytools check`."""
    sections = [("Verdict", _verdict(result)), ("Where the bits differ", _bits(result))]
    if "learning" in result:
        moved = parts.layers(result["learning"]["moved"], "moved", parts.MOVED)
        sections.append(("Which weights moved", moved))
        sections.append(("Beside the float reference", _float(result["float"])))
    if result.get("curve"):
        curve = svg.curve(
            result["curve"],
            f"{len(result['curve'])} equal parts of the steps",
            "accuracy before each step",
            percent=True,
        )
        sections.append(("Learning", curve))
    if result.get("confusion"):
        sections.append(("What is taken for what", parts.confusion(result["confusion"])))
    sections += [
        ("Memory", parts.memory(image, result["ram"])),
        ("Settings", pairs([("target", result["target"]), ("steps", result["steps"]), ("seed", result["seed"])])),
        ("Where it comes from", parts.provenance(image, data, path, samples)),
    ]
    return document(f"Check: {path.name} on {result['target']}", sections, result)


def _verdict(result: dict[str, Any]) -> str:
    bad = result["mismatching_bytes"]
    compared = result["inference"]["bytes"] + result.get("learning", {}).get("bytes", 0)
    words = "No byte differs" if not bad else f"{bad:,} bytes differ"
    return (
        f'<p class="{"bad" if bad else "good"}">{words} between {text(result["target"])} and the integer twin: '
        f"{compared:,} bytes of outputs, weights and biases compared.</p>"
    )


def _bits(result: dict[str, Any]) -> str:
    found = result["inference"]
    rows: list[tuple[object, ...]] = [("output bytes", f"{found['bytes']:,}", f"{found['mismatching_bytes']:,}")]
    first = "" if found["first"] is None else f"<p>First: sample {found['first'][0]}, output {found['first'][1]}.</p>"
    outputs = svg.strip(found["by_output"], found["samples"] * found["runs"], "differ", colour=parts.WRONG)
    layers = ""
    if "learning" in result:
        learning, what = result["learning"], "bytes of weights and biases, generator, counters"
        rows.append((what, f"{learning['bytes']:,}", f"{learning['mismatching_bytes']:,}"))
        rows += [(f"counter {n}", a, f"twin: {b}") for n, (a, b) in learning["different_counters"].items()]
        layers = parts.layers(learning["layers"], "differ", parts.WRONG)
    return f"{table(('what', 'compared', 'differ'), rows)}{first}<p>Outputs, a box for each:</p>{outputs}{layers}"


def _float(ref: dict[str, Any]) -> str:
    if ref["cosine"] is None:
        return f"<p>{'It diverged.' if ref['diverged'] else 'No weight moved.'}</p>"
    rows: list[tuple[str, object]] = [
        ("cosine between the changes of all weights", f"{ref['cosine']:.3f}"),
        ("length of the change, int8 over float", f"{ref['length_ratio']:.3f}"),
    ]
    if "agreement" in ref:
        rows.append(("samples of the same class", f"{100 * ref['agreement']:.1f} %"))
    return "<p>The same samples in the same order in floats: a comparison, not a test.</p>" + pairs(rows)
