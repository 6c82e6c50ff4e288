"""The README's promises: its C example builds and runs, its numbers are what the commands print."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from sdfa.bundle import firmware_dir, model_dir
from sdfa.demo import run_demo
from sdfa.export import Options, export_file, write_files
from sdfa.load import read_model
from sdfa.quantize import SUPPORTED_OPS
from sdfa.settings import beside
from sdfa.targets.build import host_compiler

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-fsanitize=address,undefined"]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("digits") / "out"
    model = model_dir("digits") / "model.tflite"
    result = export_file(model, None, Options(), beside(model, read_model(model)[0].sha256))
    write_files(result, folder)
    return folder


def test_c_example_learns(exported: Path, tmp_path: Path) -> None:
    (example,) = re.findall(r"```c\n(.*?)```", README, re.DOTALL)
    (tmp_path / "main.c").write_text(example)
    sources = [tmp_path / "main.c", exported / "digits.c", *sorted((firmware_dir() / "src").glob("*.c"))]
    program = tmp_path / "example"
    includes = [f"-I{firmware_dir() / 'src'}", f"-I{exported}"]
    subprocess.run([*host_compiler(), *STRICT, *includes, "-o", program, *sources], check=True)
    done = subprocess.run([program], check=True, capture_output=True, text=True)
    assert done.stdout == "after 20 steps the guess is 7\n"


def test_demo_table_is_what_the_demo_prints(tmp_path: Path) -> None:
    result = run_demo(tmp_path, "mirror", "host", Console(quiet=True))
    for name, row in result["rules"].items():
        share = 100 * row.get("weights_updated", 0) / row.get("weights_total", 1)
        line = f"| {name} | {100 * row['before']:.1f} % | {100 * row['after']:.1f} % | {share:.1f} % |"
        assert line in README, line
    assert result["mismatching_bytes"] == 0


def test_memory_table_is_what_export_prints(exported: Path) -> None:
    model = model_dir("digits") / "model.tflite"
    said = beside(model, read_model(model)[0].sha256)
    report = export_file(model, None, Options(), said).report
    parts = [report["ram"]["arena"], report["ram"]["tail"], report["ram"]["state"], report["flash"]["image"]]
    rows = re.findall(r"│ (?:RAM|flash) +│ ([\d,]+) +│", README)
    assert [int(r.replace(",", "")) for r in rows] == parts


def test_supported_operations_are_all_named() -> None:
    (line,) = re.findall(r"Supported operations: (.*?)\.", README)
    assert set(line.split(", ")) == set(SUPPORTED_OPS)
