"""model.toml: what is said is read, what is wrong is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdfa.bundle import model_dir
from sdfa.errors import SdfaError
from sdfa.exporter.settings import ModelSettings, beside, beside_note, check_budget, load_settings

FULL = """
name = "net"
sha256 = "ab"
labels = ["a", "b"]
[learning]
train_last = 2
feedback = "random"
connections = 3
centred = true
rank = 2
jacobian = "product"
rate = 1
threshold = 0.5
loss = "mse"
seed = 4
master = 16
[budget]
ram = 5
flash = 6
"""


def _write(folder: Path, text: str) -> Path:
    path = folder / "model.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    assert load_settings(_write(tmp_path, FULL)) == ModelSettings(
        "net", "ab", ("a", "b"), 2, "random", 3, True, 2, "product", 1, 0.5, "mse", 4, 16, 5, 6
    )


def test_an_absent_or_empty_file_says_nothing(tmp_path: Path) -> None:
    assert load_settings(tmp_path / "model.toml") == ModelSettings()
    assert load_settings(_write(tmp_path, "")) == ModelSettings()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name =", "is not sound TOML"),
        ("name = 1", "name must be a str, not 1"),
        ("nmae = 'x'", "top level has an unknown entry 'nmae'; known: name, sha256, labels"),
        ("[learn]\nrate = 1", "unknown entry 'learn'"),
        ("[learning]\nspeed = 1", "learning has an unknown entry 'speed'; known: train_last"),
        ("[learning]\nrate = '1'", "rate must be a float, not '1'"),
        ("[learning]\nrate = true", "rate must be a float, not True"),
        ("[learning]\ntrain_last = 1.5", "train_last must be a int"),
        ("[learning]\ntrain_last = -1", "train_last is -1: it must be at least 0"),
        ("[learning]\nconnections = 0", "connections is 0: it must be at least 1"),
        ("[learning]\nseed = -1", "seed is -1: it must be at least 0"),
        ("[learning]\nseed = 99999999999", "below 2^31"),
        ("[budget]\nram = 0", "ram is 0: it must be at least 1"),
        ("learning = 1", "[learning] must be a table"),
        ("budget = []", "[budget] must be a table"),
        ("labels = 'ab'", "labels must be a list"),
        ("labels = ['a', 1]", "labels must be a list of strings"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = _write(tmp_path, text)
    with pytest.raises(SdfaError) as found:
        load_settings(path)
    assert str(path) in str(found.value)
    assert message in str(found.value)


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "model.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SdfaError, match="not sound TOML"):
        load_settings(tmp_path / "model.toml")


def test_settings_speak_of_one_file(tmp_path: Path) -> None:
    model = tmp_path / "net.tflite"
    _write(tmp_path, FULL)
    assert beside(model, "ab").name == "net"
    assert beside_note(model, "ab") == []
    assert beside(model, "cd") == ModelSettings()
    assert beside_note(model, "cd") == ["model.toml beside net.tflite is about another file: not used"]
    _write(tmp_path, "name = 'any'")
    assert beside(model, "cd").name == "any"
    assert beside_note(model, "cd") == []


def test_budgets_name_the_three_largest_parts() -> None:
    said = ModelSettings(ram=100, flash=1000)
    parts = {"a": 10, "b": 40, "c": 30, "d": 20}
    check_budget(said, parts, {"x": 1000})
    check_budget(ModelSettings(), {"a": 10**9}, {"x": 10**9})
    with pytest.raises(SdfaError, match=r"^RAM: 101 bytes, the budget is 100; largest: b 40, c 30, d 20:"):
        check_budget(said, parts | {"e": 1}, {})
    with pytest.raises(SdfaError, match=r"^flash: 1001 bytes"):
        check_budget(said, parts, {"x": 1001})


def test_the_shipped_settings_are_sound() -> None:
    said = load_settings(model_dir("digits") / "model.toml")
    assert len(said.labels) == 10
    assert said.rate is not None
