"""The C sources and models are found in the wheel and in the checkout, and their manifests are true."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import sdfa
from sdfa import bundle
from sdfa.errors import SdfaError


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """An empty wheel and an empty checkout."""
    monkeypatch.setattr(bundle, "_WHEEL", tmp_path / "wheel")
    monkeypatch.setattr(bundle, "_CHECKOUT", tmp_path / "checkout")
    return tmp_path / "wheel", tmp_path / "checkout"


def _put(path: Path) -> Path:
    path.parent.mkdir(parents=True)
    path.write_text("")
    return path


def test_the_sources_are_there() -> None:
    assert (bundle.firmware_dir() / "src" / "sdfa.h").is_file()
    assert (bundle.firmware_dir() / "app" / "app.c").is_file()
    assert (bundle.boards_dir() / "bare" / "link.ld").is_file()


def test_the_wheel_comes_before_the_checkout(roots: tuple[Path, Path]) -> None:
    for root in reversed(roots):
        _put(root / "firmware" / "src" / "sdfa.h")
        _put(root / "boards" / "host" / "port.c")
        _put(root / "models" / "digits" / "model.toml")
        assert bundle.firmware_dir() == root / "firmware"
        assert bundle.boards_dir() == root / "boards"
        assert bundle.model_dir("digits") == root / "models" / "digits"


@pytest.mark.parametrize("what", ["firmware", "boards", "model"])
def test_what_is_nowhere_is_an_error(what: str, roots: tuple[Path, Path]) -> None:
    find: dict[str, Callable[[], Path]] = {
        "firmware": bundle.firmware_dir,
        "boards": bundle.boards_dir,
        "model": partial(bundle.model_dir, "x"),
    }
    with pytest.raises(SdfaError, match="reinstall sdfa") as error:
        find[what]()
    assert all(str(root) in str(error.value) for root in roots)


def test_library_manifests_name_this_version() -> None:
    manifest = json.loads((bundle.firmware_dir() / "library.json").read_text())
    lines = (bundle.firmware_dir() / "library.properties").read_text().splitlines()
    properties = dict(line.split("=", 1) for line in lines)
    assert manifest["name"] == properties["name"] == "sdfa"
    assert manifest["version"] == properties["version"] == sdfa.__version__
    assert (bundle.firmware_dir() / "src" / manifest["headers"]).is_file()
    assert manifest["headers"] == properties["includes"]
    assert {"author", "maintainer", "sentence", "paragraph", "category", "architectures"} <= properties.keys()
