"""The counting model of a step's cost equals what a step written in loops counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from sdfa.dense_model import DenseNet, he_net
from sdfa.experiment.movement import step_cost


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
