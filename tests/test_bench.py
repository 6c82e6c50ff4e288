"""The benchmark: its figures are those of the committed baseline, and it notices when they are not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdfa.errors import SdfaError
from sdfa.targets.machines import MACHINES
from tests.bench import kernels, scratch, singles
from tests.bench.__main__ import main
from tests.bench.anchors import CMSIS_KERNELS, CMSIS_MODELS, CORES, KERNEL_TARGETS, MODEL_TARGETS, cmsis, met, target
from tests.bench.baseline import FOLDER, Result, compare, load, measure, part, save, with_absent
from tests.bench.report import markdown, notes, tables, verdict
from tests.bench.singles import BOARDS, ROWS, SINGLES, core_of, export_row, single_figures

COMPILERS = {"mps2-an386": "gcc 12", "microbit": "gcc 12"}
BASE = Result(COMPILERS, {"mps2-an386": {"run": 1000, "code": 500}, "microbit": {"run": 3000}})
SOME_BOARDS, SOME_ROWS = ("microbit", "mps2-an386"), ("dense 64->32", "softmax")


def _with(value: int, figure: str = "run") -> Result:
    return Result(COMPILERS, BASE.figures | {"mps2-an386": BASE.figures["mps2-an386"] | {figure: value}})


ANCHORED = ("microbit", "mps2-an385", "mps2-an386", "mps2-an505", "mps3-an547")
ARENAS = {"ad01_int8": 2.2, "kws_ref_model": 16.5, "pretrainedResnet_quant": 51.5, "vww_96_int8": 56.0}  # KB
CODE = {"mps2-an386": 20 * 1024, "microbit": 14 * 1024}


@pytest.mark.parametrize("row", [*CMSIS_KERNELS, *CMSIS_MODELS])
@pytest.mark.parametrize("board", ANCHORED)
def test_the_baseline_is_below_cmsis_nn_and_at_the_targets(board: str, row: str) -> None:
    """Kernels and models; that the baseline is what the code does now is the next test's and `make bench`'s to say."""
    whole = load()
    assert whole is not None
    instructions = whole.figures[board][f"{row}: instructions"]
    counted = instructions / ROWS[row].unit_n if row in ROWS else instructions
    core = core_of(BOARDS[board])
    assert met(row, core, counted), f"{counted} on {core}: CMSIS-NN {cmsis(row, core)}, target {target(row, core)}"


@pytest.mark.parametrize("model", ARENAS)
def test_the_baseline_has_room_in_memory(model: str) -> None:
    whole = load()
    assert whole is not None
    for board in ANCHORED:
        assert whole.figures[board][f"{model}: arena, bytes"] <= ARENAS[model] * 1024
    for board, limit in CODE.items():
        assert whole.figures[board][f"{model}: code, bytes"] <= limit


@pytest.mark.parametrize("board", MACHINES)
def test_the_baseline_opens_in_a_twentieth_of_an_inference(board: str) -> None:
    whole = load()
    assert whole is not None
    figures = whole.figures[board]
    pairs = {"digits, inference: run, instructions": "digits, inference: bind, instructions"}
    pairs |= {f"{model}: instructions": f"{model}: bind, instructions" for model in ARENAS if board in SINGLES}
    assert all(figures[bind] <= figures[run] / 20 for run, bind in pairs.items())


SCRATCH_MISSES = {("mps2-an386", "step, every row forced")}
"""results.md marks it."""
SCRATCH_TARGETS = [
    (board, what)
    for board in scratch.BOARDS_WITH_TARGETS
    for what, aims in scratch.TARGETS.items()
    if core_of(BOARDS[board]) in aims and (board, what) not in SCRATCH_MISSES
]


@pytest.mark.parametrize(("board", "what"), SCRATCH_TARGETS)
def test_the_baseline_learns_from_scratch_at_the_targets(board: str, what: str) -> None:
    whole = load()
    assert whole is not None
    assert whole.figures[board][f"{scratch.NAME}: {what}"] <= scratch.TARGETS[what][core_of(BOARDS[board])]


def test_from_scratch_it_is_as_accurate_as_float_back_propagation() -> None:
    """Within a point, from the same weights in the same order; with what the counted steps learn."""
    whole = load()
    assert whole is not None
    shares = scratch.accuracy(scratch.SEEDS)
    assert {whole.figures[board][f"{scratch.NAME}: {scratch.WRONG}"] for board in scratch.BOARDS_WITH_TARGETS} == {
        scratch.wrong()
    }
    assert shares.mean() >= 0.95
    assert shares.mean() >= scratch.float_accuracy(scratch.SEEDS, 0.0).mean() - 0.01


@pytest.mark.qemu
def test_no_figure_is_off_the_baseline_by_more_than_1_percent() -> None:
    """A figure that shrank matters too: an old baseline would let it grow again unseen. `make bench` measures all."""
    whole, now = load(), measure(SOME_BOARDS, SOME_ROWS)
    assert whole is not None
    before = part(whole, now)
    not_compared = [note for note in notes(before, now) if "not compared" in note]
    if not_compared:
        pytest.skip("; ".join(not_compared))
    said = "\n".join(verdict(before, compare(before, now)))
    assert not said, said
    assert before.figures.keys() == set(SOME_BOARDS)
    assert all(f"{row}: instructions" in before.figures[board] for row in SOME_ROWS for board in SOME_BOARDS)


@pytest.mark.qemu
def test_two_measurements_are_equal() -> None:
    assert measure(("riscv32",), SOME_ROWS) == measure(("riscv32",), SOME_ROWS)


def test_the_baseline_has_every_board_and_every_kernel() -> None:
    baseline = load()
    assert baseline is not None
    assert baseline.figures.keys() == set(MACHINES) == baseline.compilers.keys()
    for board in SINGLES:
        assert {f"{row}: instructions" for row in ROWS} < baseline.figures[board].keys()
        assert sum(name.startswith("update, ") for name in baseline.figures[board]) == 6
    assert markdown(baseline) == (FOLDER / "results.md").read_text(encoding="utf-8")


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


def test_another_compiler_of_a_board_is_not_compared_and_says_so() -> None:
    now = Result(COMPILERS | {"mps2-an386": "gcc 13"}, {"mps2-an386": {"run": 9999}, "microbit": {"run": 9999}})
    assert [str(c) for c in compare(BASE, now)] == ["microbit: run: 3,000 -> 9,999 (+233.3 %)"]
    assert notes(BASE, now) == ["mps2-an386: not compared: gcc 12 then, gcc 13 now"]


MODEL = "ad01_int8: instructions"


def test_a_model_that_is_absent_is_not_compared_and_kept_and_says_so() -> None:
    before = _with(5, MODEL)
    here, elsewhere = Result(COMPILERS, BASE.figures), Result(COMPILERS, BASE.figures, absent=("ad01_int8",))
    assert [str(c) for c in compare(before, here)] == [f"mps2-an386: {MODEL}: gone"]
    assert compare(before, elsewhere) == []
    assert "absent (SDFA_SHARED): ad01_int8" in notes(before, elsewhere)[0]
    assert with_absent(before, elsewhere).figures == before.figures
    assert with_absent(before, here).figures == with_absent(None, elsewhere).figures == BASE.figures


def test_a_part_of_the_baseline_is_what_was_measured() -> None:
    whole = Result(COMPILERS, {"microbit": {"a: x": 1, "a: y": 2, "b: x": 3}, "mps2-an386": {"a: x": 4}})
    now = Result(COMPILERS, {"microbit": {"a: x": 1}})
    assert part(whole, now).figures == {"microbit": {"a: x": 1, "a: y": 2}}


def test_a_baseline_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    save(BASE, markdown(BASE), tmp_path)
    assert load(tmp_path) == BASE


def test_the_tables_show_every_figure() -> None:
    text = markdown(BASE)
    assert "| run | 1,000 | 3,000 |" in text
    assert "| code | 500 |  |" in text
    assert "not cycles" in text
    assert [table.row_count for table in tables(BASE)] == [2]


def test_the_tables_show_kernels_and_models_beside_what_they_have_to_beat() -> None:
    figures = {"dense 64->32: instructions": 2048, MODEL: 300_001, "ad01_int8: code, bytes": 7000}
    result = Result(COMPILERS, {"mps2-an386": figures, "microbit": {}})
    text = markdown(result)
    assert "| dense 64->32 | 1 / 2.71 / 1.45 |\n" in text
    assert "| ad01_int8 | 0.300 M / 0.579 M / 0.300 M ! |\n" in text
    assert "| ad01_int8: code, bytes | 7,000 |\n" in text
    assert [table.row_count for table in tables(result)] == [2, 1]


def test_every_row_has_an_anchor_and_every_anchor_a_row() -> None:
    assert list(ROWS) == list(CMSIS_KERNELS)
    assert KERNEL_TARGETS.keys() < ROWS.keys()
    assert MODEL_TARGETS.keys() == CMSIS_MODELS.keys()
    assert {core_of(BOARDS[board]) for board in SINGLES} > set(CORES)


def test_a_target_and_the_baseline_must_both_be_met() -> None:
    assert (cmsis("softmax", "M4"), target("softmax", "M4")) == (535, None)
    assert met("softmax", "M4", 534.9)
    assert not met("softmax", "M4", 535)
    assert met("dense 64->32", "M4", 1.45)
    assert not met("dense 64->32", "M4", 1.46)
    assert met("dense 64->32", "RV32IMAC", 99)


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_one_operation_of_so_many_macs(name: str) -> None:
    report = export_row(name).report
    assert len(report["ops"]) == 1
    assert report["ops"][0]["macs"] in (ROWS[name].unit_n, 0)
    assert (report["ops"][0]["macs"] == 0) == name.startswith(("max pool", "softmax", "add"))


def test_a_model_that_does_not_fit_has_no_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BOARDS, "microbit", MACHINES["microbit"])
    assert single_figures("microbit", "dense 64->32", export_row("dense 64->32")) == {}


def test_absent_models_are_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SDFA_SHARED", str(tmp_path))
    assert singles.present_models() == ()
    assert singles.absent_models() == tuple(CMSIS_MODELS)


@pytest.mark.shared
def test_models_are_found_where_the_tests_find_them(shared: Path) -> None:
    assert all((shared / "models" / f"{name}.tflite").is_file() for name in singles.present_models())
    assert singles.absent_models() == ()


@pytest.mark.qemu
def test_the_kernel_program_shows_the_rows_that_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["kernels", "--board", "mps2-an385", "--row", "64->32", "soft"])
    kernels.main()
    out = capsys.readouterr().out
    assert "/ 4.16 / 3.3" in out
    assert "/ 531 / -" in out
    assert "784" not in out
    monkeypatch.setattr("sys.argv", ["kernels", "--row", "lstm"])
    with pytest.raises(SdfaError, match="no such row; there is dense 64->32"):
        kernels.main()


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
