"""Random models of MEAN, PAD, CONCATENATION, MUL, SUB and functions of one value: C, twin and oracle agree."""

from __future__ import annotations

import numpy as np
import pytest

from sdfa.device.device import Device
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.lower import SUPPORTED_OPS, lower
from sdfa.targets import Host
from sdfa.tflite.load import load_tflite
from sdfa.twin import infer
from tests.oneop import oracle_run, random_input
from tests.oneop_draft import Draft, Int8Array, pick
from tests.oneop_more import MORE_MAKERS, function_model
from tests.tflite_format import OpDef, TensorDef, write_model

CHUNKS, CHUNK = 12, 50
FUNCTIONS = ("LOGISTIC", "TANH", "RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH", "QUANTIZE")
FUNCTION_MODELS = 60
EVERY = np.arange(-128, 128).astype(np.int8).reshape(1, 256)


@pytest.fixture(autouse=True)
def _oracle() -> None:
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")


def exported(model: bytes) -> Export:
    return export_graph(load_tflite(model, "net"), "net", Options(train_last=0))


def twin(export: Export, x: Int8Array) -> Int8Array:
    return infer.run(export.image, None, x.reshape(1, -1)).output.ravel()


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_operations(chunk: int) -> None:
    varied = 0
    for seed in range(50_000 + CHUNK * chunk, 50_000 + CHUNK * (chunk + 1)):
        rng = np.random.default_rng(seed)
        draft, description = pick(rng, *MORE_MAKERS)(rng)
        model, x = draft.build(), random_input(rng, draft.tensors[0].shape)
        wanted, export = oracle_run(model, x).ravel(), exported(model)
        on_host = Device(Host(sanitize=False), export.data).run(x.reshape(1, -1)).ravel()
        assert np.array_equal(on_host, wanted), f"C, seed {seed}: {description}"
        assert np.array_equal(twin(export, x), wanted), f"twin, seed {seed}: {description}"
        varied += len(np.unique(wanted)) > 2
    assert varied > CHUNK / 3


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions_of_one_value_at_every_value(kind: str) -> None:
    varied = 0
    for seed in range(FUNCTION_MODELS):
        draft, description = function_model(np.random.default_rng(seed), kind, EVERY.shape)
        model = draft.build()
        wanted = oracle_run(model, EVERY).ravel()
        assert np.array_equal(twin(exported(model), EVERY), wanted), f"seed {seed}: {description}"
        varied += len(np.unique(wanted)) > 2
    assert varied > FUNCTION_MODELS / 3


def test_padding_costs_no_memory_before_a_convolution() -> None:
    """The image holds the convolution alone, with its own padding."""
    model = padded_conv(pads=((1, 2), (2, 0)), kernel=3)
    export = exported(model)
    assert [kind for kind, _ in export.image.ops] == ["conv"]
    assert (export.image.ops[0][1]["pad_top"], export.image.ops[0][1]["pad_left"]) == (1, 2)
    x = random_input(np.random.default_rng(0), (1, 5, 5, 2))
    assert np.array_equal(twin(export, x), oracle_run(model, x).ravel())


def test_padding_stays_when_the_convolution_cannot_do_it() -> None:
    """pad_top < kh: a window of 1 behind a frame of 2 is an operation of its own."""
    model = padded_conv(pads=((2, 2), (0, 0)), kernel=1)
    export = exported(model)
    assert [kind for kind, _ in export.image.ops] == ["pad", "conv"]
    x = random_input(np.random.default_rng(0), (1, 5, 5, 2))
    assert np.array_equal(twin(export, x), oracle_run(model, x).ravel())


def padded_conv(pads: tuple[tuple[int, int], tuple[int, int]], kernel: int) -> bytes:
    """PAD and CONV_2D over (1, 5, 5, 2)."""
    size = tuple(5 + sum(p) for p in pads)
    rng = np.random.default_rng(1)
    weights = rng.integers(-127, 128, (3, kernel, kernel, 2)).astype(np.int8)
    tensors = [
        TensorDef("input", (1, 5, 5, 2), scale=(0.1,), zero_point=7),
        TensorDef("paddings", (4, 2), "int32", data=np.array([(0, 0), *pads, (0, 0)], np.int32)),
        TensorDef("padded", (1, *size, 2), scale=(0.1,), zero_point=7),
        TensorDef("weights", weights.shape, scale=(0.01,), data=weights),
        TensorDef("output", (1, *(n - kernel + 1 for n in size), 3), scale=(0.5,), zero_point=3),
    ]
    options: dict[str, int | float | str] = {"padding": "VALID", "stride_h": 1, "stride_w": 1}
    return write_model(tensors, [OpDef("PAD", (0, 1), (2,)), OpDef("CONV_2D", (2, 3), (4,), options)], [0], [4])


def refused(draft: Draft) -> str:
    with pytest.raises(SdfaError) as caught:
        lower(load_tflite(draft.build(), "net"))
    return str(caught.value)


def draft_of(shape: tuple[int, ...] = (1, 4, 4, 2)) -> Draft:
    return Draft(np.random.default_rng(0), shape)


def ints(draft: Draft, values: list[int]) -> int:
    return draft.tensor(TensorDef("values", (len(values),), "int32", data=np.array(values, np.int32)))


def test_mean_over_other_axes_is_refused() -> None:
    draft = draft_of()
    draft.emit("MEAN", (0, ints(draft, [1])), draft.like_input("output", (1, 4, 2)))
    assert "operation 0 (MEAN)" in refused(draft)
    assert "[1, 2]" in refused(draft)


def test_padding_the_channels_is_refused() -> None:
    draft = draft_of()
    draft.emit("PAD", (0, ints(draft, [0, 0, 0, 0, 0, 0, 1, 0])), draft.like_input("output", (1, 4, 4, 3)))
    assert "only height and width" in refused(draft)


def test_padding_with_another_value_is_refused() -> None:
    draft = draft_of()
    source = draft.tensors[0]
    other = np.array([source.zero_point ^ 1], np.int8)
    value = draft.tensor(TensorDef("value", (1,), "int8", source.scale, source.zero_point, data=other))
    draft.emit("PADV2", (0, ints(draft, [0] * 8), value), draft.like_input("output", source.shape))
    assert "zero point" in refused(draft)


def test_broadcasting_and_constants_are_refused() -> None:
    draft = draft_of()
    one = draft.emit("MEAN", (0, ints(draft, [1, 2])), draft.like_input("mean", (1, 1, 1, 2)), keep_dims=1)
    draft.emit("MUL", (0, one), draft.like_input("output", (1, 4, 4, 2)))
    assert "broadcasting is not supported" in refused(draft)
    draft = draft_of()
    values = draft.tensor(TensorDef("two", (1, 4, 4, 2), scale=(0.1,), data=np.ones((1, 4, 4, 2), np.int8)))
    draft.emit("SUB", (0, values), draft.like_input("output", (1, 4, 4, 2)))
    assert "constant" in refused(draft)


def test_parts_of_another_scale_are_refused() -> None:
    """The oracle joins the bytes as they are, whatever they mean."""
    draft = draft_of((1, 4))
    scaled = TensorDef("scaled", (1, 4), scale=(1.0,))
    part = draft.emit("QUANTIZE", (0,), scaled)
    draft.emit("CONCATENATION", (0, part), draft.like_input("output", (1, 8)), axis=1)
    assert "same scale and zero point" in refused(draft)


def test_a_float_inside_is_refused() -> None:
    draft = draft_of((1, 4))
    at = draft.emit("DEQUANTIZE", (0,), TensorDef("real", (1, 4), "float32"))
    draft.emit("QUANTIZE", (at,), draft.like_input("output", (1, 4)))
    assert "only at the end" in refused(draft)


def test_what_is_not_supported_is_named() -> None:
    draft = draft_of((1, 4))
    draft.emit("GELU", (0,), draft.like_input("output", (1, 4)))
    message = refused(draft)
    assert "operation 0 of 1, GELU (makes 'output')" in message
    assert ", ".join(SUPPORTED_OPS) in message
