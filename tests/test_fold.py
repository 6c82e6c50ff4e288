"""Folding of shape arithmetic: what goes, what stays, what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.graph import Graph
from sdfa.tflite.load import load_tflite, read_model
from tests.tflite_format import OpDef, TensorDef, write_model
from tests.tflite_writer import cnn


def constant(name: str, values: Sequence[int] | int, dtype: str = "int32") -> TensorDef:
    data = np.array(values, dtype)
    return TensorDef(name, data.shape, dtype, data=data)


def folded(tensors: Sequence[TensorDef], ops: Sequence[OpDef], outputs: Sequence[int] = (1,)) -> Graph:
    """Tensor 0 is the input."""
    return fold_shapes(load_tflite(write_model(tensors, ops, [0], outputs), "net"))


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.ops]


def reshape(source: tuple[int, ...], stored: tuple[int, ...], *shape: int) -> Graph:
    tensors = [TensorDef("x", source), TensorDef("y", stored), constant("shape", shape)]
    return folded(tensors, [OpDef("RESHAPE", (0, 2), (1,))])


@pytest.mark.parametrize("seed", range(3))
def test_an_open_batch_leaves_the_same_operations(seed: int) -> None:
    fixed, opened = (
        fold_shapes(load_tflite(cnn(np.random.default_rng(seed), open_batch=choice), "net")) for choice in (False, True)
    )
    assert kinds(fixed) == kinds(opened)
    assert {"SHAPE", "STRIDED_SLICE", "PACK"}.isdisjoint(kinds(opened))
    shapes = [[graph.tensors[op.outputs[0]].shape for op in graph.ops] for graph in (fixed, opened)]
    assert shapes[0] == shapes[1]
    assert all(len(op.inputs) == 1 for op in opened.ops if op.kind == "RESHAPE")


def test_places_and_tensor_indices_stay() -> None:
    before = load_tflite(cnn(np.random.default_rng(1), open_batch=True), "net")
    after = fold_shapes(before)
    assert [t.name for t in after.tensors] == [t.name for t in before.tensors]
    assert {(op.place, op.kind) for op in after.ops} < {(op.place, op.kind) for op in before.ops}
    assert [op.place for op in after.ops] == sorted(op.place for op in after.ops)


@pytest.mark.parametrize("given", [(1, 12), (-1, 12), (1, -1), (3, 4)])
def test_the_stored_shape_counts(given: tuple[int, ...]) -> None:
    assert reshape((1, 3, 4), (1, 12), *given).tensors[1].shape == (1, 12)


@pytest.mark.parametrize(("given", "shape"), [((-1, 6), (2, 6)), ((1, 12), (1, 12)), ((-1,), (12,))])
def test_a_stored_shape_that_does_not_fit_is_worked_out(given: tuple[int, ...], shape: tuple[int, ...]) -> None:
    # what a converter leaves when every dimension was open
    assert reshape((1, 3, 4), (1, 1), *given).tensors[1].shape == shape


@pytest.mark.parametrize("given", [(1, 13), (-1, 5), (-1, -1), (0, 12), (-2, -6), (-1, 0)])
def test_counts_must_match(given: tuple[int, ...]) -> None:
    with pytest.raises(SdfaError, match=r"net: operation 0 \(RESHAPE\) cannot turn shape \[1, 3, 4\] into"):
        reshape((1, 3, 4), (1, 1), *given)


def test_without_a_shape_operand_the_output_tells() -> None:
    tensors = [TensorDef("x", (1, 2, 3)), TensorDef("y", (1, 6))]
    assert folded(tensors, [OpDef("RESHAPE", (0,), (1,))]).tensors[1].shape == (1, 6)
    assert folded(tensors, [OpDef("RESHAPE", (0, -1), (1,))]).ops[0].inputs == (0,)
    with pytest.raises(SdfaError, match=r"cannot turn shape \[1, 2, 3\] into \[1, 5\]"):
        folded([tensors[0], TensorDef("y", (1, 5))], [OpDef("RESHAPE", (0,), (1,))])


def test_a_shape_that_is_an_input_is_refused() -> None:
    tensors = [TensorDef("x", (1, 6)), TensorDef("y", (1, 6)), TensorDef("shape", (2,), "int32")]
    model = write_model(tensors, [OpDef("RESHAPE", (0, 2), (1,))], [0, 2], [1])
    with pytest.raises(SdfaError, match="takes its shape from an input"):
        fold_shapes(load_tflite(model, "net"))


@pytest.mark.parametrize("inputs", [(), (-1,), (0, 2, 2)])
def test_a_damaged_reshape_is_refused(inputs: tuple[int, ...]) -> None:
    tensors = [TensorDef("x", (1, 6)), TensorDef("y", (1, 6)), constant("shape", (1, 6))]
    with pytest.raises(SdfaError, match="is damaged"):
        folded(tensors, [OpDef("RESHAPE", inputs, (1,))])


def test_what_cannot_be_folded_stays_to_be_named() -> None:
    tensors = [TensorDef("x", (1, 6)), TensorDef("y", (1, 6)), TensorDef("a", (2,), "int32"),
               TensorDef("b", (2,), "int32")]  # fmt: skip
    ops = [OpDef("SHAPE", (0,), (2,)), OpDef("GELU", (2,), (3,)), OpDef("RESHAPE", (0, 3), (1,))]
    graph = folded(tensors, ops)
    assert kinds(graph) == ["SHAPE", "GELU", "RESHAPE"]
    assert graph.ops[2].inputs == (0, 3)


def test_an_evaluated_output_of_the_model_stays() -> None:
    tensors = [TensorDef("x", (1, 6)), TensorDef("y", (2,), "int32")]
    assert kinds(folded(tensors, [OpDef("SHAPE", (0,), (1,))])) == ["SHAPE"]


def test_data_is_not_folded() -> None:
    tensors = [TensorDef("x", (1, 6), scale=(1.0,)), TensorDef("y", (1, 6), scale=(1.0,)),
               TensorDef("w", (1, 6), scale=(1.0,), data=np.ones((1, 6), np.int8))]  # fmt: skip
    assert kinds(folded(tensors, [OpDef("ADD", (2, 2), (1,))])) == ["ADD"]


def chain(*steps: tuple[str, tuple[TensorDef, ...], Mapping[str, int | str]], shape: tuple[int, ...]) -> Graph:
    """SHAPE of (2, 3, 4), the steps one after the other (each reads the last one and its constants), RESHAPE."""
    tensors = [TensorDef("x", (2, 3, 4)), TensorDef("y", (1, 1)), TensorDef("s", (3,), "int32")]
    ops, at = [OpDef("SHAPE", (0,), (2,), {"out_type": "int32"})], 2
    for kind, constants, options in steps:
        first = len(tensors)
        tensors += [*constants, TensorDef("t", (), "int32")]
        last = len(tensors) - 1
        ops.append(OpDef(kind, (at, *range(first, last)), (last,), options))
        at = last
    graph = folded(tensors, [*ops, OpDef("RESHAPE", (0, at), (1,))])
    assert kinds(graph) == ["RESHAPE"]
    assert graph.tensors[1].shape == shape
    return graph


def test_the_rules() -> None:
    one = (constant("begin", [0]), constant("end", [1]), constant("stride", [1]))
    cut = (constant("begin", [7]), constant("end", [2]), constant("stride", [1]))
    rest = constant("rest", -1)
    pack = ("PACK", (rest,), {"axis": 0, "values_count": 2})
    chain(("STRIDED_SLICE", one, {"shrink_axis_mask": 1}), pack, shape=(2, 12))
    chain(("STRIDED_SLICE", cut, {"begin_mask": 1}), ("CONCATENATION", (constant("n", [4]),), {}), shape=(2, 3, 4))
    chain(("STRIDED_SLICE", one, {"end_mask": 1}), shape=(2, 3, 4))
    chain(("GATHER", (constant("i", 1),), {"axis": 0}), pack, shape=(3, 8))
    chain(("GATHER", (constant("i", [2, 1, 0]),), {"axis": 0}), shape=(4, 3, 2))
    chain(("REDUCE_PROD", (constant("axis", [0]),), {"keep_dims": 1}), shape=(24,))
    chain(("REDUCE_PROD", (constant("axis", [0]),), {}), pack, shape=(24, 1))


def test_nonsense_stays_as_it_is() -> None:
    tensors = [TensorDef("x", (2, 3)), TensorDef("y", (2, 3)), TensorDef("s", (2,), "int32"),
               TensorDef("t", (), "int32"), constant("far", 9)]  # fmt: skip
    for op in (
        OpDef("GATHER", (2, 4), (3,), {"axis": 0}),
        OpDef("GATHER", (2, 4), (3,), {"axis": 5}),
        OpDef("GATHER", (2,), (3,), {"axis": 0}),
        OpDef("PACK", (2, 4), (3,), {"axis": 0}),
        OpDef("PACK", (), (3,), {"axis": 0}),
        OpDef("STRIDED_SLICE", (2, 4, 4, 4), (3,), {}),
        OpDef("REDUCE_PROD", (2, 4), (3,), {}),
    ):
        graph = folded(tensors, [OpDef("SHAPE", (0,), (2,)), op, OpDef("RESHAPE", (0, 3), (1,))])
        assert op.kind in kinds(graph)


@pytest.mark.shared
@pytest.mark.parametrize("name", ["kws_ref_model", "vww_96_int8", "pretrainedResnet_quant", "trained_lstm_int8"])
def test_known_models(shared: Path, name: str) -> None:
    before, _ = read_model(shared / "models" / f"{name}.tflite")
    after = fold_shapes(before)
    assert kinds(after) == kinds(before)
    assert [t.shape for t in after.tensors] == [t.shape for t in before.tensors]
