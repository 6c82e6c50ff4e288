"""Figures as tables: for the terminal and as Markdown."""

from __future__ import annotations

from rich.table import Table

from tests.bench.anchors import CMSIS_MODELS, cmsis, met, target
from tests.bench.baseline import Change, Result, incomparable
from tests.bench.figures import RULE, SENSOR, STEPS
from tests.bench.scratch import NAME as SCRATCH
from tests.bench.scratch import TARGETS
from tests.bench.singles import BOARDS, ROWS, Figures, core_of
from tests.bench.updates import NAME as UPDATES

UPDATE = "make bench ARGS=--update"
DIGITS = "digits"
TITLE = f"digits, sensor changed by {SENSOR}, {RULE}: means over {STEPS} samples"
SINGLES_TITLE = (
    "instructions per MAC, per window element of a pool, per element of softmax and add; of models per inference: "
    "ours / CMSIS-NN / target; ! marks a miss"
)
SCRATCH_TITLE = f"{SCRATCH} from scratch, batch 1, means over 5 epochs: ours / target; ! marks a miss"
UPDATES_TITLE = "sdfa_learn by how many weights move, by how they do: whole words, one by one, 16-bit master weights"
MODELS_TITLE = "models for inference only"
CAVEAT = (
    "QEMU counts executed instructions, not cycles: real silicon takes longer. A step is sdfa_run and sdfa_learn; "
    "stack is that of the runtime's functions alone; code is .text, .rodata and .data of a program without start-up "
    "code, the model's image not counted. Single operations and models of the Cortex-M0 are its instructions, executed "
    "by a board with more memory. CMSIS-NN 7 was measured once under the same emulator."
)

Rows = list[list[str]]


def _names(figures: dict[str, Figures]) -> list[str]:
    return list(dict.fromkeys(name for column in figures.values() for name in column))


def _plain_rows(figures: dict[str, Figures], names: list[str]) -> Rows:
    return [[name, *(f"{c[name]:,}" if name in c else "" for c in figures.values())] for name in names]


def digits_rows(figures: dict[str, Figures]) -> Rows:
    """Every figure that belongs to no network of singles.py."""
    singles = (*ROWS, *CMSIS_MODELS, SCRATCH)
    names = [name for name in _names(figures) if name.split(":")[0] not in singles and not _of_updates(name)]
    return _plain_rows(figures, names)


def _of_updates(name: str) -> bool:
    return name.startswith(f"{UPDATES}, ")


def update_rows(figures: dict[str, Figures]) -> Rows:
    """What a step takes where no weight moves, and for 1000 that do."""
    return _plain_rows(figures, [name for name in _names(figures) if _of_updates(name)])


def model_rows(figures: dict[str, Figures]) -> Rows:
    """What is known of the models beside the instructions of an inference."""
    names = [name for name in _names(figures) if name.split(":")[0] in CMSIS_MODELS and "," in name]
    return _plain_rows(figures, names)


def scratch_rows(figures: dict[str, Figures]) -> Rows:
    """Ours / target, for learning from scratch."""
    rows = []
    for name in (name for name in _names(figures) if name.split(":")[0] == SCRATCH):
        aims, cells = TARGETS.get(name.split(": ")[1], {}), []
        for board, column in figures.items():
            aim = aims.get(core_of(BOARDS[board]))
            mark = " !" if aim and column.get(name, 0) > aim else ""
            cells.append(f"{column[name]:,} / {f'{aim:,}' if aim else '-'}{mark}" if name in column else "")
        rows.append([name.split(": ")[1], *cells])
    return rows


def singles_rows(figures: dict[str, Figures]) -> Rows:
    rows = []
    for name in (*ROWS, *CMSIS_MODELS):
        counted = [column.get(f"{name}: instructions") for column in figures.values()]
        if any(counted):
            cells = [_cell(name, core_of(BOARDS[board]), n) for board, n in zip(figures, counted, strict=True)]
            rows.append([name, *cells])
    return rows


def _cell(name: str, core: str, counted: int | None) -> str:
    """Ours / CMSIS-NN / target."""
    if counted is None:
        return ""
    ours = counted / ROWS[name].unit_n if name in ROWS else float(counted)
    mark = "" if met(name, core, ours) else " !"
    return f"{_text(ours)} / {_text(cmsis(name, core))} / {_text(target(name, core))}{mark}"


def _text(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value / 1e6:.3f} M" if value >= 10_000 else f"{value:.4g}"


def _table(title: str, figures: dict[str, Figures], rows: Rows) -> Table:
    shown = Table(title=title)
    shown.add_column("")
    for board in figures:
        shown.add_column(f"{BOARDS[board].core}\n{board}", justify="right")
    for row in rows:
        shown.add_row(*row)
    return shown


def _with_singles(figures: dict[str, Figures]) -> dict[str, Figures]:
    """Boards on which single operations or models were measured."""
    return {board: column for board, column in figures.items() if singles_rows({board: column})}


def _taught(figures: dict[str, Figures]) -> dict[str, Figures]:
    """Boards on which learning from scratch was measured."""
    return {board: column for board, column in figures.items() if scratch_rows({board: column})}


def singles_table(figures: dict[str, Figures]) -> Table:
    return _table(SINGLES_TITLE, figures, singles_rows(figures))


def tables(result: Result) -> list[Table]:
    figures, some, taught = result.figures, _with_singles(result.figures), _taught(result.figures)
    found = [
        _table(TITLE, figures, digits_rows(figures)),
        _table(SCRATCH_TITLE, taught, scratch_rows(taught)),
        _table(UPDATES_TITLE, some, update_rows(some)),
        singles_table(some),
        _table(MODELS_TITLE, some, model_rows(some)),
    ]
    return [each for each in found if each.row_count]


def _markdown_table(title: str, figures: dict[str, Figures], rows: Rows) -> str:
    heads = ["", *(f"{BOARDS[board].core} ({board})" for board in figures)]
    lines = [heads, ["---", *["---:"] * len(figures)], *rows]
    return f"{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def markdown(result: Result) -> str:
    figures, some, taught = result.figures, _with_singles(result.figures), _taught(result.figures)
    parts = [
        _markdown_table(title, columns, rows)
        for title, columns, rows in (
            (f"## {TITLE}", figures, digits_rows(figures)),
            (f"## Learning\n\n{SCRATCH_TITLE}", taught, scratch_rows(taught)),
            (f"## Updates\n\n{UPDATES_TITLE}", some, update_rows(some)),
            (f"## Kernels and models\n\n{SINGLES_TITLE}", some, singles_rows(some)),
            (f"## Opening and memory of {MODELS_TITLE}", some, model_rows(some)),
        )
        if rows
    ]
    made_by = "\n".join(dict.fromkeys(result.compilers.values()))
    return "\n".join([f"Made by `{UPDATE}`. Do not edit.\n", *parts, CAVEAT, "", made_by, ""])


def notes(before: Result | None, now: Result) -> list[str]:
    """What was not compared, and why."""
    found = []
    if now.absent:
        found.append(f"not measured, their folder is absent (SDFA_SHARED): {', '.join(now.absent)}")
    for board in incomparable(before, now) if before else ():
        assert before is not None
        found.append(f"{board}: not compared: {before.compilers[board]} then, {now.compilers[board]} now")
    return found


def verdict(before: Result | None, changes: list[Change]) -> list[str]:
    """What to do about the baseline; empty if nothing."""
    if before is None:
        return [f"there is no baseline: {UPDATE}"]
    if not changes:
        return []
    return [*map(str, changes), f"off by more than 1 %: update the baseline in the same change: {UPDATE}"]
