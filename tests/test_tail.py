"""Which layers may learn: the last dense layers with a bias, in a chain of their own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.learning.tail import find_tail
from sdfa.lower import QGraph, lower
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.load import load_tflite
from tests.tflite_writer import Net, cnn, dense_net


def _graph(model: bytes) -> QGraph:
    return lower(fold_shapes(load_tflite(model, "net")))


def _chain(softmax: bool = True, **how: Any) -> QGraph:
    return _graph(dense_net(np.random.default_rng(0), (9, 8, 7, 5), softmax=softmax, per_channel=False, **how))


@pytest.mark.parametrize("softmax", [False, True])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_last_layers_first_to_last(softmax: bool, count: int) -> None:
    tail = find_tail(_chain(softmax), count)
    assert tail.softmax == softmax
    assert [(layer.in_n, layer.out_n) for layer in tail.layers] == [(9, 8), (8, 7), (7, 5)][3 - count :]


def test_two_layers_unless_asked() -> None:
    assert len(find_tail(_chain(), None).layers) == 2
    assert len(find_tail(_graph(cnn(np.random.default_rng(0), hidden=())), None).layers) == 1


def test_more_than_there_are() -> None:
    with pytest.raises(SdfaError, match=r"only 3 dense layers .*; 4 asked for: choose a smaller --train-last"):
        find_tail(_chain(), 4)
    for count in (0, -1):
        with pytest.raises(SdfaError, match="at least one layer must learn"):
            find_tail(_chain(), count)


def test_a_layer_without_bias_does_not_learn() -> None:
    with pytest.raises(SdfaError, match="only 0 dense layers with bias"):
        find_tail(_chain(bias=False), None)


def test_a_model_that_ends_in_a_convolution() -> None:
    model = Net(np.random.default_rng(0), (6, 6, 2)).conv(3).build()
    with pytest.raises(SdfaError, match="end the model in dense layers"):
        find_tail(_graph(model), None)


def test_an_output_that_others_read_ends_the_chain() -> None:
    """A skip around the last layer reads the one below it, which then cannot learn with it."""
    net = Net(np.random.default_rng(0), (6,)).dense(5).dense(5)
    skip = net.at
    net.dense(5).add(skip)
    model = net.dense(4, "NONE").build()
    assert len(find_tail(_graph(model), None).layers) == 1


def test_an_output_layer_with_an_activation() -> None:
    model = Net(np.random.default_rng(0), (6,)).dense(5, "RELU6").build()
    with pytest.raises(SdfaError, match="the output layer must have no activation"):
        find_tail(_graph(model), None)


def test_several_rows_do_not_learn() -> None:
    model = Net(np.random.default_rng(0), (3, 6)).dense(5, "NONE").build()
    with pytest.raises(SdfaError, match="only 0 dense layers"):
        find_tail(_graph(model), None)


def test_real_weights_are_weights_times_scale() -> None:
    layer = find_tail(_chain(), 1).layers[0]
    np.testing.assert_allclose(layer.real_weights(), layer.channels.weights * layer.channels.scale[:, None])
