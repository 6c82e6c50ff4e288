"""The integer twin: its learning step against a scalar transcription, its inference against big integers and TFLM."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import read_image
from sdfa.image.records import ADD, CONV, POOL
from sdfa.image.writer import learned_section
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.load import load_tflite, read_model
from sdfa.twin import infer
from sdfa.twin.error import probabilities
from sdfa.twin.learn import Twin, _Pass
from tests.imagekit import Data, Recipe, inputs, op_image, tail_image, tail_of, with_learned
from tests.oneop import oracle_run, random_input, random_oneop
from tests.step_oracle import Step, clamp, mbqm
from tests.tflite_writer import Net

DEEP, FLAT = (20, 12, 9, 5), (7, 4)
RECIPES = [
    Recipe(DEEP),
    Recipe(DEEP, feedback="random", k=1, seed=2),
    Recipe(DEEP, feedback="dense", activation="RELU6", seed=3),
    Recipe(DEEP, feedback="bp", seed=4),
    Recipe((5, 3, 2), feedback="bp", activation="NONE", tau=0, seed=5),
    Recipe(DEEP, feedback="live", k=1, tau=0, seed=7),
    Recipe(DEEP, feedback="live", k=1, centred=True, seed=8),
    Recipe((5, 9, 7), feedback="live", k=3, centred=True, activation="NONE", tau=0, seed=9),
    Recipe(FLAT, feedback="last", seed=6),
    Recipe(DEEP, seed=7, rate=1.0, tau=0),
    Recipe(DEEP, seed=8, rate=0.002, frozen=3),
    Recipe((9, 6, 300), seed=9, tau=0, k=3),
    Recipe(DEEP, seed=10, weight_max=20, rate=0.5, activation="NONE"),
    Recipe(DEEP, seed=11, master_bits=8),
    Recipe(DEEP, seed=12, rate=1.0, tau=0, feedback="bp", master_bits=8),
]


def _state(twin: Twin) -> tuple[object, ...]:
    weights = [w.tolist() for w in twin.weights]
    fractions = [None if f is None else f.tolist() for f in twin.fractions]
    return weights, fractions, [b.tolist() for b in twin.biases], twin.random, dataclasses.asdict(twin.stats)


def _oracle_state(oracle: Step) -> tuple[object, ...]:
    return oracle.weights, oracle.fractions, oracle.biases, oracle.random, oracle.stats


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.feedback}-{r.seed}-{r.master_bits}")
def test_step_equals_the_specification(recipe: Recipe) -> None:
    image = tail_of(recipe)
    twin, oracle = Twin(image), Step(image)
    rng = np.random.default_rng(recipe.seed)
    x, y = inputs(rng, 40, recipe.sizes[0]), rng.integers(0, recipe.sizes[-1], 40)
    twin.learn_many(x, y)
    for q, label in zip(x, y, strict=True):
        oracle.learn(q.tolist(), int(label), twin.rate_q24, twin.tau_q15)
    assert _state(twin) == _oracle_state(oracle)
    assert twin.stats.moved > 0


@pytest.mark.parametrize("feedback", ["aligned", "bp", "live"])
def test_squared_error_equals_the_specification(feedback: str) -> None:
    image = tail_of(Recipe(DEEP, feedback=feedback, loss="mse", tau=0.01, rate=0.5))
    twin, oracle = Twin(image), Step(image)
    rng = np.random.default_rng(1)
    for q in inputs(rng, 30, DEEP[0]):
        target = rng.integers(-32768, 32768, DEEP[-1])
        twin.learn_target(q, target)
        oracle.learn(q.tolist(), target.tolist(), twin.rate_q24, twin.tau_q15)
    assert _state(twin) == _oracle_state(oracle)
    assert twin.stats.moved > 0


@pytest.mark.parametrize("feedback", ["aligned", "random", "dense", "bp", "last", "live"])
@pytest.mark.parametrize("per_channel", [False, True])
def test_step_of_an_exported_model_equals_the_specification(feedback: str, per_channel: bool) -> None:
    net = Net(np.random.default_rng(20), (30,))
    for n in (16, 11):
        net.dense(n, per_channel=per_channel)
    model = net.dense(6, "NONE", per_channel=per_channel).softmax().build()
    image = export_graph(load_tflite(model, "net"), "net", Options(feedback=feedback, rate=0.1)).image
    twin, oracle = Twin(image), Step(image)
    rng = np.random.default_rng(21)
    x, y = inputs(rng, 30, 30), rng.integers(0, 6, 30)
    q = twin.features(x)
    twin.learn_many(x, y)
    for sample, label in zip(q, y, strict=True):
        oracle.learn(sample.tolist(), int(label), twin.rate_q24, twin.tau_q15)
    assert _state(twin) == _oracle_state(oracle)
    assert twin.stats.moved > 0


@pytest.mark.parametrize(("centred", "before", "after"), [(False, (0, 50), (3, -60)), (True, (2, -37.5), (3, -65))])
def test_live_feedback_follows_the_weights(centred: bool, before: tuple[int, float], after: tuple[int, float]) -> None:
    """Weights (50, 40, -10, 30, 1) of a neuron; then the fourth learns to be -60. Output 4 has no error."""
    twin = Twin(tail_of(Recipe((5, 3, 5), feedback="live", k=1, centred=centred, activation="NONE", tau=0)))
    layer = dataclasses.replace(twin.layers[-1], sigma=np.full(5, 1 << 15))
    twin.layers = (twin.layers[0], layer)
    e = np.array([10000, -4000, -3000, -3000, 0])
    twin.weights[-1][:, 1] = (50, 40, -10, 30, 1)
    hidden = np.zeros(3, np.int8)
    seen = _Pass([], [hidden, np.zeros(5, np.int8)], np.zeros(5, np.int64))
    for output, weight in (before, after):
        assert int(twin._deltas(seen, e)[0][1]) == (int(8 * weight) * int(e[output]) + (1 << 10)) >> 11
        twin.weights[-1][3, 1] = -60


def test_saturation_is_counted() -> None:
    twin = Twin(tail_of(Recipe(DEEP, rate=1.5, tau=0)))
    rng = np.random.default_rng(2)
    twin.learn_many(inputs(rng, 60, DEEP[0]), rng.integers(0, 5, 60))
    assert twin.stats.saturated_weights > 0
    assert all(int(np.abs(w.astype(int)).max()) <= 127 for w in twin.weights)


def test_bias_stays_consistent_with_its_folded_zero_point() -> None:
    """Without the bias's own step, bias + z·Σw never changes: the fold follows the weights."""
    image = tail_of(Recipe(FLAT, feedback="last"))
    twin = Twin(image)
    layer = twin.layers[0]
    before = twin.biases[0] + layer.z_in * twin.weights[0].astype(np.int64).sum(axis=1)
    rng = np.random.default_rng(3)
    twin.learn_many(inputs(rng, 20, FLAT[0]), rng.integers(0, 4, 20))
    after = twin.biases[0] + layer.z_in * twin.weights[0].astype(np.int64).sum(axis=1)
    # a bias unit is s_a · s_w: a step of the bias alone is small beside a refold
    assert np.abs(after - before).max() < 2000
    assert (after != before).any()


def test_same_seed_same_bytes_and_one_by_one_equals_many() -> None:
    image = tail_of(Recipe(DEEP))
    rng = np.random.default_rng(4)
    x, y = inputs(rng, 30, DEEP[0]), rng.integers(0, 5, 30)
    many, single, other = Twin(image), Twin(image), Twin(image)
    guesses = many.learn_many(x, y)
    other.random = 12345
    other.learn_many(x, y)
    assert guesses.tolist() == [single.learn(q, int(c)) for q, c in zip(x, y, strict=True)]
    assert many.tail_bytes() == single.tail_bytes() != other.tail_bytes()


def test_learning_lowers_the_loss() -> None:
    rng = np.random.default_rng(5)
    x = inputs(rng, 40, 20)
    y = rng.integers(0, 5, 40)
    twin = Twin(tail_of(Recipe(DEEP, feedback="bp", rate=0.02, weight_max=60)))
    twin.learn_many(x, y)
    first = twin.stats.loss
    for _ in range(20):
        twin.learn_many(x, y)
    before_last = twin.stats.loss
    twin.learn_many(x, y)
    assert twin.stats.loss - before_last < first / 3


def test_a_step_without_error_draws_nothing() -> None:
    twin = Twin(tail_of(Recipe(DEEP)))
    twin.tau_q15 = 65535
    random, tail = twin.random, twin.tail_bytes()
    twin.learn(inputs(np.random.default_rng(6), 1, DEEP[0])[0], 1)
    assert (twin.random, twin.tail_bytes(), twin.stats.steps) == (random, tail, 1)
    assert twin.stats.weights_nonzero == 0


def test_frozen_rows_stay() -> None:
    twin = Twin(tail_of(Recipe(DEEP, frozen=2, tau=0)))
    before = [w[:2].copy() for w in twin.weights]
    rng = np.random.default_rng(7)
    twin.learn_many(inputs(rng, 30, DEEP[0]), rng.integers(0, 5, 30))
    assert all((w[:2] == b).all() for w, b in zip(twin.weights, before, strict=True))
    assert all((w[2:] != 0).any() for w in twin.weights)


def test_rates_that_do_not_fit_are_refused() -> None:
    twin = Twin(tail_of(Recipe(DEEP)))
    rate = twin.rate_q24
    for bad in (0, -1, 1 << 32, (1 << 32) - 1, 1):
        with pytest.raises(SdfaError, match=r"refused|too large|too small"):
            twin.set_rate(bad)
    assert twin.rate_q24 == rate
    accepted = []
    for exponent in range(32):
        try:
            twin.set_rate(1 << exponent)
            accepted.append(exponent)
        except SdfaError:
            continue
    assert accepted == list(range(accepted[0], accepted[-1] + 1))
    assert len(accepted) >= 10


def test_learned_values_are_taken_up() -> None:
    data = tail_image(Recipe(DEEP))
    twin = Twin(read_image(data))
    rng = np.random.default_rng(8)
    x, y = inputs(rng, 30, DEEP[0]), rng.integers(0, 5, 30)
    twin.learn_many(x[:15], y[:15])
    learned = Twin(
        read_image(
            with_learned(
                data, learned_section(twin.tail_bytes(), twin.stats.steps, twin.random, twin.rate_q24, twin.tau_q15)
            )
        )
    )
    assert learned.stats.steps == 15
    for t in (twin, learned):
        t.learn_many(x[15:], y[15:])
    assert twin.tail_bytes() == learned.tail_bytes()
    assert Twin(learned.image, learned=False).tail_bytes() == learned.image.tail
    assert (learned.run(x).output == twin.run(x).output).all()


def test_thousand_steps_are_quick() -> None:
    twin = Twin(tail_of(Recipe((100, 48, 32, 10), tau=0)))
    rng = np.random.default_rng(9)
    start = time.perf_counter()
    twin.learn_many(inputs(rng, 1000, 100), rng.integers(0, 10, 1000))
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("rounding", ["nearest", "truncate"])
def test_other_roundings_draw_nothing_into_the_weights(rounding: str) -> None:
    image = tail_of(Recipe(DEEP))
    rng = np.random.default_rng(10)
    x, y = inputs(rng, 20, DEEP[0]), rng.integers(0, 5, 20)
    tails = []
    for seed in (1, 2):
        twin = Twin(image, rounding="nearest" if rounding == "nearest" else "truncate")
        twin.random = seed
        twin.learn_many(x, y)
        tails.append(twin.tail_bytes())
    assert tails[0] == tails[1]


def test_plain_threshold_leaves_one_sided_errors() -> None:
    image = tail_of(Recipe(DEEP, weight_max=20))
    rng = np.random.default_rng(11)
    x, y = inputs(rng, 200, DEEP[0]), rng.integers(0, 5, 200)
    plain, kept = Twin(image, threshold="plain"), Twin(image)
    for twin in (plain, kept):
        twin.tau_q15 = 6000
        twin.learn_many(x, y)
    assert plain.tail_bytes() != kept.tail_bytes()


def test_probabilities_are_those_of_softmax() -> None:
    rng = np.random.default_rng(12)
    for classes in (2, 3, 10, 1000):
        for spread in (1, 100, 5000, 10**6, 2**31 - 1):
            z = rng.integers(-spread, spread, classes)
            p, _ = probabilities(z)
            real = np.exp2((z - z.max()) / 4096.0)
            assert np.abs(p / 32768 - real / real.sum()).max() < 2e-4, (classes, spread)


def test_bad_requests_are_refused_in_one_line() -> None:
    twin = Twin(tail_of(Recipe(DEEP)))
    x = inputs(np.random.default_rng(13), 3, DEEP[0])
    bad: list[Callable[[], object]] = [
        lambda: twin.learn_many(x, [0, 1]), lambda: twin.learn_many(x, [0, 1, 5]),
        lambda: twin.learn_many(x, [0, 1, -1]), lambda: twin.learn_many(x, [0.0, 1.0, 2.0]),
        lambda: twin.learn_many(x[:, :-1], [0, 1, 2]), lambda: twin.learn_target(x[0], [0] * 5),
        lambda: twin.run(x.astype(np.int16)), lambda: infer.run(twin.image, b"", x),
    ]  # fmt: skip
    for call in bad:
        with pytest.raises(SdfaError) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_no_samples_leave_everything() -> None:
    twin = Twin(tail_of(Recipe(DEEP)))
    x = np.zeros((0, DEEP[0]), np.int8)
    assert twin.learn_many(x, np.zeros(0, np.int64)).shape == (0,)
    assert twin.run(x).output.shape == (0, DEEP[-1])


# --- inference ---


@pytest.mark.parametrize("depthwise", [False, True])
def test_convolution_equals_plain_loops(depthwise: bool) -> None:
    rng = np.random.default_rng(14)
    for _ in range(20):
        in_c, m = (int(v) for v in rng.integers(1, 4, 2))
        out_c = in_c * m if depthwise else m + 1
        h, w, oh, ow, kh, kw, sh, sw, dh, dw = (int(v) for v in rng.integers(1, 5, 10))
        top, left = int(rng.integers(0, kh * dh)), int(rng.integers(0, kw * dw))
        data, z_in, z_out = Data(), int(rng.integers(-128, 128)), int(rng.integers(-128, 128))
        shape = (kh, kw, out_c) if depthwise else (out_c, kh, kw, in_c)
        weights, bias = rng.integers(-128, 128, shape), rng.integers(-(2**31), 2**31, out_c)
        mult, shift = rng.integers(2**30, 2**31, out_c), rng.integers(-20, 2, out_c)
        image = read_image(
            op_image(
                CONV, data, [(h, w, in_c), (oh, ow, out_c)], [z_in, z_out], kind=3 if depthwise else 2,
                weights=data.add(weights, np.int8), bias=data.add(bias, "<i4"), mult=data.add(mult, "<i4"),
                shift=data.add(shift, np.int8), kh=kh, kw=kw, stride_h=sh, stride_w=sw, dil_h=dh, dil_w=dw,
                pad_top=top, pad_left=left, act_min=-100, act_max=120,
            )
        )  # fmt: skip
        x = inputs(rng, 2, h * w * in_c)
        got = infer.run(image, None, x).output.reshape(2, oh, ow, out_c)
        for n, oy, ox, o in np.ndindex(2, oh, ow, out_c):
            acc = int(bias[o])
            for ky, kx in np.ndindex(kh, kw):
                y, xx = oy * sh - top + ky * dh, ox * sw - left + kx * dw
                inside = 0 <= y < h and 0 <= xx < w
                cell = x[n].reshape(h, w, in_c)[y, xx].tolist() if inside else [z_in] * in_c
                taps = [int(weights[ky, kx, o])] if depthwise else weights[o, ky, kx].tolist()
                cell = [cell[o // m]] if depthwise else cell
                acc += sum(a * b for a, b in zip(taps, cell, strict=True))
            acc = (acc + 2**31) % 2**32 - 2**31
            wanted = clamp((mbqm(acc, int(mult[o]), int(shift[o])) + z_out + 2**31) % 2**32 - 2**31, -100, 120)
            assert got[n, oy, ox, o] == wanted


def test_average_pool_rounds_away_from_zero() -> None:
    image = read_image(
        op_image(
            POOL, Data(), [(2, 2, 1), (1, 1, 1)], [0, 0], kind=4, kh=2, kw=2, stride_h=1, stride_w=1, act_min=-128,
            act_max=127,
        )
    )  # fmt: skip
    x = inputs(np.random.default_rng(15), 500, 4)
    for cells, got in zip(x.tolist(), infer.run(image, None, x).output.ravel().tolist(), strict=True):
        total = sum(cells)
        assert got == (1 if total > 0 else -1) * ((abs(total) + 2) // 4)


def test_add_equals_its_formula() -> None:
    image = read_image(
        op_image(
            ADD, Data(), [(1, 1, 256), (1, 1, 256)], [5, -7], kind=6, in1=0, mult0=1 << 30, shift0=0,
            mult1=1900000000, shift1=-3, mult_out=1300000000, shift_out=-18, act_min=-128, act_max=127,
        )
    )  # fmt: skip
    q = np.arange(-128, 128, dtype=np.int8)
    got = infer.run(image, None, q[None]).output[0].tolist()
    terms = [mbqm((v - 5) << 20, 1 << 30, 0) + mbqm((v - 5) << 20, 1900000000, -3) for v in range(-128, 128)]
    assert got == [clamp(mbqm(t, 1300000000, -18) - 7, -128, 127) for t in terms]


@pytest.mark.parametrize("block", range(4))
def test_single_operations_equal_the_oracle(block: int) -> None:
    pytest.importorskip("tflite_micro", reason="the oracle needs Linux on x86-64")
    for seed in range(1000 + 50 * block, 1050 + 50 * block):
        rng = np.random.default_rng(seed)
        model, description = random_oneop(rng)
        graph = load_tflite(model, "oneop")
        if not fold_shapes(graph).ops or description.startswith("RESHAPE"):
            continue
        image = export_graph(graph, "oneop", Options(train_last=0)).image
        x = np.stack([random_input(rng, graph.tensors[graph.inputs[0]].shape) for _ in range(4)])
        want = np.stack([oracle_run(model, q).ravel() for q in x])
        got = infer.run(image, None, x.reshape(4, -1)).output
        assert (got == want).all(), description


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["ad01_int8", "hello_world_int8", "kws_ref_model", "micro_speech_quantized", "pretrainedResnet_quant",
             "vww_96_int8"],
)  # fmt: skip
def test_real_models_equal_the_oracle(shared: Path, name: str) -> None:
    graph, _ = read_model(shared / "models" / f"{name}.tflite")
    image = export_graph(graph, "model", Options(train_last=0)).image
    with np.load(shared / "models" / f"{name}.golden.npz") as golden:
        for kind in ("rand", "real"):
            if f"X_{kind}" in golden.files:
                x, want = golden[f"X_{kind}"], golden[f"tflm_{kind}"]
                got = infer.run(image, None, x.reshape(len(x), -1)).output
                assert (got == want.reshape(len(x), -1)).all()
