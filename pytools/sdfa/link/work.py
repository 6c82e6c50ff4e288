"""What a device is asked to do with samples: run them, be scored on them, learn them, be timed with them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Samples
from sdfa.device.adapt import learn_stage, rmse, sample_orders
from sdfa.device.check import made_up_samples
from sdfa.device.device import LearnTarget, Stats
from sdfa.device.samples import loss_of, quantize_input, quantize_targets
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
    """One step for each sample in each epoch, from the device's present weights on. Its order is that of `learn`.

    scores of the result: share that was right before its step, in the first half of the steps and in the second.
    """
    if "learning" not in remote.info.features:
        raise SdfaError("nothing learns on this device: its image was exported with --train-last 0")
    x, before, done = quantize_input(image, samples.x), remote.stats(), 0
    targets = quantize_targets(image, samples.y) if loss_of(image) == "mse" else None
    right: list[bool] = []
    for order in sample_orders(len(x), epochs, seed):
        for i in order:
            guess = remote.classify(x[i])
            if targets is None:
                right.append(guess == int(samples.y[i]))
                remote.learn(int(samples.y[i]))
            else:
                remote.learn_target(targets[i])
            done += 1
            told(done)
    return {
        "steps": done, "steps_in_all": remote.steps, "stats": asdict(since(remote.stats(), before)),
        "scores": _halves(right),
    }  # fmt: skip


def _halves(right: list[bool]) -> list[float]:
    """Shares in both halves. Where the second is worse by less than chance would make it (two standard errors), the
    first: each was counted once, on other samples."""
    half = len(right) // 2
    if not half:
        return []
    first, second = float(np.mean(right[:half])), float(np.mean(right[half:]))
    p = (first + second) / 2
    return [first, first if 0 < first - second < 2 * (2 * p * (1 - p) / half) ** 0.5 else second]


@contextlib.contextmanager
def settings_for(remote: Remote, rate_q24: int, tau_q15: int, seed: int) -> Iterator[None]:
    """Learn with these inside; afterwards, whatever happened, the device has its own rate and threshold again."""
    own = remote.state()
    remote.set(rate_q24, tau_q15, seed)

    def put_back() -> None:
        if (rate_q24, tau_q15) != (own.rate_q24, own.tau_q15):
            remote.set(own.rate_q24, own.tau_q15, remote.state().random)

    try:
        yield
    except BaseException:
        with contextlib.suppress(SdfaError):  # the reason of the first failure is what counts
            put_back()
        raise
    put_back()


def since(now: Stats, before: Stats) -> Stats:
    """What was counted in between: counters wrap around."""
    wide = ("loss", "weights_nonzero", "weights_updated", "moved")
    if now.steps < before.steps:  # a reset or a load in between: the steps are those behind the weights
        before = replace(before, steps=0)
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
