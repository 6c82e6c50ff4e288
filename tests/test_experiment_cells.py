"""Cells: the device's learning is what `adapt` does, the float reference is back-propagation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdfa.experiment.basenet import Training, gradients, parameters
from sdfa.experiment.cells import Plan, Samples, learn_from_scratch, learn_in_float, learn_on_device, sgd_step
from sdfa.experiment.rules import DEVICE, RULES
from sdfa.exporter.export import Options, export_graph
from sdfa.tflite.dense_model import Scaling, he_net, quantize_dense
from sdfa.tflite.load import load_tflite

RNG = np.random.default_rng(2)
CENTRES = RNG.standard_normal((3, 8), np.float32)
Y = np.arange(60) % 3
X = CENTRES[Y] + 0.3 * RNG.standard_normal((60, 8), np.float32)
NET = he_net((8, 12, 6, 3), np.random.default_rng(3))


def test_a_float_step_is_a_step_along_the_gradient() -> None:
    net = he_net((8, 12, 3), np.random.default_rng(3))
    expected = [p - 0.1 * g for p, g in zip(parameters(net), gradients(net, X[:1], Y[:1], 0.0), strict=True)]
    sgd_step(net, X[0], int(Y[0]), np.float32(0.1))
    for a, b in zip(parameters(net), expected, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_float_learns_the_last_layers_alone_and_leaves_the_net() -> None:
    before = [p.copy() for p in parameters(NET)]
    scores = learn_in_float(
        NET, 2, Samples(X[:30], Y[:30], ((X[30:], Y[30:]), (X[30:], Y[30:]))), Plan(0.05, 4, (2, 4), 1)
    )
    assert len(scores.test) == 3
    assert scores.test == scores.old
    assert scores.test[-1] > 0.9
    assert all(np.array_equal(a, b) for a, b in zip(parameters(NET), before, strict=True))


def test_the_device_learns_as_float_back_propagation_does() -> None:
    graph = load_tflite(quantize_dense(NET, X, Scaling(1.25)), "net")
    image = export_graph(graph, "net", Options(train_last=2, feedback="bp", loss="softmax_ce"))
    scale, zero = float(graph.tensors[0].scale[0]), int(graph.tensors[0].zero_point[0])
    q = np.clip(np.rint(X / scale) + zero, -128, 127).astype(np.int8)
    plan = Plan(0.05, 10, (10,), 1, tau=0.0)
    fixed = learn_on_device("host", image.data, Samples(q[:30], Y[:30], ((q[30:], Y[30:]),)), plan)
    real = learn_in_float(NET, 2, Samples(X[:30], Y[:30], ((X[30:], Y[30:]),)), plan)
    assert fixed.test[-1] == pytest.approx(real.test[-1], abs=0.07)
    assert fixed.old == ()
    assert 0 < fixed.updated < 1


def test_a_gate_takes_back_what_does_worse_on_held_out_samples() -> None:
    """Samples that are held out with other labels than those that are learned: the better one learns, the worse."""
    graph = load_tflite(quantize_dense(NET, X, Scaling(1.25)), "net")
    image = export_graph(graph, "net", Options(train_last=2, feedback="bp", loss="softmax_ce")).data
    scale, zero = float(graph.tensors[0].scale[0]), int(graph.tensors[0].zero_point[0])
    q = np.clip(np.rint(X / scale) + zero, -128, 127).astype(np.int8)
    start = NET.forward(X)[-1].argmax(axis=1)
    plan, judges = Plan(0.05, 10, (10,), 1, tau=0.0), ((q[30:], Y[30:]),)
    free = learn_on_device("host", image, Samples(q[:30], Y[:30], judges), plan)
    kept = learn_on_device("host", image, Samples(q[:30], Y[:30], judges, (q[:30], Y[:30])), plan)
    back = learn_on_device("host", image, Samples(q[:30], Y[:30], judges, (q[:30], start[:30])), plan)
    again = learn_on_device("host", image, Samples(q[:20], Y[:20], judges, (q[20:30], Y[20:30]), True), plan)
    assert (free.refused, kept.refused, back.refused) == (False, False, True)
    assert replace(again, gain=0) == free
    assert kept.gain > free.gain == 0 > back.gain
    assert kept.test == free.test
    assert back.test[-1] == back.test[0] < kept.test[-1]


def test_the_rate_falls_to_nearly_nothing() -> None:
    plan = Plan(0.4, 4, (4,), 1, decay=True)
    assert [plan.rate_in(e) for e in range(4)] == pytest.approx([0.4, 0.3, 0.2, 0.1])
    assert Plan(0.4, 4, (4,), 1).rate_in(3) == 0.4


def test_from_scratch_learns_from_the_samples_alone() -> None:
    how = Training(hidden=(16,), noise=0.0)
    scores = learn_from_scratch(3, Samples(X[:30], Y[:30], ((X[30:], Y[30:]),)), Plan(0.01, 20, (20,), 1), how)
    assert scores.test[-1] > 0.9


def test_every_rule_of_the_device_learns() -> None:
    """The list of rules and what an export takes belong together; all learn an easy task."""
    graph = load_tflite(quantize_dense(NET, X, Scaling(1.25)), "net")
    scale, zero = float(graph.tensors[0].scale[0]), int(graph.tensors[0].zero_point[0])
    q = np.clip(np.rint(X / scale) + zero, -128, 127).astype(np.int8)
    samples = Samples(q[:30], Y[:30], ((q[30:], Y[30:]),))
    for rule in (rule for rule in RULES.values() if rule.runs == DEVICE):
        plain = Options(1 if rule.feedback == "last" else 2, rule.feedback, rule.connections, loss="softmax_ce")
        image = export_graph(graph, "net", replace(plain, **dict(rule.more)))
        scores = learn_on_device("host", image.data, samples, Plan(0.05, 10, (10,), 1, tau=0.0))
        assert scores.test[-1] > max(scores.test[0], 0.6), rule.name
