"""Interpreters that others wrote: what they say a .tflite file computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdfa.tflite.graph import Int8Array


def oracle_rows(interpreter_class: Any, model: bytes, x: Int8Array) -> Int8Array:
    """What TensorFlow Lite Micro yields for each of the samples x (n, 1, ...): int8[n, output_len]."""
    interpreter = interpreter_class.from_bytes(model, arena_size=10 * len(model) + 40 * x[0].size + 400_000)
    rows = []
    for sample in x:
        interpreter.set_input(np.ascontiguousarray(sample), 0)
        interpreter.invoke()
        rows.append(np.array(interpreter.get_output(0), np.int8).ravel())
    return np.stack(rows)


def micro_rows(model: bytes, x: Int8Array) -> Int8Array:
    """The same by the `tflite-micro` wheel, where there is one."""
    found = pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    return oracle_rows(found.runtime.Interpreter, model, x)


def lite_rows(model: bytes, x: Int8Array) -> Int8Array:
    """The same by `tflite-runtime` with its reference kernels, where there is one: the default ones round otherwise."""
    found = pytest.importorskip("tflite_runtime.interpreter", reason="tflite-runtime needs Linux and Python < 3.12")
    resolver = found.OpResolverType.BUILTIN_REF
    interpreter = found.Interpreter(model_content=model, experimental_op_resolver_type=resolver)
    interpreter.allocate_tensors()
    first, last = (ends()[0]["index"] for ends in (interpreter.get_input_details, interpreter.get_output_details))
    rows = []
    for sample in x:
        interpreter.set_tensor(first, sample)
        interpreter.invoke()
        rows.append(interpreter.get_tensor(last).ravel())
    return np.stack(rows)
