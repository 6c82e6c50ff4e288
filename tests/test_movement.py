"""The counting model of a step's cost equals what a step written in loops counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from sdfa.bundle import runtime_sources
from sdfa.experiment.movement import step_cost
from sdfa.exporter.export import Options
from sdfa.exporter.untrained import init_net
from sdfa.targets.build import Program, build
from sdfa.tflite.dense_model import DenseNet, he_net
from tests.cprogram import C_DIR, SRC, output, tool


class Step:
    """One learning step, a number at a time. counts: products by what they are for; words of the error's delivery."""

    def __init__(self, net: DenseNet, feedback: str, k: int, rng: np.random.Generator) -> None:
        self.net, self.counts = net, Counter[str]()
        classes = len(net.biases[-1])
        width = {"dense": classes, "sparse": k}.get(feedback, 0)
        hidden = [len(b) for b in net.biases[:-1]]
        self.index = [[rng.permutation(classes)[:width].tolist() for _ in range(n)] for n in hidden]
        self.coef = [rng.normal(0, 1, (n, width)).tolist() for n in hidden]
        self.feedback = feedback

    def forward(self, x: Sequence[float]) -> list[list[float]]:
        values = [list(x)]
        for w, b in zip(self.net.weights, self.net.biases, strict=True):
            out = []
            for row, bias in zip(w.tolist(), b.tolist(), strict=True):
                acc = bias
                for weight, a in zip(row, values[-1], strict=True):
                    acc += weight * a
                    self.counts["forward"] += 1
                out.append(acc)
            values.append(out)
        return values

    def delta(self, layer: int, i: int, above: Sequence[float], e: Sequence[float]) -> float:
        """Error of neuron i of a hidden layer."""
        total = 0.0
        if self.feedback == "bp":
            for j, d in enumerate(above):
                total += float(self.net.weights[layer + 1][j, i]) * d
                self.counts["delivery"] += 1
                self.counts["half words"] += 4  # the weight and the error of above
        else:
            for c, b in zip(self.index[layer][i], self.coef[layer][i], strict=True):
                total += b * e[c]
                self.counts["delivery"] += 1
                self.counts["half words"] += 4 if self.feedback == "dense" else 5  # and the index
        self.counts["half words"] += 2  # its delta
        return total

    def run(self, x: Sequence[float], label: int) -> Counter[str]:
        values = self.forward(x)
        e = [z - (c == label) for c, z in enumerate(values[-1])]
        deltas = [e]
        if self.feedback != "last":
            for layer in range(len(self.net.weights) - 2, -1, -1):
                n = len(self.net.biases[layer])
                deltas.insert(0, [self.delta(layer, i, deltas[0], e) for i in range(n)])
        for d, w, a in zip(deltas[::-1], self.net.weights[::-1], values[-2::-1], strict=False):
            for i in range(len(d)):
                for j in range(len(a)):
                    w[i, j] -= 0.01 * d[i] * a[j]
                    self.counts["update"] += 1
        return self.counts


@pytest.mark.parametrize(("feedback", "k"), [("bp", 0), ("dense", 0), ("sparse", 1), ("sparse", 2), ("last", 0)])
@pytest.mark.parametrize("sizes", [(6, 5, 4), (7, 6, 5, 3), (5, 4, 6, 3, 4), (4, 3)])
def test_the_model_counts_what_a_step_does(sizes: tuple[int, ...], feedback: str, k: int) -> None:
    rng = np.random.default_rng(0)
    counts = Step(he_net(sizes, rng), feedback, k, rng).run(rng.random(sizes[0]).tolist(), 1)
    cost = step_cost(sizes, feedback, k)
    assert counts["forward"] == cost.forward
    assert counts["delivery"] == cost.delivery
    assert counts["update"] == cost.update
    assert counts["half words"] == 2 * cost.words


PLACES = ("weights", "scales", "indices", "coefficients", "above", "outputs", "list", "deltas")
"""What tests/c/accesses.c counts, in its order."""
SIZES, CLASSES = (20, 12, 9, 6), 6


def _accesses(folder: Path, feedback: str, k: int | None) -> list[dict[str, int]]:
    """Of the C runtime in one step, for each hidden layer, the last one first."""
    program = Program(
        name="accesses",
        compiler=(tool("clang"),),
        library=runtime_sources(),
        sources=(C_DIR / "accesses.c", C_DIR / "api_net.c"),
        include_dirs=(SRC, C_DIR),
        flags=("-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-fsanitize=thread", "-fno-sanitize-link-runtime"),
    )
    options = Options(feedback=feedback, connections=k, tau=0.0, seed=3)
    export, _ = init_net(SIZES, "net", None, 4.0, options)
    (folder / "net.sdfa").write_bytes(export.data)
    *lines, moved = output(build(program), folder / "net.sdfa").splitlines()
    assert 0 < int(moved) <= step_cost(SIZES, "bp").update
    return [dict(zip(PLACES, map(int, line.split()), strict=True)) for line in lines]


def _half_words(layers: list[dict[str, int]], *halves: str) -> int:
    """Those of `halves` count as half a word each."""
    return sum(n if place in halves else 2 * n for layer in layers for place, n in layer.items())


@pytest.mark.parametrize(("feedback", "k"), [("aligned", 1), ("random", 2), ("dense", CLASSES), ("bp", None)])
def test_the_c_runtime_moves_what_the_model_counts(feedback: str, k: int | None, tmp_path: Path) -> None:
    layers = _accesses(tmp_path, feedback, None if feedback == "dense" else k)
    cost = step_cost(SIZES, {"aligned": "sparse", "random": "sparse"}.get(feedback, feedback), k or 0)
    products = "weights" if feedback == "bp" else "coefficients"
    assert sum(layer[products] for layer in layers) == cost.delivery
    assert sum(layer["deltas"] for layer in layers) == sum(SIZES[1:-1])
    if feedback in ("dense", "bp"):  # the runtime reads more than the paper's step: the model is kind to these two
        extra = "indices" if feedback == "dense" else "scales"
        assert sum(layer[extra] for layer in layers) == cost.delivery
        layers = [{**layer, extra: 0} for layer in layers]
    assert _half_words(layers, "indices") == 2 * cost.words


def test_the_c_runtime_s_live_feedback_looks_at_every_weight_of_an_active_neuron(tmp_path: Path) -> None:
    k = 2
    last, below = _accesses(tmp_path, "live", k)
    active = last["weights"] // CLASSES
    assert 0 < active < SIZES[-2]
    assert last == {
        "weights": active * CLASSES, "scales": CLASSES, "indices": 0, "coefficients": 0, "above": last["above"],
        "outputs": last["outputs"], "list": 2 * active * CLASSES, "deltas": SIZES[-2],
    }  # fmt: skip
    assert active * k + CLASSES <= last["above"] <= active * CLASSES + CLASSES
    # with every neuron active and every error looked at, and the list written too: what the model counts
    n = SIZES[-2]
    whole = 3 * n * CLASSES + n + 3 * CLASSES
    assert step_cost(SIZES, "live", k).words == whole + _half_words([below], "indices") / 2


def test_claims_of_the_paper() -> None:
    """Orders of magnitude in words, where layers are wide; the backward pass halves, the step falls by a third."""
    deep = (3072, 1000, 1000, 1000, 10)
    bp, dense, sparse = step_cost(deep, "bp"), step_cost(deep, "dense"), step_cost(deep, "sparse", 1)
    assert bp.words > 300 * sparse.words
    assert dense.words > 5 * sparse.words
    assert bp.step / sparse.step < 1.5
    square = (1000, 1000, 1000, 1000, 10)
    assert step_cost(square, "bp").backward / step_cost(square, "sparse", 1).backward == pytest.approx(1.67, abs=0.01)
    flat = (784, 400, 10)
    assert step_cost(flat, "bp").words / step_cost(flat, "sparse", 1).words < 7
