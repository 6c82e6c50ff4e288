"""Learning on a target from a set of samples: what `pytools learn` does, as a function."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Samples
from sdfa.device.care import AddClass, Care, Cared, CareStage, CareState, Judge, Judgement, care_ram, care_report
from sdfa.device.device import Classify, Device, HoldOut, Learn, LearnTarget, Remember, Run, Session, Set, Stage, Stats
from sdfa.device.samples import loss_of, quantize_input, quantize_targets, tail_weight_count
from sdfa.errors import SdfaError
from sdfa.image.packing import repack
from sdfa.image.reader import Image, read_image, sections_of
from sdfa.image.records import FEEDBACKS, KEPT_HEADER
from sdfa.image.writer import learned_section, pack_image, rate_q24, tau_q15
from sdfa.targets import Target
from sdfa.tflite.graph import Int8Array
from sdfa.twin.layers import decode
from sdfa.twin.update import rate_of


@dataclass(frozen=True)
class Settings:
    """None: as the image says. rate: learning rate; tau: error threshold; seed: order of samples and rounding.

    care: what looks after learning.
    """

    epochs: int = 1
    rate: float | None = None
    tau: float | None = None
    seed: int = 1
    care: Care = field(default_factory=Care)


@dataclass(frozen=True, eq=False)
class Outcome:
    """scores: on the evaluation samples, before the first epoch and after each (accuracy, or RMSE in real units).

    image: the learned image. stats, random: at the end. ram: as of Session.ram. ties: samples whose largest int8
    output occurs more than once. care, judgements: what looking after it did. old_scores: on the old samples, before
    and after, empty without them. ends: the evaluation samples' classes before and after; empty for a regression.
    """

    scores: tuple[float, ...]
    stats: Stats
    random: int
    tail: bytes
    image: bytes
    ram: dict[str, int | None]
    weights_total: int
    ties: int
    care: CareState | None = None
    judgements: tuple[Judgement, ...] = ()
    old_scores: tuple[float, ...] = ()
    ends: tuple[npt.NDArray[np.uint16], ...] = ()


def sample_orders(n: int, epochs: int, seed: int) -> list[npt.NDArray[np.int64]]:
    """A new order for each epoch, the same for everything that is compared."""
    rng = np.random.default_rng(seed)
    return [rng.permutation(n) for _ in range(epochs)]


def learn_stage(image: Image, x: Int8Array, y: npt.NDArray[Any]) -> Learn | LearnTarget:
    """One step per sample; y: classes (n,), or real targets (n, outputs)."""
    if loss_of(image) == "mse":
        return LearnTarget(x, quantize_targets(image, y))
    return Learn(x, y)


def _evaluate_stage(image: Image, x: Int8Array) -> Stage:
    return Run(x) if loss_of(image) == "mse" else Classify(x)


def hold_out(samples: Samples, m: int, rng: np.random.Generator) -> tuple[Samples, Samples]:
    """(the rest, m held-out samples): as many of each class as can be. SdfaError unless both have some."""
    if not 0 < m < len(samples.x):
        raise SdfaError(f"--hold-out {m}: there are {len(samples.x)} samples, and one at least is to be learned")
    order = rng.permutation(len(samples.x))
    y = np.asarray(samples.y)[order]
    turn = np.array([np.sum(y[:i] == c) for i, c in enumerate(y)])  # how many of its class stand before
    held = np.zeros(len(order), bool)
    held[order[np.argsort(turn, kind="stable")[:m]]] = True
    return Samples(samples.x[~held], samples.y[~held]), Samples(samples.x[held], samples.y[held])


def _check_care(image: Image, settings: Settings) -> None:
    care = settings.care
    care.check(len(image.layers))
    for name, wanted in (("replay", care.replay), ("hold-out", care.hold_out), ("balance", care.balance)):
        if wanted and loss_of(image) == "mse":
            raise SdfaError(f"--{name} needs labels, and this image learns from targets: leave it away")


def plan_stages(
    image: Image,
    samples: Samples,
    settings: Settings,
    x_eval: Int8Array,
    memories: Samples | None = None,
    x_old: Int8Array | None = None,
) -> list[Stage]:
    """Settings, evaluation, then for each epoch its steps and an evaluation.

    memories: samples that the replay ring starts with. x_old: evaluated at both ends, after x_eval.
    """
    if settings.epochs < 1:
        raise SdfaError(f"{settings.epochs} epochs: give 1 at least")
    _check_care(image, settings)
    if settings.rate is not None:
        rate_of(decode(image).layers, rate_q24(settings.rate))  # says why, where the device can only refuse
    care, held = settings.care, None
    if care.hold_out:
        samples, held = hold_out(samples, care.hold_out, np.random.default_rng(settings.seed))
    x = quantize_input(image, samples.x)
    old = [] if x_old is None else [_evaluate_stage(image, x_old)]
    stages: list[Stage] = [
        Set(
            rate_q24=None if settings.rate is None else rate_q24(settings.rate),
            tau_q15=None if settings.tau is None else tau_q15(settings.tau),
            seed=settings.seed & 0x7FFFFFFF,
        ),
        *[AddClass()] * care.added,
        *([CareStage(care, settings.seed)] if care.on_the_device else []),
        *([Remember(quantize_input(image, memories.x), memories.y.astype(np.int64))] if memories else []),
        *([HoldOut(quantize_input(image, held.x), held.y.astype(np.int64))] if held else []),
        _evaluate_stage(image, x_eval),
        *old,
    ]
    for order in sample_orders(len(x), settings.epochs, settings.seed):
        stages.append(learn_stage(image, x[order], samples.y[order]))
        stages += [*([Judge()] if held else []), _evaluate_stage(image, x_eval)]
    return [*stages, *old, *([Cared()] if care.on_the_device else [])]


def _score(image: Image, found: npt.NDArray[Any], y: npt.NDArray[Any]) -> float:
    """found: of one evaluation."""
    return float(np.mean(found == y)) if loss_of(image) == "softmax_ce" else rmse(image, found, y)


def _scores(image: Image, session: Session, judge: Samples, old: Samples | None) -> tuple[list[float], list[float]]:
    """On the evaluation samples, and on the old ones."""
    found: list[npt.NDArray[Any]] = []
    found += session.classes if loss_of(image) == "softmax_ce" else session.outputs[:-1]
    ends = [found.pop(1), found.pop()] if old else []
    return [_score(image, f, judge.y) for f in found], [_score(image, f, old.y) for f in ends if old]


def rmse(image: Image, outputs: Int8Array, y: npt.NDArray[Any]) -> float:
    """Root mean squared error in real units."""
    end = image.tensors[int(image.header["output"])]
    real = (outputs.astype(np.float64) - int(end["zero_point"])) * float(end["scale"])
    return float(np.sqrt(np.mean((real - y) ** 2)))


def count_ties(outputs: Int8Array) -> int:
    """Samples whose largest int8 output occurs more than once."""
    return int(np.sum(np.sum(outputs == outputs.max(axis=1, keepdims=True), axis=1) > 1))


def adapt(
    target: Target,
    data: bytes,
    samples: Samples,
    evaluation: Samples | None = None,
    settings: Settings | None = None,
    *,
    memories: Samples | None = None,
    old: Samples | None = None,
) -> Outcome:
    """Learn `samples` on `target`, from the image `data` on; scores on `evaluation` (default: the same samples).

    memories: samples that the replay ring starts with. old: what must not be forgotten, to score on.
    """
    settings = settings or Settings()
    image = read_image(data)
    judge = evaluation or samples
    x_eval = quantize_input(image, judge.x)
    x_old = quantize_input(image, old.x) if old else None
    if memories and not settings.care.replay:
        raise SdfaError("--replay-data needs a ring to go into: give --replay N too")
    stages = [*plan_stages(image, samples, settings, x_eval, memories, x_old), Run(x_eval)]
    session = Device(target, data).session(stages)
    state = session.state
    steps = state.stats.steps + (int(image.learned["steps"]) if image.learned is not None else 0)
    learned = learned_image(data, session.tail, steps, state.random, state.rate_q24, state.tau_q15)
    scores, old_scores = _scores(image, session, judge, old)
    ends = (session.classes[0], session.classes[-2 if old else -1]) if session.classes else ()
    return Outcome(
        tuple(scores), state.stats, state.random, session.tail, learned, _with_care(session, image, settings.care),
        state.stats.steps * tail_weight_count(image), count_ties(session.outputs[-1]),
        session.cared[0] if session.cared else None, session.judgements, tuple(old_scores), ends,
    )  # fmt: skip


def _with_care(session: Session, image: Image, care: Care) -> dict[str, int | None]:
    """Session.ram with what looks after learning, if anything does."""
    ram, first = session.ram(), image.ops[image.op_off.index(int(image.layers[0]["op"]))][1]
    found = care_ram(care, int(first["in_n"]), session.info.class_n, session.info.tail_len)
    return ram | {"care": found, "total": (ram["total"] or 0) + found} if found else ram


def learned_image(data: bytes, tail: bytes, steps: int, random: int, rate: int, tau: int) -> bytes:
    """The image with learned values in it, after `steps` steps in all; factory weights and model_id stay."""
    data = repack(data, "plain")  # whose model_id it is
    header = read_image(data).header
    sections = [(tag, payload) for tag, payload in sections_of(data) if tag != b"LRND"]
    sections.append((b"LRND", learned_section(tail, steps & 0xFFFFFFFF, random, rate, tau)))
    return pack_image({name: header[name] for name in KEPT_HEADER}, sections)


def report(outcome: Outcome, image: Image, settings: Settings, evaluated_on: str) -> dict[str, Any]:
    """The JSON of `pytools learn`."""
    stats = outcome.stats
    name = "accuracy" if loss_of(image) == "softmax_ce" else "rmse"
    return {
        f"{name}_before": outcome.scores[0], f"{name}_after": outcome.scores[-1], "curve": list(outcome.scores),
        "evaluated_on": evaluated_on, "epochs": settings.epochs, "seed": settings.seed, "steps": stats.steps,
        "settings": described(image, settings),
        "weights_updated": stats.weights_updated, "weights_nonzero": stats.weights_nonzero,
        "weights_total": outcome.weights_total, "output_ties": outcome.ties,
        "saturations": {
            "weights": stats.saturated_weights, "activations": stats.saturated_activations,
            "logits": stats.saturated_logits,
        },
        "stats": asdict(stats), "random": outcome.random, "model_id": image.model_id.hex(),
        "ram": outcome.ram, "care": care_report(settings.care, outcome.care, outcome.judgements),
    } | _forgetting(outcome, name)  # fmt: skip


def described(image: Image, settings: Settings) -> dict[str, Any]:
    """What learning began with, in real units."""
    g = image.learned if image.learned is not None else image.learning
    assert g is not None
    return {
        "epochs": settings.epochs, "seed": settings.seed,
        "learning_rate": int(g["rate_q24"]) / 2**24 if settings.rate is None else settings.rate,
        "error_threshold": int(g["tau_q15"]) / 2**15 if settings.tau is None else settings.tau,
        "feedback": FEEDBACKS[int(image.learning["feedback"])] if image.learning is not None else None,
        "loss": loss_of(image),
    }  # fmt: skip


def _forgetting(outcome: Outcome, name: str) -> dict[str, Any]:
    if not outcome.old_scores:
        return {}
    before, after = outcome.old_scores
    lost = before - after if name == "accuracy" else after - before
    return {f"old_{name}_before": before, f"old_{name}_after": after, "forgetting": lost}


def mean_loss(image: Image, stats: Stats) -> float:
    """Mean loss per step: nats, or squared error in units of the output range."""
    steps = max(stats.steps, 1)
    if loss_of(image) == "softmax_ce":
        return stats.loss / 4096 * float(np.log(2)) / steps
    return stats.loss / 32768 / steps


def concatenate(parts: Sequence[Samples]) -> Samples:
    """Several sets as one."""
    return Samples(np.concatenate([p.x for p in parts]), np.concatenate([p.y for p in parts]))
