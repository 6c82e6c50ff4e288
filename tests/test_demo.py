"""`pytools demo`: a picture, a report and a learned image, from any folder and on any target."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from sdfa.errors import SdfaError
from sdfa.image.reader import read_image
from sdfa.show.plots import learning_curves
from sdfa.start.demo import ADAPT_SAMPLES, EPOCHS, RULES, changed_digits, run_demo

NAMES = ["none", *(rule.name for rule in RULES)]


def _run(out: Path, sensor: str = "mirror", target: str = "host") -> tuple[dict[str, object], str]:
    text = io.StringIO()
    result = run_demo(out, sensor, target, Console(file=text, width=80))
    return result, text.getvalue()


def _is_png(path: Path) -> bool:
    data = path.read_bytes()
    return data[:8] == b"\x89PNG\r\n\x1a\n" and len(data) > 10_000


def test_the_demo_adapts_and_proves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    result, text = _run(Path("a/b"))
    assert time.monotonic() - start < 60
    assert json.loads((tmp_path / "a/b/demo.json").read_text()) == result
    assert _is_png(tmp_path / "a/b/curves.png")
    learned = read_image((tmp_path / "a/b/learned.sdfa").read_bytes()).learned
    assert learned is not None
    assert int(learned["steps"]) == ADAPT_SAMPLES * EPOCHS
    rules = result["rules"]
    assert isinstance(rules, dict)
    assert list(rules) == NAMES
    before = rules["none"]["after"]
    assert all(row["before"] == before and row["after"] > before + 0.2 for name, row in rules.items() if name != "none")
    assert rules["live k=2"]["after"] > rules["random k=1"]["after"]
    assert result["mismatching_bytes"] == 0
    assert max(map(len, text.splitlines())) <= 80
    assert [line[:2] for line in text.splitlines()[:4]] == ["1.", "2.", "3.", "4."]


@pytest.mark.qemu
def test_the_smallest_board_gives_the_same(tmp_path: Path) -> None:
    (host, _), (board, _) = (_run(tmp_path / t[-4:], "rot90", t) for t in ("host", "qemu:microbit"))
    assert board["rules"] == host["rules"]
    assert board["mismatching_bytes"] == 0


def test_again_into_the_same_folder_among_other_files(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("kept")
    first, _ = _run(tmp_path, "shift")
    image = (tmp_path / "learned.sdfa").read_bytes()
    assert _run(tmp_path, "shift")[0] == first
    assert (tmp_path / "learned.sdfa").read_bytes() == image
    assert (tmp_path / "mine.txt").read_text() == "kept"


def test_nothing_is_made_when_it_cannot_end_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for sensor, target in (("upside", "host"), ("mirror", "mars")):
        with pytest.raises(SdfaError):
            _run(tmp_path / "out", sensor, target)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SdfaError, match=r"pip install 'sdfa\[demo\]'"):
        _run(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_learned_and_unseen_samples_are_apart() -> None:
    adapt_to, unseen = changed_digits("shift")
    assert (len(adapt_to.x), len(unseen.x)) == (ADAPT_SAMPLES, 360)
    seen = {x.tobytes() for x in np.asarray(adapt_to.x)}
    assert not any(x.tobytes() in seen for x in np.asarray(unseen.x))


def test_a_rule_without_a_style_is_drawn_too(tmp_path: Path) -> None:
    learning_curves({"new": [0.1, 0.5]}, "title", tmp_path / "c.png")
    assert _is_png(tmp_path / "c.png")
