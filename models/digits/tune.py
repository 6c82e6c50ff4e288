"""Looks for each rule's learning rate in the demo: python models/digits/tune.py [--sensor mirror].

Runs the C runtime on this computer with seeds that the demo does not use, and scores on training digits that were
not adapted to (never on the test part). Prints a table; the best rate of each rule is what sdfa/start/demo.py uses.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from sdfa.bundle import model_dir
from sdfa.data import DOMAINS, Samples, change_sensor, load_digits
from sdfa.device.adapt import Settings, adapt
from sdfa.exporter.settings import load_settings
from sdfa.start.demo import ADAPT_SAMPLES, EPOCHS, RULES, Rule, export_digits
from sdfa.targets import find_target

RATES = (0.001, 0.002, 0.004, 0.008, 0.016)
SEEDS = (11, 12, 13)
HELD_OUT = 400


def score(rule: Rule, sensor: str, seed: int) -> float:
    """Accuracy on held-out training digits after adapting to others."""
    train, _ = load_digits()
    order = np.random.default_rng(seed).permutation(len(train.x))
    parts = [order[:ADAPT_SAMPLES], order[ADAPT_SAMPLES : ADAPT_SAMPLES + HELD_OUT]]
    learn, judge = (Samples(change_sensor(train.x[i], sensor), train.y[i]) for i in parts)
    data = export_digits(rule, load_settings(model_dir("digits") / "model.toml"), seed).data
    return adapt(find_target("host"), data, learn, judge, Settings(epochs=EPOCHS, seed=seed)).scores[-1]


def main() -> None:
    """Print the mean accuracy of each rule at each rate."""
    parser = argparse.ArgumentParser(description="Find the learning rates of the demo's rules.")
    parser.add_argument("--sensor", default="mirror", choices=list(DOMAINS))
    sensor = parser.parse_args().sensor
    print(f"{sensor:12s}" + "".join(f"{rate:>8g}" for rate in RATES))
    for rule in RULES:
        scores = [np.mean([score(replace(rule, rate=r), sensor, s) for s in SEEDS]) for r in RATES]
        print(f"{rule.name:12s}" + "".join(f"{100 * s:8.1f}" for s in scores), flush=True)


if __name__ == "__main__":
    main()
