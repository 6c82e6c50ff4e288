"""The journal and the pool: nothing that was finished is lost or done twice."""

from __future__ import annotations

import functools
import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from sdfa.errors import SdfaError
from sdfa.experiment.engine import JOURNAL, Journal, Task, need_joblib, run_cells


def _square(n: int) -> dict[str, Any]:
    if n < 0:
        raise KeyboardInterrupt
    return {"value": n * n}


def tasks(*numbers: int) -> list[Task]:
    return [Task(f"n={n}", functools.partial(_square, n)) for n in numbers]


@pytest.mark.parametrize("jobs", [1, 2])
def test_results_are_kept_and_ticked(tmp_path: Path, jobs: int) -> None:
    ticks: list[int] = []
    journal = Journal(tmp_path, {"a": 1})
    run_cells(tasks(1, 2, 3), journal, jobs, None, lambda: ticks.append(1))
    assert len(ticks) == 3
    assert Journal(tmp_path, {"a": 1}).done == {f"n={n}": {"value": n * n} for n in (1, 2, 3)}


def test_a_stop_loses_the_running_cell_only(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_cells(tasks(1, 2, -1, 3), Journal(tmp_path, {}), 1, None, lambda: None)
    again = Journal(tmp_path, {})
    assert sorted(again.done) == ["n=1", "n=2"]
    ticks: list[int] = []
    run_cells(tasks(1, 2, 4, 3), again, 1, None, lambda: ticks.append(1))
    assert len(ticks) == 2


@pytest.mark.parametrize("cut", range(1, 24))
def test_a_line_that_was_cut_off_is_dropped(tmp_path: Path, cut: int) -> None:
    journal = Journal(tmp_path, {})
    run_cells(tasks(1, 2), journal, 1, None, lambda: None)
    path = tmp_path / JOURNAL
    path.write_bytes(path.read_bytes()[:-cut])
    again = Journal(tmp_path, {})
    assert list(again.done) in (["n=1"], ["n=1", "n=2"])
    again.add("n=9", {"value": 81})
    assert Journal(tmp_path, {}).done["n=9"] == {"value": 81}


def test_the_folder_of_another_experiment_is_refused(tmp_path: Path) -> None:
    Journal(tmp_path / "a", {"k": 1})
    with pytest.raises(SdfaError, match="another experiment"):
        Journal(tmp_path / "a", {"k": 2})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine.txt").write_text("x")
    with pytest.raises(SdfaError, match="something else"):
        Journal(tmp_path / "b", {"k": 1})


def test_dask_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SdfaError, match=r"sdfa\[dask\]|sdfa\[experiment\]"):
        need_joblib(1, "tcp://localhost:1")
    need_joblib(1, None)


def test_a_cluster_goes_through_the_backend_of_joblib(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster of this process: the address, and that joblib was told to use Dask."""
    seen: list[Any] = []

    class Client:
        def __init__(self, address: str, timeout: str) -> None:
            seen.append(address)

        def __enter__(self) -> Client:
            return self

        def __exit__(self, *_: object) -> None:
            seen.append("closed")

    fake: Any = types.ModuleType("distributed")
    fake.Client = Client
    monkeypatch.setitem(sys.modules, "distributed", fake)
    import joblib

    real = joblib.parallel_config

    def config(backend: str) -> Any:
        seen.append(backend)
        return real(backend="threading")

    monkeypatch.setattr(joblib, "parallel_config", config)
    journal = Journal(tmp_path, {})
    run_cells(tasks(5), journal, 1, "tcp://there:8786", lambda: None)
    assert seen == ["tcp://there:8786", "dask", "closed"]
    assert journal.done == {"n=5": {"value": 25}}
