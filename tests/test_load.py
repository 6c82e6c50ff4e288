"""Reading .tflite files: what is in them, what is refused, and that no bytes do harm."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdfa.errors import SdfaError
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.graph import Graph
from sdfa.tflite.load import load_tflite, read_model
from tests.tflite_format import OpDef, TensorDef, write_model
from tests.tflite_writer import Net, cnn, dense_net

MODELS = (
    "ad01_fp32", "ad01_int8", "hello_world_float", "hello_world_int8", "kws_ref_model", "micro_speech_quantized",
    "pretrainedResnet_quant", "trained_lstm_int8", "vww_96_int8",
)  # fmt: skip


def refused(model: bytes) -> str:
    with pytest.raises(SdfaError) as caught:
        load_tflite(model, "net")
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("net")
    return message


def survives(data: bytes) -> Graph | None:
    """The graph, or None if it was refused; anything but an SdfaError fails the test."""
    try:
        return fold_shapes(load_tflite(data, "net"))
    except SdfaError as error:
        if "\n" in str(error):
            pytest.fail(f"more than one line: {error}")
        return None


def small() -> bytes:
    """All that a file can have, in few bytes: options, per-channel scales, strings, shape arithmetic."""
    net = Net(np.random.default_rng(1), (4, 4, 1)).conv(2, stride=2, per_channel=True).flatten(open_batch=True)
    return net.dense(2, "NONE").softmax().build()


def one_op(op: OpDef, *tensors: TensorDef) -> bytes:
    return write_model(tensors, [op], [0], [1])


def test_reads_what_was_written() -> None:
    data = cnn(np.random.default_rng(3), open_batch=True)
    graph = load_tflite(data, "net")
    assert graph.name == "net"
    assert len(graph.sha256) == 64
    assert [graph.tensors[i].name for i in graph.inputs] == ["input"]
    assert [graph.tensors[i].name for i in graph.outputs] == ["softmax"]
    assert [op.place for op in graph.ops] == list(range(len(graph.ops)))
    conv, depthwise = graph.ops[0], graph.ops[1]
    assert conv.options == {
        "padding": "SAME", "stride_w": 1, "stride_h": 1, "activation": "RELU", "dilation_w": 1, "dilation_h": 1,
    }  # fmt: skip
    assert depthwise.options["depth_multiplier"] == 2
    weights = graph.tensors[conv.inputs[1]]
    assert (weights.shape, weights.dtype, weights.axis, weights.scale.shape) == ((8, 3, 3, 2), "int8", 0, (8,))
    assert graph.tensors[depthwise.inputs[1]].axis == 3
    assert graph.ops[-1].options == {"beta": 1.0}


def test_constants_are_where_the_file_has_them() -> None:
    data = dense_net(np.random.default_rng(4), (6, 5, 3), softmax=False, per_channel=True)
    constants = [t for t in load_tflite(data, "net").tensors if t.data is not None]
    assert len(constants) == 4
    for tensor in constants:
        assert tensor.data is not None
        assert tensor.data_off is not None
        raw = tensor.data.tobytes()
        assert data[tensor.data_off : tensor.data_off + len(raw)] == raw
        assert tensor.data.shape == tensor.shape


def test_absent_options_and_inputs() -> None:
    tensors = [TensorDef("x", (1, 4), scale=(0.1,)), TensorDef("y", (1, 4), scale=(0.1,))]
    graph = load_tflite(one_op(OpDef("FULLY_CONNECTED", (0, -1, -1), (1,), None), *tensors), "net")
    assert graph.ops[0].inputs == (0, -1, -1)
    assert graph.ops[0].options == {"activation": "NONE", "weights_format": "DEFAULT", "keep_num_dims": 0}


@pytest.mark.parametrize(
    ("kind", "custom", "name"),
    [
        ("GELU", "", "GELU"),
        ("CUMSUM", "", "CUMSUM"),
        (206, "", "STABLEHLO_COMPOSITE"),
        (1000, "", "BUILTIN(1000)"),
        ("CUSTOM", "Fancy\nOp", "CUSTOM(Fancy Op)"),
        ("CUSTOM", "", "CUSTOM(unnamed)"),
    ],
)
def test_unsupported_operations_have_a_name(kind: str | int, custom: str, name: str) -> None:
    tensors = [TensorDef("x", (1, 4), scale=(0.1,)), TensorDef("y", (1, 4), scale=(0.1,))]
    assert load_tflite(one_op(OpDef(kind, (0,), (1,), custom=custom), *tensors), "net").ops[0].kind == name


def test_names_are_one_printable_line() -> None:
    tensors = [TensorDef("a\x00\n  b\u202e", (1,)), TensorDef("", (1,)), TensorDef("x" * 5000, (1,))]
    graph = load_tflite(write_model(tensors, [], [0], [1]), "net")
    assert [t.name for t in graph.tensors] == ["a b", "tensor1", "x" * 120]


def test_an_open_batch_is_1() -> None:
    tensors = [TensorDef("x", (-1, 4), signature=(-1, 4)), TensorDef("y", (1, 4), signature=(-1, 4))]
    graph = load_tflite(write_model(tensors, [], [0], [1]), "net")
    assert [t.shape for t in graph.tensors] == [(1, 4), (1, 4)]


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (TensorDef("x", (1, -1, 4)), "x has the open shape"),
        (TensorDef("x", (1, 1, 4), signature=(-1, -1, 4)), "input x has the open shape"),
        (TensorDef("x", (1,) * 9), "9 numbers"),
        (TensorDef("x", (1, 4), scale=(0.0,)), "not a positive number"),
        (TensorDef("x", (1, 4), scale=(float("nan"),)), "not a positive number"),
        (TensorDef("x", (1, 4), scale=(float("inf"),)), "not a positive number"),
        (TensorDef("x", (1, 4), scale=(0.1,), zero_point=128), "outside -128 ... 127"),
        (TensorDef("x", (1, 4), scale=(0.1, 0.1, 0.1), axis=1), "3 scales along dimension 1"),
        (TensorDef("x", (1, 4), scale=(0.1,) * 4, axis=2), "4 scales along dimension 2"),
        (TensorDef("x", (1, 4), scale=(0.1,) * 4, axis=-1), "4 scales along dimension -1"),
        (TensorDef("x", (1, 4), buffer=b"abc"), "3 bytes of data"),
        (TensorDef("x", (2**31 - 1,) * 8, buffer=b"abc"), "3 bytes of data"),
        (TensorDef("x", (4,), "int4", buffer=b"ab"), "constant of type int4"),
    ],
)
def test_unsound_tensors(tensor: TensorDef, words: str) -> None:
    assert words in refused(write_model([tensor], [], [0], [0]))


@pytest.mark.parametrize(
    ("op", "words"),
    [
        (OpDef("ADD", (0, 9), (1,)), "inputs of operation 0 (ADD)"),
        (OpDef("ADD", (0, -2), (1,)), "inputs of operation 0 (ADD)"),
        (OpDef("ADD", (0, 0), (-1,)), "outputs of operation 0 (ADD)"),
        (OpDef("ADD", (0, 0), (0,)), "overwrites tensor x"),
        (OpDef("ADD", (0, 0), (1, 1)), "overwrites tensor y"),
        (OpDef("ADD", (0, 1), (1,)), "reads y too early"),
        (OpDef("ADD", (0, 0), (1,), {"activation": 99}), "activation of operation 0 (ADD) is 99"),
        (OpDef("MAX_POOL_2D", (0,), (1,), {"stride_h": 1}), "stride_w of operation 0 (MAX_POOL_2D) is 0"),
        (OpDef("CONV_2D", (0,), (1,), {"stride_h": -3, "stride_w": 1}), "stride_h of operation 0"),
    ],
)
def test_unsound_operations(op: OpDef, words: str) -> None:
    assert words in refused(one_op(op, TensorDef("x", (1, 4)), TensorDef("y", (1, 4))))


@pytest.mark.parametrize("count", [0, 2])
def test_subgraphs(count: int) -> None:
    model = write_model([TensorDef("x", (1,))], [], [0], [0], subgraph_n=count)
    assert f"has {count} subgraphs" in refused(model)


def test_graph_inputs_exist() -> None:
    assert "graph inputs" in refused(write_model([TensorDef("x", (1,))], [], [1], [0]))
    assert "graph outputs" in refused(write_model([TensorDef("x", (1,))], [], [0], [-1]))


def test_other_files(tmp_path: Path) -> None:
    for name, words in (
        ("model.txt", "model.txt is not a .tflite file (no TFL3 identifier); give a TensorFlow Lite flatbuffer"),
        ("model.h5", "it is a Keras model"),
        ("model.onnx", "it is an ONNX model"),
    ):
        (tmp_path / name).write_bytes(b"not a model at all")
        with pytest.raises(SdfaError) as caught:
            read_model(tmp_path / name)
        assert words in str(caught.value)


def test_unreadable_paths(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.tflite", tmp_path, "a\0b"):
        with pytest.raises(SdfaError, match="give the path"):
            read_model(path)


def test_read_model(tmp_path: Path) -> None:
    (tmp_path / "wake.tflite").write_bytes(small())
    graph, data = read_model(str(tmp_path / "wake.tflite"))
    assert (graph.name, data) == ("wake", small())


def test_truncated_at_every_length() -> None:
    whole = small()
    for size in range(len(whole)):
        survives(whole[:size])


@pytest.mark.parametrize("change", [0x01, 0x04, 0x80, 0xFF])
def test_every_byte_changed(change: int) -> None:
    whole = bytearray(small())
    for at in range(len(whole)):
        whole[at] ^= change
        survives(bytes(whole))
        whole[at] ^= change


def test_every_word_replaced() -> None:
    whole = small()
    for at in range(0, len(whole) - 3, 4):
        for word in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"):
            survives(whole[:at] + word + whole[at + 4 :])


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), min_size=1, max_size=8), st.integers(0, 40))
def test_random_damage(changes: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(small())
    for at, value in changes:
        data[at % len(data)] = value
    survives(bytes(data[: len(data) - cut]))


@given(st.binary(max_size=300))
def test_arbitrary_bytes(tail: bytes) -> None:
    survives(tail)
    survives(b"\x08\0\0\0TFL3" + tail)


@pytest.mark.shared
@pytest.mark.parametrize("name", MODELS)
def test_known_models(shared: Path, name: str) -> None:
    graph, data = read_model(shared / "models" / f"{name}.tflite")
    assert graph.name == name
    official = pytest.importorskip("tflite_micro.tensorflow.lite.micro.python.schema_py_generated")
    model = official.ModelT.InitFromObj(official.Model.GetRootAs(data, 0))
    _compare_tensors(graph, model)
    _compare_ops(graph, model, official)


def _compare_tensors(graph: Graph, model: Any) -> None:
    theirs = model.subgraphs[0].tensors
    assert len(graph.tensors) == len(theirs)
    for mine, other in zip(graph.tensors, theirs, strict=True):
        assert mine.shape == tuple(() if other.shape is None else other.shape)
        quantization = other.quantization
        scale = None if quantization is None else quantization.scale
        assert mine.scale.tolist() == ([] if scale is None else list(scale))
        data = model.buffers[other.buffer].data
        assert (mine.data is None) == (data is None or len(data) == 0)
        if mine.data is not None:
            assert mine.data.tobytes() == bytes(data)


def _compare_ops(graph: Graph, model: Any, official: Any) -> None:
    names = {value: key for key, value in vars(official.BuiltinOperator).items() if isinstance(value, int)}
    for mine, other in zip(graph.ops, model.subgraphs[0].operators, strict=True):
        code = model.operatorCodes[other.opcodeIndex]
        assert mine.kind == names[max(code.builtinCode, code.deprecatedBuiltinCode)]
        assert mine.inputs == tuple(other.inputs)
        assert mine.outputs == tuple(other.outputs)
        options = other.builtinOptions
        for key, field in (("stride_h", "strideH"), ("stride_w", "strideW"), ("depth_multiplier", "depthMultiplier"),
                           ("filter_h", "filterHeight"), ("filter_w", "filterWidth"), ("beta", "beta"),
                           ("keep_num_dims", "keepNumDims"), ("dilation_h", "dilationHFactor")):  # fmt: skip
            if key in mine.options:
                assert mine.options[key] == getattr(options, field)


def test_graphs_do_not_share_writable_memory() -> None:
    graph = load_tflite(small(), "net")
    assert all(t.data is None or not t.data.flags.writeable for t in graph.tensors)
    with pytest.raises(dataclasses.FrozenInstanceError):
        graph.name = "other"  # type: ignore[misc]
