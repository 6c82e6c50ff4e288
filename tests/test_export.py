"""The exporter as a whole: options, what model.toml says, reports, files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdfa.device.device import Device, Set
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, export_file, export_graph, write_files
from sdfa.exporter.settings import ModelSettings
from sdfa.image.reader import sections_of
from sdfa.targets import Host
from sdfa.tflite.load import load_tflite
from sdfa.twin.layers import decode
from sdfa.twin.update import rate_of
from tests.tflite_writer import cnn, dense_net

NET = dense_net(np.random.default_rng(5), (12, 16, 9, 5), softmax=True, per_channel=True)
REGRESSION = dense_net(np.random.default_rng(5), (12, 16, 2), softmax=False, per_channel=False)


def _export(model: bytes = NET, **options: Any) -> Export:
    return export_graph(load_tflite(model, "net"), "net", Options(**options))


# --- options ---


def test_a_choice_goes_before_model_toml_and_that_before_the_default() -> None:
    said = ModelSettings(train_last=3, feedback="random", rate=0.5, threshold=0.25, seed=9, labels=("a", "b"))
    filled = Options(rate=0.125, train_last=0).filled(said)
    assert (filled.rate, filled.train_last) == (0.125, 0)
    assert (filled.feedback, filled.tau, filled.seed, filled.labels) == ("random", 0.25, 9, ("a", "b"))
    assert (filled.connections, filled.loss) == (None, None)
    assert Options(tau=0.0, seed=0).filled(said).tau == 0.0
    assert Options(feedback="last").filled(said).train_last is None


def test_defaults_suit_the_model() -> None:
    g = _export().report["learning"]
    assert (g["loss"], g["feedback"], g["connections"], len(g["layers"])) == ("softmax_ce", "live", 2, 2)
    g = _export(REGRESSION).report["learning"]
    assert (g["loss"], g["tau"], g["connections"]) == ("mse", 0.0, 2)
    assert _export(train_last=0).report["learning"] is None
    one = dense_net(np.random.default_rng(5), (12, 16, 1), softmax=False, per_channel=False)
    assert _export(one).report["learning"]["connections"] == 1


@pytest.mark.parametrize("feedback", ["aligned", "random", "dense", "bp", "last"])
def test_export_is_repeatable(feedback: str) -> None:
    assert _export(feedback=feedback).data == _export(feedback=feedback).data


def test_the_seed_matters_to_random_feedback() -> None:
    assert _export(feedback="random", seed=1).data != _export(feedback="random", seed=2).data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"feedback": "last", "train_last": 2}, "trains the output layer alone"),
        ({"train_last": 4}, "only 3 dense layers"),
        ({"loss": "mse"}, "ends in SOFTMAX"),
        ({"loss": "x"}, "unknown loss 'x'"),
        ({"connections": 6}, "between 1 and the number of outputs, 5"),
        ({"labels": ("a",)}, "1 label for a model with 5 outputs"),
        ({"seed": -1}, "seed -1: between 0"),
        ({"seed": 2**32}, "between 0 and 2\\^32 - 1"),
        ({"rate": 0.0}, "learning rate 0 does not fit"),
        ({"tau": 1.0}, "threshold 1 is out of range"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SdfaError, match=message):
        _export(**options)


def test_a_single_output_needs_squared_error() -> None:
    one = dense_net(np.random.default_rng(5), (12, 16, 1), softmax=False, per_channel=False)
    with pytest.raises(SdfaError, match="cross-entropy needs at least 2 outputs"):
        _export(one, loss="softmax_ce")


def test_useless_choices_are_refused() -> None:
    said = ModelSettings(feedback="bp", connections=2)
    Options().refuse_useless(said)
    Options(feedback="random", connections=1).refuse_useless(said)
    with pytest.raises(SdfaError, match="--connections has no use with --feedback bp"):
        Options(connections=1).refuse_useless(said)


# --- the learning rate ---


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 2**32 - 2) | st.integers(0, 31).map(lambda n: 2**n), st.sampled_from(["aligned", "bp"]))
def test_a_rate_is_refused_exactly_where_the_device_refuses_it(rate_q24: int, feedback: str) -> None:
    export = _export(feedback=feedback)
    try:
        rate_of(decode(export.image).layers, rate_q24)
        taken = True
    except SdfaError:
        taken = False
    device = Device(Host(), export.data)
    if taken:
        assert device.session([Set(rate_q24=rate_q24)]).state.rate_q24 == rate_q24
    else:
        with pytest.raises(SdfaError, match="learning rate does not fit"):
            device.session([Set(rate_q24=rate_q24)])


@pytest.mark.parametrize(("rate", "message"), [(200.0, "too large for trainable layer"), (6e-8, "too small")])
def test_no_image_starts_with_a_rate_that_the_device_refuses(rate: float, message: str) -> None:
    with pytest.raises(SdfaError, match=message):
        _export(rate=rate)


# --- calibration ---


def test_calibration_changes_aligned_tables_alone() -> None:
    x = np.random.default_rng(0).integers(-128, 128, (40, 12)).astype(np.int8)
    plain, calibrated = _export(train_last=3), _export(train_last=3, calib=x)
    assert plain.data != calibrated.data
    assert _export(feedback="bp", calib=x).data == _export(feedback="bp").data
    parts, others = dict(sections_of(plain.data)), dict(sections_of(calibrated.data))
    assert all(parts[tag] == others[tag] for tag in (b"TENS", b"TAIL", b"META"))


def test_the_report_says_what_aligned_tables_come_from() -> None:
    x = np.random.default_rng(0).integers(-128, 128, (40, 12)).astype(np.int8)
    ways: dict[str | None, dict[str, Any]] = {
        "product": {"feedback": "aligned"}, "mean": {"feedback": "live", "calib": x}, None: {"feedback": "random"},
    }  # fmt: skip
    for expected, options in ways.items():
        assert _export(train_last=3, **options).report["learning"]["jacobian"] == expected
    assert _export(feedback="live", train_last=2).report["learning"]["jacobian"] is None  # it has no table
    plain = _export(train_last=3, calib=x, jacobian="product")
    assert plain.data == _export(train_last=3).data


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"jacobian": "mean"}, "give some with --calib"),
        ({"jacobian": "median"}, "unknown Jacobian 'median'; known: mean, product"),
        ({"feedback": "random", "rank": 99}, "--rank 99: between 1 and"),
        ({"feedback": "live", "connections": 99}, "--connections 99: between 1 and the number of outputs"),
        ({"feedback": "live", "centred": True, "model": REGRESSION}, "--centred is for cross-entropy"),
    ],
)
def test_feedback_that_cannot_be_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SdfaError, match=message):
        _export(**options)


# --- report and files ---


def test_the_report_adds_up() -> None:
    export = _export(cnn(np.random.default_rng(2)))
    report, head = export.report, export.image.header
    assert json.loads(json.dumps(report)) == report
    assert report["macs"] == sum(op["macs"] for op in report["ops"])
    assert report["ram"]["arena"] == int(head["arena_len"])
    assert report["ram"]["tail"] == int(head["tail_len"])
    assert report["flash"]["image"] == len(export.data) == int(head["image_len"])
    ends = [block["off"] + block["len"] for block in report["ram"]["blocks"]]
    assert max(ends) <= report["ram"]["arena"]


def test_uncovered_outputs_are_a_warning() -> None:
    wide = dense_net(np.random.default_rng(5), (12, 4, 30), softmax=True, per_channel=False)
    (warning,) = _export(wide, feedback="aligned", connections=1, train_last=2).report["warnings"]
    assert "no neuron listens to 26 outputs" in warning


def test_files_are_those_of_the_name(tmp_path: Path) -> None:
    export = _export()
    files = write_files(export, tmp_path / "a" / "b")
    assert [f.name for f in files] == ["net.sdfa", "net.c", "net.h", "net.json"]
    assert sorted((tmp_path / "a" / "b").iterdir()) == sorted(files)
    assert files[0].read_bytes() == export.data
    assert json.loads(files[3].read_text()) == export.report
    write_files(export, tmp_path / "a" / "b")


def test_files_of_others_are_not_mixed_in(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(SdfaError, match=r"holds something else \(notes.txt\)"):
        write_files(_export(), tmp_path)
    with pytest.raises(SdfaError, match="is a file, not a folder"):
        write_files(_export(), tmp_path / "notes.txt")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]


def test_names_and_budgets_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "My Net-2.tflite"
    path.write_bytes(NET)
    assert export_file(path, None, Options()).name == "My_Net_2"
    assert export_file(path, None, Options(), ModelSettings(name="said")).name == "said"
    assert export_file(path, "Given", Options(), ModelSettings(name="said")).name == "Given"
    size = len(export_file(path, "n", Options()).data)
    export_file(path, "n", Options(), ModelSettings(flash=size))
    with pytest.raises(SdfaError, match=f"^flash: {size} bytes, the budget is {size - 1}"):
        export_file(path, "n", Options(), ModelSettings(flash=size - 1))
