"""What one learning step of a dense net costs: multiply-accumulates, and words moved to deliver the error.

A counting model, as the paper has one; tests/test_movement.py holds it against a step written in loops that counts each
product and each access, and against the accesses of the C runtime (which reads a scale for each weight too in
back-propagation, and indices of dense feedback). Words are numbers of whatever width: weights, errors, coefficients.
Indices of sparse feedback count as half a word: one byte beside a coefficient of one byte each. Every neuron is taken
as active.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StepCost:
    """MACs of the forward pass, of carrying the error to the hidden layers, of the update of the weights; words read
    and written to carry the error."""

    forward: int
    delivery: int
    update: int
    words: float

    @property
    def backward(self) -> int:
        """MACs of everything behind the forward pass."""
        return self.delivery + self.update

    @property
    def step(self) -> int:
        return self.forward + self.backward


def step_cost(sizes: Sequence[int], feedback: str, k: int = 0) -> StepCost:
    """sizes: width of the input and of each layer. feedback: bp, dense, sparse or live (k connections), or last.

    live: a neuron of the last hidden layer looks at its weights to all outputs for the k strongest, and at an error
    whenever it finds a stronger one: at most this. Below that layer, sparse.
    """
    forward = sum(a * b for a, b in itertools.pairwise(sizes))
    hidden, classes = sizes[1:-1], sizes[-1]
    if feedback == "last":
        return StepCost(forward, 0, sizes[-2] * classes, 0.0)
    if feedback == "bp":
        pairs = list(zip(hidden, sizes[2:], strict=True))
        # every weight of the layer above once, its errors for each neuron, one delta out
        words = float(sum((2 * above + 1) * n for n, above in pairs))
        return StepCost(forward, sum(n * above for n, above in pairs), forward, words)
    width = classes if feedback == "dense" else k
    per_connection = 2 if feedback == "dense" else 2.5  # coefficient and error, and the index
    words = (width * per_connection + 1) * sum(hidden)
    delivery = sum(n * width for n in hidden)
    if feedback == "live":
        # each weight, its scale and output (half a word each), its error; a list of outputs with an error, made once
        words += hidden[-1] * (3 * classes - width * per_connection) + 3 * classes
        delivery += hidden[-1] * (2 * classes - width)
    return StepCost(forward, delivery, forward, words)
