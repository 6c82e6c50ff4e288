"""Frozen dense layers that read many zeros: who is marked, and that nothing but the time changes."""

from __future__ import annotations

from unittest import mock

import numpy as np
import numpy.typing as npt
import pytest

from sdfa.device.device import Device, Measure, Run
from sdfa.exporter import export as stages
from sdfa.exporter.estimate import CORES, estimates
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.exporter.untrained import Calibration, init_net
from sdfa.image.packing import repack
from sdfa.image.reader import Image, read_image, sections_of
from sdfa.image.records import DENSE, KEPT_HEADER, LAYER_KEEP, LAYER_PACKED, LAYER_TAIL, LAYER_ZEROS
from sdfa.image.writer import pack_image
from sdfa.targets import Host, Qemu
from sdfa.targets.base import Request
from sdfa.targets.codes import request_code, status_text
from sdfa.targets.machines import MACHINES
from sdfa.tflite.load import load_tflite
from sdfa.twin import infer
from tests.tflite_writer import Net
from tests.tiny_image import tiny_image

SIZES = (64, 32, 10)
LAST = Options(feedback="last")
BOARDS = ("microbit", "mps2-an385", "mps2-an386", "mps2-an505", "mps3-an547", "riscv32")
SKIPPING = ("microbit", "mps2-an385")


def samples(zeros: float, n: int = 200) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(3)
    return np.where(rng.random((n, SIZES[0])) < zeros, 0, rng.uniform(0.1, 1, (n, SIZES[0]))).astype(np.float32)


def marked(image: Image) -> list[int]:
    return [i for i, (kind, op) in enumerate(image.ops) if kind == "dense" and int(op["flags"]) & LAYER_ZEROS]


def init(zeros: float, sizes: tuple[int, ...] = SIZES, options: Options = LAST) -> Export:
    return init_net(sizes, "net", Calibration(samples(zeros)), 4.0, options)[0]


def without(zeros: float) -> Export:
    """The same net, of which no layer is marked."""
    with mock.patch.object(stages, "zero_layers", return_value=frozenset()):
        return init(zeros)


def inputs(n: int = 5) -> npt.NDArray[np.int8]:
    rng = np.random.default_rng(4)
    return np.where(rng.random((n, SIZES[0])) < 0.5, -128, rng.integers(-128, 128, (n, SIZES[0]))).astype(np.int8)


@pytest.mark.parametrize(("zeros", "found"), [(0.5, [0]), (0.36, [0]), (0.3, []), (0.0, [])])
def test_the_inputs_decide(zeros: float, found: list[int]) -> None:
    assert marked(init(zeros).image) == found


def test_what_learns_is_never_marked() -> None:
    assert marked(init(0.5, options=Options()).image) == []
    assert marked(init(0.0, (64, 40, 32, 10)).image) == [1]  # the silent neurons of the first layer
    assert marked(init(0.0, (64, 40, 32, 10), Options(feedback="random", train_last=2)).image) == []


@pytest.mark.parametrize("sizes", [(64, 3, 10), (31, 32, 10)])
def test_small_layers_are_not_worth_it(sizes: tuple[int, ...]) -> None:
    x = samples(0.5)[:, : sizes[0]]
    assert marked(init_net(sizes, "net", Calibration(x), 4.0, LAST)[0].image) == []


def _net() -> Net:
    return Net(np.random.default_rng(1), (6, 6, 4))


def test_without_inputs_a_relu_decides() -> None:
    frozen = Options(train_last=0)
    relu = load_tflite(_net().conv(4, 3).flatten().dense(8, "NONE").build(), "net")
    image = export_graph(relu, "net", frozen).image
    ops = [kind for kind, _ in image.ops]
    zero_point = int(image.tensors[int(image.ops[-1][1]["in"])]["zero_point"])
    assert (ops, zero_point, marked(image)) == (["conv", "dense"], -128, [1])
    pooled = load_tflite(_net().conv(8, 3).pool().flatten().dense(8, "NONE").build(), "net")
    assert marked(export_graph(pooled, "net", frozen).image) == []
    assert int(export_graph(pooled, "net", frozen).image.ops[-1][1]["in_n"]) == 72
    assert (
        marked(export_graph(load_tflite(_net().flatten().dense(8, "NONE").build(), "net"), "net", frozen).image) == []
    )


def test_the_biases_differ_by_the_zero_point() -> None:
    export = init(0.5)
    op = export.image.ops[0][1]
    folded, own = export.image.constant(int(op["bias"]), "<i4", 64).reshape(2, 32).astype(np.int64)
    sums = export.image.constant(int(op["weights"]), np.int8, 2048).reshape(32, 64).sum(axis=1, dtype=np.int64)
    assert np.array_equal(folded - own, 128 * sums)
    assert len(export.data) == len(without(0.5).data) + 4 * 32


def test_packing_and_back() -> None:
    data = init(0.5).data
    packed = repack(data, "dsp")
    flags = int(read_image(packed).ops[0][1]["flags"])
    assert flags & (LAYER_PACKED | LAYER_ZEROS) == LAYER_PACKED | LAYER_ZEROS
    assert repack(packed, "plain") == data
    assert np.array_equal(
        infer.run(read_image(packed), None, inputs()).output, infer.run(read_image(data), None, inputs()).output
    )


def test_the_report_of_what_was_left_out_counts_both_biases() -> None:
    assert init(0.5).report["left_out"] == without(0.5).report["left_out"]


def test_same_bytes_on_the_sanitized_host() -> None:
    wanted = infer.run(without(0.5).image, None, inputs()).output
    assert np.array_equal(infer.run(init(0.5).image, None, inputs()).output, wanted)
    assert np.array_equal(Device(Host(sanitize=True), init(0.5).data).run(inputs()), wanted)


@pytest.mark.qemu
@pytest.mark.parametrize("board", BOARDS)
def test_same_bytes_and_the_time(board: str) -> None:
    wanted = infer.run(without(0.5).image, None, inputs()).output
    runs = []
    for export in (without(0.5), init(0.5)):
        session = Device(Qemu(MACHINES[board], counting=True), export.data).session([Run(inputs()), Measure()])
        assert np.array_equal(session.outputs[0], wanted)
        runs.append(session.costs[0].run.mean)
    assert (runs[1] < 0.9 * runs[0]) if board in SKIPPING else runs[1] == runs[0]
    core = next(core for core, measured in CORES.items() if measured == board)
    before, after = (estimates(export.image)[core].run for export in (without(0.5), init(0.5)))
    assert abs((after / before) / (runs[1] / runs[0]) - 1) < 0.1


@pytest.mark.qemu
@pytest.mark.parametrize("board", SKIPPING)
def test_second_biases_behind_the_constants_are_refused(board: str) -> None:
    """By the cores that read them."""
    sections = dict(sections_of(tiny_image(learns=False)))
    op = np.frombuffer(sections[b"OPS "], DENSE).copy()
    header = read_image(tiny_image(learns=False)).header
    room = len(sections[b"DATA"]) - 4 * int(op[0]["out_n"])
    found, refused = [], "image is malformed: operation"
    for flags, bias in ((0, room), (LAYER_ZEROS, room), (LAYER_ZEROS, room - 8), (LAYER_ZEROS, room - 12)):
        op[0]["flags"], op[0]["bias"] = flags, bias
        parts = [*(sections | {b"OPS ": op.tobytes()}).items()]
        data = pack_image({name: header[name] for name in KEPT_HEADER}, parts)
        found.append(status_text(Qemu(MACHINES[board]).execute(data, [Request(request_code("OPEN"))])[0].status))
    assert found == ["ok", refused, refused, "ok"]


def test_the_output_layer_alone_learns() -> None:
    flags = [int(op["flags"]) for _, op in init(0.5).image.ops]
    assert [f & (LAYER_TAIL | LAYER_KEEP | LAYER_ZEROS) for f in flags] == [LAYER_ZEROS, LAYER_TAIL | LAYER_KEEP]
