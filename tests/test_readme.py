"""The README's promises: its C example builds and runs, its numbers are what the commands print."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from rich.console import Console

from sdfa.bundle import firmware_dir, model_dir, runtime_sources
from sdfa.exporter.export import Options, export_file, write_files
from sdfa.exporter.settings import beside
from sdfa.lower import SUPPORTED_OPS
from sdfa.start.demo import ADAPT_SAMPLES, EPOCHS, RULES, changed_digits, run_demo
from sdfa.targets import target_names
from sdfa.targets.build import host_compiler
from sdfa.tflite.load import read_model
from tests.clikit import Cli, done

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
    sources = [tmp_path / "main.c", exported / "digits.c", *runtime_sources()]
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


def _demo_numbers() -> dict[str, int]:
    """What the text says of the demo: a phrase, and the number that must stand in it."""
    unseen = len(changed_digits("mirror")[1].x)
    return {"from {} labelled samples": ADAPT_SAMPLES, "the accuracy is on {} unseen samples": unseen}


def test_numbers_around_the_demo_table() -> None:
    text = " ".join(README.split())
    for phrase, number in _demo_numbers().items():
        assert phrase.format(number) in text
    words = ("four", "five", "six", "seven", "eight", "nine", "ten")
    assert f"with each of {words[len(RULES) - 4]} rules" in text
    assert f"over {words[EPOCHS - 4]} epochs of learning" in text


def test_every_target_is_named() -> None:
    (paragraph,) = re.findall(r"^Targets: .*?\n\n", README, re.DOTALL | re.MULTILINE)
    assert all(f"`{name}`" in paragraph or f"`{name[-6:]}`" in paragraph for name in target_names())


@pytest.mark.qemu
def test_the_commands_run_in_their_order(pytools: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(model_dir("digits"), "models/digits")
    printed, ran = "", 0
    for kind, block in re.findall(r"```(sh|python)\n(.*?)```", README, re.DOTALL):
        if kind == "python":
            exec(compile(block, "README", "exec"), {})
            continue
        for line in filter(lambda line: line.startswith("pytools "), block.splitlines()):
            printed += done(pytools(*shlex.split(line)[1:])).out
            ran += 1
    assert ran == 8
    assert (tmp_path / "learned.tflite").stat().st_size == (model_dir("digits") / "model.tflite").stat().st_size
    (total,) = re.findall(r"measured stack \d+ = ([\d,]+) bytes", printed)
    (claim,) = re.findall(r"on the micro:bit in ([\d.]+) KB", README)
    assert float(claim) - 0.5 < int(total.replace(",", "")) / 1024 < float(claim)


def test_supported_operations_are_all_named() -> None:
    (line,) = re.findall(r"Supported operations: (.*?)\.", README)
    assert set(line.split(", ")) == set(SUPPORTED_OPS)
