"""Proof that a target did what the references say: `pytools check` as a function."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Samples
from sdfa.device.adapt import learn_stage
from sdfa.device.device import Device, Learn, LearnTarget, Run, Session, Set
from sdfa.device.differences import confusions, layer_differences, running_accuracy
from sdfa.device.samples import class_count, input_shape, loss_of, quantize_input, tail_weight_count
from sdfa.image.reader import Image, read_image
from sdfa.targets import Target
from sdfa.tflite.graph import Int8Array
from sdfa.twin.infer import Run as Inferred
from sdfa.twin.infer import run
from sdfa.twin.learn import Twin
from sdfa.twin.reference import FloatTail, features

RANDOM_SAMPLES = 256


def made_up_samples(image: Image, steps: int, rng: np.random.Generator) -> Samples:
    """Random inputs, and random labels or targets, for a check without data."""
    n = min(RANDOM_SAMPLES, max(1, steps))
    x = rng.integers(-128, 128, (n, *input_shape(image))).astype(np.int8)
    if image.learning is not None and loss_of(image) == "mse":
        end = image.tensors[int(image.header["output"])]
        q = rng.integers(-128, 128, (n, class_count(image)))
        return Samples(x, ((q - int(end["zero_point"])) * float(end["scale"])).astype(np.float32))
    classes = class_count(image) if image.learning is not None else 1
    return Samples(x, rng.integers(0, classes, n))


def check(target: Target, data: bytes, samples: Samples | None, steps: int = 1000, seed: int = 1) -> dict[str, Any]:
    """Compare every output byte, and every learned byte after `steps` steps, with the integer twin; then with floats.

    Returns the JSON of `pytools check`; mismatching_bytes must be 0. The float reference is a comparison, not a test.
    """
    image = read_image(data)
    given, samples = samples, samples or made_up_samples(image, steps, np.random.default_rng(seed))
    x = quantize_input(image, samples.x)
    result: dict[str, Any] = {"target": target.name, "model_id": image.model_id.hex(), "steps": 0, "seed": seed}
    if image.learning is None:
        session = Device(target, data).session([Run(x)])
        result["inference"] = _compare_outputs(session.outputs[0], run(image, None, x).output)
        result["ram"] = session.ram()
    else:
        result |= _check_learning(target, data, image, x, samples, steps, seed, is_real=given is not None)
    parts = [result["inference"], *([result["learning"]] if "learning" in result else [])]
    result["mismatching_bytes"] = sum(part["mismatching_bytes"] for part in parts)
    return result


def _compare_outputs(device: Int8Array, twin: Int8Array, runs: int = 1) -> dict[str, Any]:
    """Outputs of the same samples, `runs` times one after the other."""
    n = len(device) // runs
    bad = np.argwhere(device != twin)
    return {
        "samples": n, "runs": runs, "bytes": int(device.size), "mismatching_bytes": len(bad),
        "first": [int(bad[0][0]) % n, int(bad[0][1])] if len(bad) else None,
        "by_output": [int(n) for n in np.sum(device != twin, axis=0)],
    }  # fmt: skip


def _learn_order(n: int, steps: int, seed: int) -> npt.NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.permutation(n) for _ in range(-(-steps // n))], dtype=np.int64)[:steps]


def _check_learning(
    target: Target, data: bytes, image: Image, x: Int8Array, samples: Samples, steps: int, seed: int, *, is_real: bool
) -> dict[str, Any]:
    """is_real: the samples are the user's, so that what is right and wrong means something."""
    order = _learn_order(len(x), steps, seed)
    stage = learn_stage(image, x[order], samples.y[order])
    session = Device(target, data).session([Run(x), Set(seed=seed & 0x7FFFFFFF), stage, Run(x)])
    twin, before, after = _taught(data, x, stage, seed)
    outputs = np.concatenate(session.outputs)
    told: dict[str, Any] = {}
    if is_real and isinstance(stage, Learn):
        ends = twin.classes_of(before), twin.classes_of(after)
        told = {
            "curve": running_accuracy(stage.y, session.guesses[0]),
            "confusion": confusions(image, samples.y, *ends),
        }
    return told | {
        "steps": len(order),
        "ram": session.ram(),
        "inference": _compare_outputs(outputs, np.concatenate([before.output, after.output]), 2),
        "learning": _compare_state(session, twin),
        "float": compare_float(image, session.tail, x[order], samples.y[order], twin.rate_q24, twin.tau_q15),
    }


def _taught(data: bytes, x: Int8Array, stage: Learn | LearnTarget, seed: int) -> tuple[Twin, Inferred, Inferred]:
    """The twin behind these steps, and what it said about x before and behind them."""
    twin = Twin(read_image(data))
    before = twin.run(x)
    twin.stats.steps = 0  # a device counts from the moment when it opens the image
    twin.random = seed & 0x7FFFFFFF
    teach(twin, stage)
    return twin, before, twin.run(x)


def teach(twin: Twin, stage: Learn | LearnTarget) -> None:
    """The same steps on the twin."""
    if isinstance(stage, Learn):
        twin.learn_many(stage.x, stage.y)
        return
    for sample, target in zip(stage.x, stage.targets, strict=True):
        twin.learn_target(sample, target)


def _compare_state(session: Session, twin: Twin) -> dict[str, Any]:
    """Weights and biases byte for byte; the generator and every counter."""
    device, expected = (np.frombuffer(t, np.uint8) for t in (session.tail, twin.tail_bytes()))
    counters = {
        name: [value, int(getattr(twin.stats, name))]
        for name, value in asdict(session.state.stats).items()
        if value != int(getattr(twin.stats, name))
    }
    generator = [session.state.random, int(twin.random)]
    return {
        "bytes": int(device.size),
        "mismatching_bytes": int(np.sum(device != expected)) + 4 * (generator[0] != generator[1]) + 8 * len(counters),
        "different_counters": counters,
        "generator_equal": generator[0] == generator[1],
        "layers": layer_differences(twin.image, session.tail, twin.tail_bytes()),
        "moved": layer_differences(twin.image, session.tail, twin.image.present_tail),
        "weights_moved": int(np.sum(device != np.frombuffer(twin.image.present_tail, np.uint8))),
    }


def compare_float(
    image: Image, tail: bytes, x: Int8Array, y: npt.NDArray[Any], rate_q24: int, tau_q15: int
) -> dict[str, Any]:
    """The float reference, taught the same samples in the same order with the same feedback.

    cosine: between the two changes of all weights. agreement: share of samples with the same class (cross-entropy).
    """
    start, learned = FloatTail.from_image(image), FloatTail.from_image(image, tail)
    reference = FloatTail.from_image(image)
    inputs = features(image, x)
    with np.errstate(over="ignore", invalid="ignore"):  # a rate that is too high diverges in floats
        reference.learn_many(inputs, y, rate_q24 / 2**24, tau_q15 / 2**15)
        fixed, exact = flat(learned) - flat(start), flat(reference) - flat(start)
        scale = float(np.linalg.norm(fixed) * np.linalg.norm(exact))
        outputs = reference.logits(inputs)
    if not (np.isfinite(scale) and np.isfinite(outputs).all()):
        return {"diverged": True, "cosine": None}
    result: dict[str, Any] = {
        "diverged": False,
        "cosine": float(fixed @ exact) / scale if scale else None,
        "length_ratio": float(np.linalg.norm(fixed) / np.linalg.norm(exact)) if scale else None,
        "weights": tail_weight_count(image),
    }
    if loss_of(image) == "softmax_ce":
        a, b = learned.logits(inputs).argmax(axis=1), outputs.argmax(axis=1)
        result |= {
            "agreement": float(np.mean(a == b)), "accuracy_fixed": float(np.mean(a == y)),
            "accuracy_float": float(np.mean(b == y)),
        }  # fmt: skip
    return result


def flat(tail: FloatTail) -> npt.NDArray[np.float64]:
    """All weights of a tail in one vector."""
    return np.concatenate([w.ravel() for w in tail.weights])
