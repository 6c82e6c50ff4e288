"""The generator of one-operation models: what it writes is what is read, and the oracle runs it."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.load import load_tflite
from sdfa.quantize import SUPPORTED_OPS
from tests.oneop import oracle_run, random_input, random_oneop


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
