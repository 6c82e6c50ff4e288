"""How far a rule's step points away from the gradient, while it learns: feedback alignment at work."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sdfa.experiment.scratch import Plan, Rule, deltas, errors, float_epochs, float_feedback, start
from sdfa.experiment.task import Task
from sdfa.tflite.dense_model import DenseNet

FloatArray = npt.NDArray[np.float32]

PROBE = 256
"""Training samples that the angle is taken on, between mean steps."""


def angles_while_learning(sizes: Sequence[int], rule: Rule, plan: Plan, task: Task) -> list[list[float]]:
    """Degrees, one row per hidden layer, first layer first: before learning and after each epoch. Float32."""
    net = start(sizes, rule, plan)
    feedback = float_feedback(rule, net, plan.seed)
    rows = [angles(net, feedback, task)]
    for _ in float_epochs(net, rule, plan, task):
        rows.append(angles(net, feedback, task))
    return [list(row) for row in zip(*rows, strict=True)]


def angles(net: DenseNet, feedback: Sequence[FloatArray] | str, task: Task) -> list[float]:
    """Degrees between the rule's mean step and the gradient, for the weights of each hidden layer."""
    x, y = task.x[:PROBE], task.y[:PROBE]
    outputs = net.forward(x)
    e = errors(outputs[-1], y, 0.0)
    rule, truth = (deltas(net, outputs, e, f) for f in (feedback, "bp"))
    below = [x, *outputs[:-2]]
    return [_angle(d.T @ a, t.T @ a) for d, t, a in zip(rule[:-1], truth[:-1], below, strict=True)]


def _angle(a: FloatArray, b: FloatArray) -> float:
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.degrees(np.arccos(np.clip(np.sum(a * b) / lengths, -1, 1)))) if lengths else 90.0
