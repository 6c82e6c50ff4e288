"""The C source carries the bytes of the image, and names the sizes and kernels that it needs."""

from __future__ import annotations

import ctypes
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from sdfa.bundle import firmware_dir, runtime_sources
from sdfa.errors import SdfaError
from sdfa.exporter.export import Export, Options, export_graph, write_files
from sdfa.image.csource import c_name
from sdfa.image.packing import repack
from sdfa.targets.build import Program, build, host_compiler
from sdfa.targets.families import CORTEX_M
from sdfa.tflite.load import load_tflite
from tests.tflite_writer import cnn, dense_net

MODELS = {
    "cnn": (cnn(np.random.default_rng(1)), Options(feedback="aligned", train_last=2)),
    "frozen": (cnn(np.random.default_rng(1), softmax=False), Options(train_last=0)),
    "bp": (dense_net(np.random.default_rng(1), (6, 5, 4), softmax=True, per_channel=True), Options(feedback="bp")),
    "live": (dense_net(np.random.default_rng(1), (6, 5, 4), softmax=True, per_channel=True), Options(feedback="live")),
    "many": (
        dense_net(np.random.default_rng(1), (6, 5, 4), softmax=True, per_channel=True),
        Options(feedback="live", connections=3),
    ),
    "deep": (
        dense_net(np.random.default_rng(1), (6, 5, 4, 3), softmax=True, per_channel=True),
        Options(feedback="live", train_last=3),
    ),
    "mse": (dense_net(np.random.default_rng(1), (6, 5, 2), softmax=False, per_channel=True), Options(train_last=1)),
}


def _export(name: str) -> Export:
    model, options = MODELS[name]
    return export_graph(load_tflite(model, name), name, options)


@pytest.mark.parametrize("name", MODELS)
def test_the_source_holds_the_bytes_of_the_image(name: str) -> None:
    export = _export(name)
    words = re.findall(r"0x([0-9a-f]{8}),", export.csource.source)
    held = np.array([int(w, 16) for w in words], "<u4").tobytes()
    packed = repack(export.data, "dsp")
    assert held == (export.data if packed == export.data else packed + export.data)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("core", "packing"), [("cortex-m4", "dsp"), ("cortex-m3", "plain"), ("cortex-m55 -mfloat-abi=hard", "plain")]
)
def test_the_compiler_picks_the_packing_of_its_core(core: str, packing: str, tmp_path: Path) -> None:
    export = _export("cnn")
    assert repack(export.data, "dsp") != export.data
    write_files(export, tmp_path / "out")
    includes = [f"-I{firmware_dir() / 'src'}", f"-I{tmp_path / 'out'}"]
    made, raw = tmp_path / "model.o", tmp_path / "image.bin"
    flags = ["-std=c99", "-mthumb", "-fdata-sections", *f"-mcpu={core}".split(), *includes, "-c"]
    subprocess.run([CORTEX_M.tool("gcc"), *flags, tmp_path / "out" / "cnn.c", "-o", made], check=True)
    subprocess.run([CORTEX_M.tool("objcopy"), "-O", "binary", "-j", ".rodata.cnn_image", made, raw], check=True)
    assert raw.read_bytes() == repack(export.data, packing)


@pytest.mark.parametrize("name", MODELS)
def test_the_header_has_the_sizes_of_the_image(name: str) -> None:
    export = _export(name)
    sizes = {k: int(v) for k, v in re.findall(rf"#define {name.upper()}_(\w+) (\d+)u", export.csource.header)}
    head = export.image.header
    assert sizes["IMAGE_LEN"] == len(export.data)
    assert sizes["ARENA_LEN"] == int(head["arena_len"])
    assert sizes["TAIL_LEN"] == int(head["tail_len"])
    assert sizes["INPUT_LEN"] == int(np.prod(export.image.meta["input"]["shape"]))
    assert sizes["OUTPUT_LEN"] == int(np.prod(export.image.meta["output"]["shape"]))


@pytest.mark.parametrize("name", MODELS)
def test_only_what_the_model_needs_is_named(name: str) -> None:
    export = _export(name)
    source = export.csource.source
    assert set(re.findall(r"&sdfa_kernel_(\w+),", source)) == {kind for kind, _ in export.image.ops}
    expected = {"cnn": {"softmax_ce"}, "frozen": set(), "mse": {"mse"}}.get(name, {"softmax_ce"})
    assert set(re.findall(r"&sdfa_loss_(\w+)", source)) == expected
    rules = {
        "cnn": {"table"},
        "frozen": set(),
        "bp": {"bp"},
        "live": {"live_two"},
        "many": {"live"},
        "deep": {"table", "live_two"},
        "mse": set(),
    }[name]
    assert set(re.findall(r"&sdfa_feedback_(\w+)", source)) == rules
    assert set(re.findall(r"&sdfa_update_(\w+)", source)) == (set() if name == "frozen" else {"int8"})


@pytest.mark.parametrize("name", MODELS)
def test_compiled_it_is_the_image(name: str, tmp_path: Path) -> None:
    """The array in the object code equals the .sdfa, byte for byte; the runtime links with nothing missing."""
    export = _export(name)
    write_files(export, tmp_path / "out")
    src = firmware_dir() / "src"
    program = Program(
        name="model.so",
        compiler=host_compiler(),
        library=runtime_sources(),
        sources=(tmp_path / "out" / f"{name}.c",),
        include_dirs=(src, tmp_path / "out"),
        flags=("-std=c99", "-Wall", "-Wextra", "-Werror", "-fPIC"),
        link_flags=("-shared", "-Wl,--no-undefined"),
    )
    library = build(program)
    words = (ctypes.c_uint32 * (len(export.data) // 4)).in_dll(ctypes.CDLL(str(library)), f"{name}_image")
    assert bytes(words) == export.data


def test_names_become_identifiers() -> None:
    assert c_name("My model-v2.1") == "My_model_v2_1"
    assert c_name("__x__") == "x"
    assert c_name("grün") == "gr_n"
    for bad in ("", "2nd", "---", "ü"):
        with pytest.raises(SdfaError, match="does not make a C name; give one with --name"):
            c_name(bad)
