"""The main job from end to end: export digits, adapt them on a device to a changed sensor, check every bit."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from sdfa.bundle import model_dir
from sdfa.data import Samples, change_sensor, load_digits
from sdfa.device.adapt import Outcome, Settings, adapt
from sdfa.device.check import check
from sdfa.device.samples import quantize_input
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.exporter.settings import ModelSettings, load_settings
from sdfa.files import check_folder, write_whole
from sdfa.show.plots import learning_curves, need_matplotlib
from sdfa.targets import find_target
from sdfa.targets.base import Target
from sdfa.tflite.load import read_model

ADAPT_SAMPLES = 500
EPOCHS = 8
CALIBRATION = 200


@dataclass(frozen=True)
class Rule:
    """A way to learn. rate: the best for this rule over the three sensors, by models/digits/tune.py."""

    name: str
    feedback: str
    connections: int
    rate: float


RULES = (
    Rule("last", "last", 1, 0.016),
    Rule("random k=1", "random", 1, 0.004),
    Rule("aligned k=1", "aligned", 1, 0.008),
    Rule("aligned k=2", "aligned", 2, 0.008),
    Rule("live k=2", "live", 2, 0.006),
    Rule("bp", "bp", 1, 0.008),
)
OURS = "live k=2"
"""The default of `pytools export`."""


def export_digits(rule: Rule, settings: ModelSettings, seed: int = 1) -> Export:
    """The digits model, learning by one rule."""
    folder = model_dir("digits")
    graph, _ = read_model(folder / "model.tflite")
    options = Options(
        train_last=1 if rule.feedback == "last" else settings.train_last, feedback=rule.feedback,
        connections=rule.connections, seed=seed, rate=rule.rate, tau=settings.threshold, labels=settings.labels,
        master=settings.master,
    )  # fmt: skip
    if rule.feedback in ("aligned", "live"):
        train, _ = load_digits()
        image = export_graph(graph, "digits", replace(options, train_last=0)).image
        options = replace(options, calib=quantize_input(image, train.x[:CALIBRATION]))
    return export_graph(graph, "digits", options)


def changed_digits(sensor: str, seed: int = 1) -> tuple[Samples, Samples]:
    """(samples to adapt to, unseen samples to score on), both as the changed sensor sees them."""
    train, test = load_digits()
    pick = np.random.default_rng(seed).permutation(len(train.x))[:ADAPT_SAMPLES]
    adapt_to = Samples(change_sensor(train.x[pick], sensor), train.y[pick])
    return adapt_to, Samples(change_sensor(test.x, sensor), test.y)


def adapt_by_rule(target: Target, rule: Rule, sensor: str, seed: int = 1, epochs: int = EPOCHS) -> Outcome:
    """Adapt digits to a sensor by one rule."""
    settings = load_settings(model_dir("digits") / "model.toml")
    adapt_to, unseen = changed_digits(sensor, seed)
    data = export_digits(rule, settings, seed).data
    return adapt(target, data, adapt_to, unseen, Settings(epochs=epochs, seed=seed))


def run_demo(out: Path, sensor: str, target_name: str, console: Console) -> dict[str, Any]:
    """Run, show and write the demo; returns its JSON."""
    target = find_target(target_name)
    need_matplotlib()
    changed_digits(sensor)  # refuses an unknown sensor before anything is built
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    _say(console, sensor, target)
    # the bar goes to stderr, so that stdout holds results alone
    bar = Console(stderr=True, quiet=console.quiet)
    steps = track(RULES, "learning", console=bar, transient=True, disable=not bar.is_terminal)
    outcomes = {rule.name: adapt_by_rule(target, rule, sensor) for rule in steps}
    base = next(iter(outcomes.values())).scores[0]
    curves = {"none": (base,) * (EPOCHS + 1)} | {name: o.scores for name, o in outcomes.items()}
    title = f"digits, sensor changed by {sensor}: {ADAPT_SAMPLES} labelled samples, on {target.name}"
    learning_curves(curves, title, out / "curves.png")
    write_whole(out / "learned.sdfa", outcomes[OURS].image)
    result = _result(sensor, target, curves, outcomes)
    write_whole(out / "demo.json", f"{json.dumps(result, indent=1)}\n".encode())
    _show(result, outcomes, out, console)
    return result


def _say(console: Console, sensor: str, target: Target) -> None:
    """What happens, a sentence per step."""
    console.print("1. Export: an int8 network for handwritten digits becomes an image.")
    console.print(f"2. Change: {sensor!r} changes every picture; the network fails on them.")
    rules = f"{EPOCHS} epochs, by {len(RULES)} rules"
    console.print(f"3. Learn: the C runtime ({target.name}) learns {ADAPT_SAMPLES} pictures, {rules}.")
    console.print("4. Check: Python models, one in integers and one in floats, do the same steps.")


def _result(
    sensor: str, target: Target, curves: dict[str, tuple[float, ...]], outcomes: dict[str, Outcome]
) -> dict[str, Any]:
    settings = load_settings(model_dir("digits") / "model.toml")
    rule = next(r for r in RULES if r.name == OURS)
    proof = check(target, export_digits(rule, settings).data, changed_digits(sensor)[0])
    rows = {
        name: {"before": c[0], "after": c[-1], "curve": list(c)} | _work(outcomes.get(name))
        for name, c in curves.items()
    }
    return {
        "sensor": sensor, "target": target.name, "samples": ADAPT_SAMPLES, "epochs": EPOCHS, "rules": rows,
        "check": proof, "mismatching_bytes": proof["mismatching_bytes"],
    }  # fmt: skip


def _work(outcome: Outcome | None) -> dict[str, Any]:
    if outcome is None:
        return {}
    return {"weights_updated": outcome.stats.weights_updated, "weights_total": outcome.weights_total}


def _show(result: dict[str, Any], outcomes: dict[str, Outcome], out: Path, console: Console) -> None:
    table = Table("rule", "before", "after", "weight updates done")
    for name, row in result["rules"].items():
        share = 100 * row["weights_updated"] / max(row["weights_total"], 1) if name in outcomes else 0.0
        table.add_row(name, f"{100 * row['before']:.1f} %", f"{100 * row['after']:.1f} %", f"{share:.1f} %")
    console.print(table)
    console.print("Each rule's accuracy on unseen pictures before and after; the share of weights worth an update.")
    _show_proof(result["check"], console)
    console.print(f"Wrote {out / 'curves.png'}, {out / 'demo.json'}, {out / 'learned.sdfa'}", soft_wrap=True)


def _show_proof(proof: dict[str, Any], console: Console) -> None:
    bytes_n, ref = proof["inference"]["bytes"] + proof["learning"]["bytes"], proof["float"]
    console.print(
        f"Integer twin: {proof['mismatching_bytes']} of {bytes_n:,} bytes differ after {proof['steps']:,} steps."
    )
    console.print(
        f"Float reference after the same steps: same class for {100 * ref['agreement']:.1f} % of the samples, "
        f"accuracy {100 * ref['accuracy_fixed']:.1f} % in int8 and {100 * ref['accuracy_float']:.1f} % in float."
    )
