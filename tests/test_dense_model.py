"""Dense nets in float as .tflite files: near the float net, the same in every interpreter, sound for odd nets."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.learning.feedback import products
from sdfa.tflite.dense_model import (
    DenseNet,
    Scaling,
    he_net,
    input_range,
    parse_sizes,
    quantize_dense,
    real_inputs,
    with_aligned_start,
)
from sdfa.tflite.graph import Graph
from sdfa.tflite.load import load_tflite
from sdfa.twin.infer import run
from sdfa.units import quantize_values
from tests.oracles import lite_rows, micro_rows

Array = npt.NDArray[Any]


def _inputs(n: int = 200, width: int = 20, seed: int = 0) -> npt.NDArray[np.float32]:
    return np.random.default_rng(seed).normal(0.3, 1, (n, width)).astype(np.float32)


def _graph(net: DenseNet, x: Array, scaling: Scaling) -> Graph:
    return load_tflite(quantize_dense(net, x, scaling), "net")


def _fixed_logits(graph: Graph, x: Array) -> Array:
    """What the integer twin makes of x, in real units."""
    export = export_graph(graph, "net", Options(train_last=0))
    a, z = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    q = run(export.image, None, quantize_values(x, float(a.scale[0]), int(a.zero_point[0]))).output
    return (q.astype(np.float64) - int(z.zero_point[0])) * float(z.scale[0])


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("sizes", [(20, 5), (20, 16, 12, 7)])
def test_the_file_computes_what_the_net_does(sizes: tuple[int, ...], per_channel: bool) -> None:
    net, x = he_net(sizes, np.random.default_rng(1)), _inputs()
    real = net.forward(x)[-1]
    off = np.abs(_fixed_logits(_graph(net, x, Scaling(1.0, per_channel)), x) - real).max()
    # half a unit of 127 in the output, and rounding of weights and hidden values to 1 % of their peaks
    assert off < (0.03 if per_channel else 0.05) * np.abs(real).max()


@pytest.mark.parametrize("rows", [micro_rows, lite_rows])
def test_interpreters_agree(rows: Callable[[bytes, Array], Array]) -> None:
    net, x = he_net((20, 16, 7), np.random.default_rng(2)), _inputs(50)
    model = quantize_dense(net, x, Scaling())
    export = export_graph(load_tflite(model, "net"), "net", Options(train_last=0))
    scale = input_range(x)
    q = quantize_values(x, scale.scale, scale.zero_point)
    assert np.array_equal(rows(model, q[:, None]), run(export.image, None, q).output)


@pytest.mark.parametrize("headroom", [1.0, 1.25, 4.0])
def test_headroom_is_kept_free(headroom: float) -> None:
    net, x = he_net((20, 16, 7), np.random.default_rng(3)), _inputs()
    graph = _graph(net, x, Scaling(headroom))
    hidden, logits = net.forward(x)
    by_name = {t.name: t for t in graph.tensors}
    for name, w in zip(("dense0/weights", "dense1/weights"), net.weights, strict=True):
        stored = by_name[name].data
        assert stored is not None
        assert np.abs(stored.astype(int)).max(axis=1) == pytest.approx(127 / headroom, abs=0.6)
        real = stored.astype(float) * by_name[name].scale[:, None]
        assert real == pytest.approx(w, abs=0.51 * float(by_name[name].scale.max()))
    assert by_name["dense0"].scale[0] * 255 == pytest.approx(headroom * hidden.max())
    assert by_name["logits"].scale[0] * 127 == pytest.approx(headroom * np.abs(logits).max())


def test_inputs_fit_exactly() -> None:
    x = np.array([[-1.0, 3.0, 0.0]], np.float32)
    found = input_range(x)
    q = quantize_values(x, found.scale, found.zero_point)
    assert q.tolist() == [[-128, 127, found.zero_point]]
    assert input_range(np.full((1, 3), 5, np.float32)).zero_point == -128  # 0 is always there
    assert input_range(-x - 4).zero_point == 127


def test_int8_inputs_are_taken_as_they_are() -> None:
    x = np.arange(-128, 128, dtype=np.int8).reshape(-1, 4)
    graph = _graph(he_net((4, 3), np.random.default_rng(0)), x, Scaling())
    t = graph.tensors[graph.inputs[0]]
    assert (float(t.scale[0]), int(t.zero_point[0])) == (1 / 128, 0)
    assert np.array_equal(quantize_values(real_inputs(x), 1 / 128, 0), x)


def test_the_input_keeps_its_shape() -> None:
    graph = _graph(he_net((12, 3), np.random.default_rng(0)), _inputs(9, 12).reshape(9, 2, 3, 2), Scaling())
    assert graph.tensors[graph.inputs[0]].shape == (1, 2, 3, 2)


def test_a_row_of_tiny_weights_does_not_limit_the_learning_rate() -> None:
    """In its own units a step of the third row would be 10,000 times that of the others."""
    weights = [np.array([[1.0, -1, 0], [0.5, 1, 1], [1e-4, 0, 0]]), np.array([[1.0, -1, 1], [-1, 1, 1]])]
    graph = _graph(DenseNet(weights, [np.zeros(3), np.zeros(2)]), _inputs(5, 3), Scaling(headroom=1.25))
    scales = next(t.scale for t in graph.tensors if t.shape == (3, 3))
    np.testing.assert_allclose(scales, np.array([1, 1, 1 / 32]) * 1.25 / 127, rtol=1e-6)


def test_rows_and_layers_of_zeros_are_sound() -> None:
    weights = [np.zeros((4, 3)), np.array([[0.0, 0, 0, 0], [1, -1, 2, 0]])]
    graph = _graph(DenseNet(weights, [np.zeros(4), np.zeros(2)]), _inputs(5, 3), Scaling())
    assert all(np.all(t.scale > 1e-6) for t in graph.tensors if t.dtype == "int8")
    export_graph(graph, "net", Options(train_last=2, feedback="random", loss="softmax_ce"))


@pytest.mark.parametrize("text", ["", "64", "64-", "-10", "a-b", "64-0-10", "64--10", "1-70000", "²-3", "64,32"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(SdfaError, match=r"^sizes "):
        parse_sizes(text)


def test_sizes() -> None:
    assert parse_sizes("784-100-10") == (784, 100, 10)


def test_what_is_no_chain_or_not_finite_is_refused() -> None:
    one, two = np.ones((3, 2)), np.ones((2, 4))
    with pytest.raises(SdfaError, match="no chain"):
        DenseNet([one, two], [np.ones(3), np.ones(2)])
    with pytest.raises(SdfaError, match="no chain"):
        DenseNet([one], [np.ones(2)])
    with pytest.raises(SdfaError, match="diverged"):
        DenseNet([one * np.nan], [np.ones(3)])
    with pytest.raises(SdfaError, match="calibration inputs of shape"):
        quantize_dense(DenseNet([one], [np.ones(3)]), np.ones((5, 3)), Scaling())
    with pytest.raises(SdfaError, match="headroom"):
        Scaling(0.5)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_an_aligned_start_leads_every_neuron_to_its_outputs(k: int) -> None:
    """With all of the weights serving it, the strongest k of a neuron's products are far above the others."""
    plain = he_net((30, 60, 50, 40, 10), np.random.default_rng(0))
    net = with_aligned_start(plain, k, 1.0, np.random.default_rng(1))
    for w, before in zip(net.weights, plain.weights, strict=True):
        assert np.linalg.norm(w) == pytest.approx(np.linalg.norm(before), rel=1e-5)
    assert net.weights[0] is plain.weights[0]
    for j in products([np.asarray(w, np.float64) for w in net.weights]):
        sizes = np.sort(np.abs(j), axis=1)[:, ::-1]
        assert np.mean(sizes[:, :k]) > 2.5 * np.mean(sizes[:, k:])
        count = np.bincount(np.argsort(-np.abs(j), axis=1)[:, :k].ravel(), minlength=10)
        assert count.min() > 0


def test_an_aligned_start_of_one_layer_is_sparse() -> None:
    net = with_aligned_start(he_net((8, 20, 6), np.random.default_rng(0)), 2, 0.5, np.random.default_rng(1))
    assert np.all(np.count_nonzero(net.weights[1], axis=0) == 2)
    assert np.all(net.weights[1].sum(axis=0) == pytest.approx(0, abs=1e-6))
    assert np.ptp(np.count_nonzero(net.weights[1], axis=1)) <= 1  # every output has as many neurons
