"""What a device is asked to do with samples: run them, be scored on them, learn them, be timed with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Samples
from sdfa.device.adapt import learn_stage, loss_of, quantize_input, quantize_targets, rmse, sample_orders
from sdfa.device.check import made_up_samples
from sdfa.device.device import LearnTarget, Stats
from sdfa.errors import SdfaError
from sdfa.image.reader import Image
from sdfa.link.remote import OUTPUT, Remote
from sdfa.tflite.graph import Int8Array

Told = Callable[[int], None]
"""Gets the number of samples done so far."""

TIMED_SAMPLES = 10


def run_all(remote: Remote, x: Int8Array, told: Told) -> Int8Array:
    """Outputs int8 (n, output_len) of x int8 (n, *input)."""
    found = np.empty((len(x), remote.info.output_len), np.int8)
    for i, sample in enumerate(x):
        remote.classify(sample)
        found[i] = np.frombuffer(remote.read(OUTPUT, remote.info.output_len), np.int8)
        told(i + 1)
    return found


def score(remote: Remote, image: Image, samples: Samples, told: Told) -> dict[str, Any]:
    """Accuracy, or RMSE in real units, of the present weights; changes nothing."""
    x = quantize_input(image, samples.x)
    if loss_of(image) == "mse":
        return {"rmse": rmse(image, run_all(remote, x, told), samples.y), "samples": len(x)}
    right = 0
    for i, sample in enumerate(x):
        right += remote.classify(sample) == int(samples.y[i])
        told(i + 1)
    return {"accuracy": right / len(x), "correct": right, "samples": len(x)}


def teach(remote: Remote, image: Image, samples: Samples, epochs: int, seed: int, told: Told) -> dict[str, Any]:
    """One step for each sample in each epoch, from the device's present weights on. Its order is that of `learn`."""
    if "learning" not in remote.info.features:
        raise SdfaError("nothing learns on this device: its image was exported with --train-last 0")
    x, before, done = quantize_input(image, samples.x), remote.stats(), 0
    targets = quantize_targets(image, samples.y) if loss_of(image) == "mse" else None
    for order in sample_orders(len(x), epochs, seed):
        for i in order:
            remote.classify(x[i])
            if targets is None:
                remote.learn(int(samples.y[i]))
            else:
                remote.learn_target(targets[i])
            done += 1
            told(done)
    return {"steps": done, "steps_in_all": remote.steps, "stats": asdict(since(remote.stats(), before))}


def since(now: Stats, before: Stats) -> Stats:
    """What was counted in between: counters wrap around."""
    wide = ("loss", "weights_nonzero", "weights_updated", "moved")
    names = [f.name for f in fields(Stats)]
    return Stats(*((getattr(now, n) - getattr(before, n)) % (1 << (64 if n in wide else 32)) for n in names))


def _spread(times: Iterable[int | None]) -> dict[str, int]:
    known = [t for t in times if t is not None]
    return {"mean": round(float(np.mean(known))), "min": min(known), "max": max(known)}


def bench(remote: Remote, image: Image, samples: Samples | None = None, n: int | None = None) -> dict[str, Any]:
    """Microseconds of an inference and of a step, by the device's own clock. The steps are real: see begin_fresh."""
    if "clock" not in remote.info.features:
        raise SdfaError("the device's program tells no time: give its link a clock (clock_us)")
    n = n or (TIMED_SAMPLES if samples is None else len(samples.x))
    chosen = samples or made_up_samples(image, n, np.random.default_rng(1))
    x = quantize_input(image, chosen.x)[:n]
    run, learn = _time(remote, image, x, chosen.y[:n])
    result: dict[str, Any] = {
        "board": remote.info.board, "model_id": remote.info.model_id, "name": image.meta.get("name"), "samples": len(x),
        "random_samples": samples is None, "microseconds": {"run": _spread(run)},
        "ram": {
            "arena": remote.info.arena_len, "tail": remote.info.tail_len, "state": remote.info.state_len,
        },
    }  # fmt: skip
    if learn:
        result["microseconds"] |= {"learn": _spread(learn)}
    return result


def _time(remote: Remote, image: Image, x: Int8Array, y: npt.NDArray[Any]) -> tuple[list[int | None], list[int | None]]:
    run: list[int | None] = []
    learn: list[int | None] = []
    stage = learn_stage(image, x, y) if "learning" in remote.info.features else None
    for i, sample in enumerate(x):
        remote.classify(sample)
        run.append(remote.run_us)
        if stage is None:
            continue
        if isinstance(stage, LearnTarget):
            remote.learn_target(stage.targets[i])
        else:
            remote.learn(int(stage.y[i]))
        learn.append(remote.learn_us)
    return run, learn
