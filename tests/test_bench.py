"""The benchmark: its figures are those of the committed baseline, and it notices when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.__main__ import main
from tests.bench.baseline import Result, comparable, compare, load, measure, save
from tests.bench.report import markdown, table, verdict

BASE = Result("gcc 12", {"mps2-an386": {"run": 1000, "code": 500}, "microbit": {"run": 3000}})


def _with(value: int, figure: str = "run") -> Result:
    return Result("gcc 12", BASE.figures | {"mps2-an386": BASE.figures["mps2-an386"] | {figure: value}})


@pytest.mark.qemu
def test_no_figure_is_off_the_baseline_by_more_than_1_percent() -> None:
    """A figure that shrank matters too: an old baseline would let it grow again unseen."""
    before, now = load(), measure()
    said = "\n".join(verdict(before, now, compare(before, now)))
    if before is not None and not comparable(before, now):
        pytest.skip(said)
    assert not said, said


@pytest.mark.qemu
def test_two_measurements_are_equal() -> None:
    assert measure() == measure()


@pytest.mark.parametrize(
    ("value", "off", "grew"), [(1010, 0, False), (1011, 1, True), (990, 0, False), (989, 1, False)]
)
def test_a_figure_may_move_by_1_percent(value: int, off: int, grew: bool) -> None:
    changes = compare(BASE, _with(value))
    assert len(changes) == off
    assert any(change.grew for change in changes) == grew


def test_a_change_tells_what_moved() -> None:
    assert [str(c) for c in compare(BASE, _with(1250))] == ["mps2-an386: run: 1,000 -> 1,250 (+25.0 %)"]


def test_new_and_missing_figures_ask_for_an_update() -> None:
    now = _with(7, "stack")
    assert [str(c) for c in compare(BASE, now)] == ["mps2-an386: stack: new"]
    assert [str(c) for c in compare(now, BASE)] == ["mps2-an386: stack: gone"]
    assert not any(c.grew for c in compare(BASE, now))


def test_a_figure_that_was_0_may_not_grow() -> None:
    assert compare(_with(0), _with(1))[0].grew


def test_another_compiler_is_not_compared_and_says_so() -> None:
    now = Result("gcc 13", _with(9999).figures)
    assert compare(BASE, now) == []
    assert verdict(BASE, now, []) == ["nothing compared: the baseline was measured with gcc 12, this is gcc 13"]


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    save(BASE, markdown(BASE), tmp_path)
    assert load(tmp_path) == BASE


def test_the_tables_show_every_figure() -> None:
    text = markdown(BASE)
    assert "| run | 1,000 | 3,000 |" in text
    assert "| code | 500 |  |" in text
    assert "not cycles" in text
    assert table(BASE).row_count == 2


@pytest.mark.parametrize(("value", "code"), [(1000, 0), (1250, 1), (750, 0)])
def test_the_program_fails_when_a_figure_grew(
    value: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save(BASE, "", tmp_path)
    monkeypatch.setattr("tests.bench.__main__.measure", lambda: _with(value))
    assert main([], tmp_path) == code
    assert ("update the baseline in the same change" in capsys.readouterr().out) == (value != 1000)
    assert load(tmp_path) == BASE


def test_an_update_makes_the_figures_the_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.bench.__main__.measure", lambda: _with(1250))
    assert main([], tmp_path) == 0
    assert main(["--update"], tmp_path) == 0
    assert load(tmp_path) == _with(1250)
    assert main([], tmp_path) == 0
