"""The generator of one-operation models: what it writes is what is read, and the oracle runs it."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pytest

from sdfa.lower import SUPPORTED_OPS
from sdfa.tflite.load import load_tflite
from tests.oneop import oracle_run, random_input, random_oneop
from tests.test_inference_oracle import ONEOP_CHUNK, ONEOP_CHUNKS


@pytest.mark.parametrize("block", range(6))
def test_models_are_read_and_run(block: int) -> None:
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    for seed in range(50 * block, 50 * block + 50):
        rng = np.random.default_rng(seed)
        model, description = random_oneop(rng)
        graph = load_tflite(model, f"oneop{seed}")
        assert graph.ops[-1].kind == description.split()[0]
        y = oracle_run(model, random_input(rng, graph.tensors[graph.inputs[0]].shape))
        assert y.shape == graph.tensors[graph.outputs[0]].shape, description


def test_every_operation_comes_up() -> None:
    kinds = {random_oneop(np.random.default_rng(seed))[1].split()[0] for seed in range(600)}
    # DEQUANTIZE stands at the end of models with a float interface
    assert kinds == set(SUPPORTED_OPS) - {"DEQUANTIZE"}


def test_thousands_of_cases_cover_every_operation() -> None:
    """The very models of test_inference_oracle.py: each operation many times, every axis, dilations."""
    counts: Counter[str] = Counter()
    for seed in range(10_000, 10_000 + ONEOP_CHUNKS * ONEOP_CHUNK):
        what = random_oneop(np.random.default_rng(seed))[1]
        kind = what.split()[0]
        counts[kind] += 1
        if kind == "CONCATENATION":
            shape, axis = re.findall(r"\((.*?),?\) axis (-?\d)", what)[0]
            rank = shape.count(",") + 1
            counts[f"rank {rank}, axis {int(axis) % rank}"] += 1
        if re.search(r"'dilation_[hw]': [23]", what):
            counts[f"dilated {kind}"] += 1
    assert counts.total() >= 3000
    rare = {kind: counts[kind] for kind in SUPPORTED_OPS if counts[kind] < 20 and kind != "DEQUANTIZE"}
    assert rare == {}
    axes = {f"rank {rank}, axis {axis}" for rank in range(1, 5) for axis in range(rank)}
    assert {name for name in axes if counts[name] < 3} == set()
    assert min(counts[f"dilated {kind}"] for kind in ("CONV_2D", "DEPTHWISE_CONV_2D")) > 100
