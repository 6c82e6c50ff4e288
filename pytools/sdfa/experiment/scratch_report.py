"""`pytools experiment scratch`: how well a device learns from nothing, beside the best that is known of others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdfa.experiment.paper import EVERY, FLOAT, INT8, INT16, Findings, Question
from sdfa.experiment.paper_report import accuracy_rows, accuracy_table, net_name, rates_said, seeds_said

RULES = ("last", "k=1", "k=2", "aligned k=1", "aligned k=2", "bp")

QUESTIONS = {
    q.data: q
    for q in (
        Question(
            "digits", (64, 32, 10), 5, (0.02, 0.04, 0.06), seeds=8, engines=(EVERY, FLOAT, INT8, INT16), rules=RULES,
            batch=1, angles=False,
        ),
        Question(
            "mnist", (784, 100, 50, 10), 12, (0.006,), seeds=1, engines=(FLOAT, INT8, INT16),
            rules=("k=2", "aligned k=2", "bp"), angles=False, end=0.05,
        ),
        Question(
            "fashion_mnist", (784, 200, 100, 50, 10), 20, (0.001,), seeds=1, engines=(FLOAT, INT8, INT16),
            rules=("k=2", "aligned k=2", "bp"), angles=False, end=0.05,
        ),
    )
}  # fmt: skip

OTHERS: Mapping[str, Mapping[str, float]] = {
    "digits": {"AIfES 2.2, float back-propagation": 0.956, "PocketNN, integer dense DFA": 0.956},
    "mnist": {"PocketNN, integer dense DFA": 0.9698, "NITRO-D, integers": 0.9736, "float back-propagation": 0.98},
    "fashion_mnist": {
        "PocketNN, integer dense DFA": 0.8770, "NITRO-D, integers": 0.8866, "float back-propagation": 0.8979,
    },
}  # fmt: skip
"""What their papers say of nets of these sizes; of digits, what we measured with their code."""
OURS = "aligned k=2"
"""The default of `pytools init`."""


def result_of(question: Question, found: Findings) -> dict[str, Any]:
    """Everything in JSON's types; accuracies are shares of 1."""
    accuracy = accuracy_rows(question, found)
    name = next((e for e in (INT16, INT8) if e in accuracy), None)
    ours = None if name is None or OURS not in accuracy[name] else accuracy[name][OURS]["mean"]
    return {
        "experiment": "scratch", "settings": question.described() | {"seeds": question.seeds}, "accuracy": accuracy,
        "ours": None if ours is None else {"accuracy": ours, "arithmetic": name, "rule": OURS},
        "others": dict(OTHERS[question.data]),
    }  # fmt: skip


def as_markdown(result: dict[str, Any], pictures: Sequence[str] = ()) -> str:
    """A section: the table, and who is ahead."""
    s = result["settings"]
    head = f"### From scratch: {s['data']}, {net_name(s['sizes'])}, {s['epochs']} epochs\n"
    about = (
        f"Accuracy in % on test samples after the last epoch, {seeds_said(s['seeds'])}. Threshold "
        f"{s['tau']:g} except where every error counts; rates fall linearly to {100 * s['end']:.0f} %. Integers: the C "
        f"runtime, one sample at a time, weights of 8 or 16 bits. Float: {_batches(s)}. {_choice(s)}\n"
    )
    return "\n".join([head, about, _LEGEND, accuracy_table(result), *_comparison(result)]) + "\n"


_LEGEND = (
    "*k*: random feedback with k errors per hidden neuron. *aligned*, the default of `pytools init`: each hidden "
    "neuron is given k outputs, the weights behind the first layer start out so that these are what it acts on, and "
    "the feedback is read off them; it stays as it is while they move. *last*: the output layer alone. *bp*: "
    "back-propagation.\n"
)


def _batches(settings: Mapping[str, Any]) -> str:
    n = settings["batch"]
    return "one sample at a time" if n == 1 else f"batches of {n}, so no upper bound of one sample at a time"


def _choice(settings: Mapping[str, Any]) -> str:
    if len(settings["rates"]) > 1:
        return rates_said(settings["rates"])
    return "One rate for all, chosen for aligned k=2 on a part of the training samples in a trial in float."


def _comparison(result: dict[str, Any]) -> list[str]:
    ours = result["ours"]
    if ours is None:
        return []
    lines = [f"{ours['rule']}, the default, in {ours['arithmetic']}: {100 * ours['accuracy']:.2f} %.\n"]
    for name, value in result["others"].items():
        gap = 100 * (ours["accuracy"] - value)
        verdict = "ahead" if gap > 0 else "behind" if gap < 0 else "level"
        lines.append(f"- {name}: {100 * value:.2f} %; we are {abs(gap):.2f} points {verdict}.")
    return lines
