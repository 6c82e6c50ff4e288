"""What shows, after learning, that it went wrong: from its counters and scores, in words for people."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sdfa.device.adapt import mean_loss
from sdfa.device.device import Stats
from sdfa.device.samples import loss_of
from sdfa.image.reader import Image
from sdfa.learning.spare import open_classes
from sdfa.twin.layers import decode

WEIGHTS_SHARE = 1 / 64
"""Of the weight changes that were stopped at a limit: the guard's bound (SPEC.md 4.4) over all steps together."""
ACTIVATIONS_SHARE = 0.05
"""Of hidden outputs at their upper clamp. With headroom, hardly any at a rate that works."""
WINDOW = 64
"""Steps before the loss is judged, as the guard does: something new is worse than guessing at first."""
POINTS = 0.02
"""Accuracy that may be lost for no reason."""
BACK = 0.05
"""The same against the best epoch; of an RMSE, the share that it may rise."""


def reasons(image: Image, stats: Stats, scores: Sequence[float]) -> list[str]:
    """Nothing if all is well. stats: of this learning alone. scores: before and after each part of it, of the same
    samples (accuracy, or RMSE); may be empty."""
    found = []
    if stats.saturated_weights > WEIGHTS_SHARE * stats.weights_updated:
        share = stats.saturated_weights / max(stats.weights_updated, 1)
        found.append(f"{100 * share:.1f} % of the weight changes stopped at a limit")
    hidden = stats.steps * sum(layer.out_n for layer in decode(image).layers[:-1])
    if stats.saturated_activations > ACTIVATIONS_SHARE * hidden:
        found.append(f"{100 * stats.saturated_activations / hidden:.0f} % of the hidden outputs stood at their limit")
    if loss_of(image) == "mse":
        return found + _risen(scores)
    loss, guessing = mean_loss(image, stats), math.log(open_classes(image))
    if stats.steps >= WINDOW and loss > guessing and not (scores and scores[-1] > scores[0] + BACK):
        found.append(f"the mean loss was {loss:.2f}, more than the {guessing:.2f} of guessing")
    return found + _fallen(scores)


def _fallen(scores: Sequence[float]) -> list[str]:
    if not scores:
        return []
    best, last = max(scores), scores[-1]
    if last < scores[0] - POINTS:
        return [f"accuracy fell from {100 * scores[0]:.1f} to {100 * last:.1f} %"]
    if last < best - BACK:
        return [f"accuracy fell from {100 * best:.1f} % after epoch {list(scores).index(best)} to {100 * last:.1f} %"]
    return []


def _risen(scores: Sequence[float]) -> list[str]:
    if not scores or scores[-1] <= (1 + BACK) * scores[0]:
        return []
    return [f"the error rose from {scores[0]:.4g} to {scores[-1]:.4g}"]


def notes(found: list[str], rate: float, back: str, others: str) -> list[str]:
    """One line with what to try next. rate: that was used. back, others: how to begin again, and other remedies."""
    if not found:
        return []
    return [f"learning at a rate of {rate:g} went wrong: {'; '.join(found)}. {back} --lr {rate / 4:.2g}{others}"]
