"""The memory map: from an image alone it finds what the planner knew, and its drawings show it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from sdfa.bundle import model_dir
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, export_graph
from sdfa.image.packing import repack
from sdfa.image.reader import Image, read_image, sections_of
from sdfa.image.records import TENSOR
from sdfa.image.writer import pack_image
from sdfa.lower.plan import Block
from sdfa.show.inspect import describe, picture
from sdfa.show.memory_map import MemoryMap, as_data, from_data, memory_map, overlaps, shades
from sdfa.show.memory_picture import draw_png
from sdfa.show.memory_text import ROWS, WIDTH, draw
from sdfa.tflite.load import read_model
from tests.clikit import done, one_line, runner
from tests.imagekit import Recipe, tail_of
from tests.samples import cnn_image, seeds
from tests.tflite_writer import Net, OpDef

DATA = Path(__file__).with_name("data")
MODELS = sorted(DATA.glob("*.tflite"))
LEARN = ("digits", "branches", "mobilenet", "signal")
KB = 1024
BARS = {  # issue: arena including scratch
    "ad01_int8": 2.2 * KB, "kws_ref_model": 16.5 * KB, "pretrainedResnet_quant": 51.5 * KB, "vww_96_int8": 56 * KB,
    "hello_world_int8": 0.1 * KB, "micro_speech_quantized": 7 * KB,
}  # fmt: skip


def exported(path: Path, train_last: int | None = 0) -> Export:
    return export_graph(read_model(path)[0], "net", Options(train_last=train_last))


def path_of(name: str) -> Path:
    return model_dir("digits") / "model.tflite" if name == "digits" else DATA / f"{name}.tflite"


def check_against_the_planner(export: Export) -> None:
    m, ram = memory_map(export.image), export.report["ram"]
    assert sorted(as_data(m)["blocks"], key=lambda b: b["name"]) == sorted(ram["blocks"], key=lambda b: b["name"])
    assert (m.arena_len, m.minimum) == (ram["arena"], ram["arena_minimum"])
    assert overlaps(m) == []
    assert m.arena_len == m.minimum, export.report["warnings"]


@pytest.mark.parametrize("path", MODELS, ids=lambda path: path.stem)
def test_models_of_the_converter(path: Path) -> None:
    check_against_the_planner(exported(path))


@pytest.mark.parametrize("name", LEARN)
def test_models_that_learn(name: str) -> None:
    export = exported(path_of(name), None)
    check_against_the_planner(export)
    assert memory_map(export.image).steps[-1] == "learn"


@pytest.mark.shared
@pytest.mark.parametrize("name", BARS)
def test_shared_models_need_the_minimum(shared: Path, name: str) -> None:
    export = exported(shared / "models" / f"{name}.tflite")
    check_against_the_planner(export)
    assert export.report["ram"]["arena"] <= BARS[name]


def test_packing_changes_nothing() -> None:
    image = exported(path_of("residual")).image
    packed = read_image(repack(exported(path_of("residual")).data, "dsp"))
    assert any(int(op["flags"]) & 4 for kind, op in packed.ops if kind == "conv")
    assert memory_map(packed) == memory_map(image)


def test_every_image_has_a_map() -> None:
    """Images by hand, with learned values, of every feedback: nothing overlaps, everything lies inside."""
    for name, data in seeds().items():
        m = memory_map(read_image(data))
        assert overlaps(m) == [], name
        assert all(0 <= m.offsets[b.name] <= m.arena_len - b.len for b in m.blocks), name
        assert max(m.use) <= m.arena_len
    m = memory_map(tail_of(Recipe()))
    assert {b.name for b in m.blocks} == {
        *(f"tensor {i}" for i in range(4)),
        "accumulators",
        "error",
        "delta",
    }
    assert overlaps(m) == []


def moved(data: bytes, tensor: int, off: int) -> Image:
    """The image with one tensor at another place."""
    head = read_image(data).header
    sections = []
    for tag, payload in sections_of(data):
        if tag == b"TENS":
            table = np.frombuffer(payload, TENSOR).copy()
            table[tensor]["off"] = off
            payload = table.tobytes()
        sections.append((tag, payload))
    kept = ("arena_len", "tail_len", "op_n", "tensor_n", "input", "output", "kernels")
    return read_image(pack_image({name: head[name] for name in kept}, sections))


def test_a_wrong_plan_is_seen() -> None:
    data = cnn_image()
    first = read_image(data).ops[0][1]
    assert overlaps(memory_map(read_image(data))) == []
    start = int(read_image(data).tensors[int(first["in"])]["off"])
    # the first convolution would write on its own input
    assert overlaps(memory_map(moved(data, int(first["out"]), start)))
    assert overlaps(memory_map(moved(data, int(first["out"]), start + 4)))


def a_map(n: int = 3, arena: int = 100) -> MemoryMap:
    """n operations in a chain, block i of 12 bytes living in the operations i and i + 1."""
    blocks = tuple(Block(f"tensor {i}", 12, max(i - 1, 0), i) for i in range(n + 1))
    offsets = {b.name: 12 * (i % 2) for i, b in enumerate(blocks)}
    return MemoryMap(blocks, offsets, ("conv",) * n, arena, 24, (24,) * n)


def lines_of(m: MemoryMap, width: int = WIDTH) -> list[str]:
    file = io.StringIO()
    console = Console(file=file, width=300, markup=False, highlight=False)
    console.print(draw(m, width))
    return file.getvalue().splitlines()


def test_text_of_a_small_map() -> None:
    lines = lines_of(a_map())
    assert lines[0].split() == ["offset", "bytes", "0", "1", "2"]
    top, upper, lower = (line.split(maxsplit=2) for line in lines[1:4])
    assert (top[:2], upper[:2], lower[:2]) == (["24", "76"], ["12", "12"], ["0", "12"])
    assert set(top[2]) <= {"·", " "}
    assert (upper[2].count("1"), upper[2].count("3"), lower[2].count("0"), lower[2].count("2")) == (1, 1, 1, 1)
    assert lines[5].split() == ["peak", "^"]
    assert lines[-1] == "peak: step 0 (conv), 24 bytes; arena 100; minimum 24"
    assert "tensor" not in "".join(lines[:5])


def test_a_missed_minimum_is_explained() -> None:
    m = a_map()
    high = MemoryMap(m.blocks, m.offsets | {"tensor 2": 88}, m.steps, 100, 24, m.use)
    text = lines_of(high)[-1]
    assert (
        text
        == "the arena is 76 bytes above its minimum of 24: no lower place for tensor 2 (12 bytes, operations 1 to 2)"
    )


@pytest.mark.parametrize("n", [0, 1, 7, 30, 90, 250])
@pytest.mark.parametrize("width", [60, 80, 100, 200])
def test_text_fits(n: int, width: int) -> None:
    m = a_map(n) if n else MemoryMap((), {}, (), 0, 0, ())
    lines = lines_of(m, width)
    assert max(map(len, lines)) <= min(width, WIDTH)
    # two characters for each operation are the least
    marks = [line for line in lines if line.startswith("  offset")]
    assert len(marks) == -(-n // ((min(width, WIDTH) - 16) // 2))


@pytest.mark.shared
def test_the_largest_shared_model_fits_the_terminal(shared: Path) -> None:
    m = memory_map(exported(shared / "models" / "vww_96_int8.tflite").image)
    lines = lines_of(m)
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= ROWS + 6
    assert "peak: step 2 (conv)" in lines[-1]


def test_neighbours_have_other_shades() -> None:
    m = memory_map(exported(path_of("branches")).image)
    found = shades(m, 4)
    clashes = 0
    for a in m.blocks:
        for b in m.blocks:
            side_by_side = m.offsets[a.name] + a.len == m.offsets[b.name] and a.first <= b.last and b.first <= a.last
            clashes += side_by_side and found[a.name] == found[b.name]
    assert clashes == 0


def test_a_map_survives_json() -> None:
    m = memory_map(exported(path_of("branches")).image)
    again = from_data(as_data(m))
    assert (lines_of(again), as_data(again)) == (lines_of(m), as_data(m))


def test_a_picture_is_a_png_of_many_colours() -> None:
    m = memory_map(exported(path_of("digits"), 3).image)
    png = draw_png(m, "digits")
    assert png.startswith(b"\x89PNG")
    from matplotlib import image as mpl_image

    pixels = mpl_image.imread(io.BytesIO(png))
    assert pixels.shape[0] > 500
    assert len(np.unique((pixels[..., :3] * 255).astype(int).reshape(-1, 3), axis=0)) > 8
    assert draw_png(MemoryMap((), {}, (), 0, 0, ()), "nothing").startswith(b"\x89PNG")


@pytest.mark.parametrize("image", [False, True])
def test_the_command(
    image: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = runner(capsys, monkeypatch)
    path, png, js = path_of("branches"), tmp_path / "map.png", tmp_path / "map.json"
    if image:
        path = tmp_path / "branches.sdfa"
        path.write_bytes(exported(path_of("branches")).data)
    text = done(run("inspect", path, "--picture", png, "--json", js)).out
    assert "peak: step 3 (copy)" in text
    assert png.read_bytes().startswith(b"\x89PNG")
    assert json.loads(js.read_text())["memory"] == as_data(memory_map(exported(path_of("branches")).image))
    assert "would be overwritten" in one_line(run("inspect", path, "--picture", path))


def test_a_model_that_cannot_be_exported_has_no_picture(tmp_path: Path) -> None:
    net = Net(np.random.default_rng(0), (4,)).dense(3)
    net.ops.append(OpDef("CUSTOM", (net.at,), (net.tensor(net.tensors[net.at]),), custom="Odd"))
    net.at = len(net.tensors) - 1
    (tmp_path / "odd.tflite").write_bytes(net.build())
    what = describe(tmp_path / "odd.tflite")
    assert "CUSTOM(Odd)" in what["refused"]
    with pytest.raises(SdfaError, match="no memory map"):
        picture(what)
