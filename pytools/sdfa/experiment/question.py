"""From what a user typed to a Question and its People."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sdfa.errors import SdfaError
from sdfa.experiment.backbone import need_tensorflow
from sdfa.experiment.basenet import Training
from sdfa.experiment.own import load_own
from sdfa.experiment.people import People
from sdfa.experiment.personalize import Question
from sdfa.experiment.protocol import LOOKS, Settings
from sdfa.experiment.rules import RULES, SCRATCH, Rule, find_rules, with_gate
from sdfa.experiment.sets import SETS, UNCHANGED, load_set

_OWN = "your own features"
_OWN_TRAINING = Training(hidden=(64, 32), epochs=40)


def ask(
    data: str, *, change: str | None, samples: str, seeds: int, rules: str, people: str, train_last: int,
    threshold: float, headroom: float, tune_draws: int, decay: bool, gate: bool, backbone: str,
    epochs: int, quick: bool, target: str,
) -> tuple[Question, People, str]:  # fmt: skip
    """(the question, its people, what a sample is). SdfaError for what cannot be understood or read."""
    ks = _counts(samples)
    found_rules = find_rules(rules or ",".join(n for n, r in RULES.items() if r.runs != SCRATCH or not backbone))
    _check_backbone(backbone, data, found_rules)
    if gate and min(ks) < 2:
        raise SdfaError("--gate holds one sample of each class out: --samples needs at least 2")
    chosen = tuple(with_gate(found_rules) if gate else found_rules)
    settings = Settings(
        learn=train_last, tau=threshold, headroom=headroom, tune_seeds=tune_draws, decay=decay, target=target
    )
    looks = (*(look for look in LOOKS if look < epochs), epochs)
    settings = replace(settings, epochs=looks)
    if data in SETS:
        known = SETS[data]
        change = change or known.changes[0]
        found, about = load_set(data, change, raw=bool(backbone)), known.raw_about if backbone else known.about
        settings = replace(settings, training=known.training, standardize=known.standardize)
        if backbone:
            settings = replace(settings, training=known.raw_training, window=known.window)
    else:
        if change is not None:
            raise SdfaError("--change is for the named sets: leave it away with your own file")
        if not Path(data).suffix:
            raise SdfaError(f"no data set {data!r}; there is {', '.join(SETS)}, or give your own .csv or .npz file")
        found, about, change = load_own(Path(data)), _OWN, UNCHANGED
        settings = replace(settings, training=_OWN_TRAINING)
    question = Question(Path(data).name, change, ks, seeds, chosen, settings)
    return question.quick() if quick else question, _only(found, people), about


def _check_backbone(backbone: str, data: str, rules: list[Rule]) -> None:
    if not backbone:
        return
    if backbone != "cnn":
        raise SdfaError(f"--backbone {backbone}: there is cnn")
    if data not in SETS:
        raise SdfaError("--backbone cnn is for the named sets with raw signals: leave it away with your own features")
    if any(rule.runs == SCRATCH for rule in rules):
        raise SdfaError("--backbone cnn has no rule scratch: leave it out of --rules")
    need_tensorflow()


def _counts(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 100_000 for part in parts):
        raise SdfaError(f"--samples {text!r}: give numbers of samples per class, such as 1,5,10")
    return tuple(sorted({int(part) for part in parts}))


def _only(people: People, names: str) -> People:
    """The same with some of its new people."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in people.new:
            raise SdfaError(f"no new person {name!r}; there is {', '.join(people.new)}")
    return replace(people, new=tuple(p for p in people.new if p in wanted)) if wanted else people
