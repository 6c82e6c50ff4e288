"""Runs the cells of an experiment: in processes, on a Dask cluster, resumable. What is finished is never lost."""

from __future__ import annotations

import contextlib
import importlib.util
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdfa.errors import SdfaError

Result = dict[str, Any]
JOURNAL = "cells.jsonl"
SETTINGS = "experiment.json"


@dataclass(frozen=True, eq=False)
class Task:
    """work(): the values of cell `key`; both go to wherever it runs."""

    key: str
    work: Callable[[], Result]


class Journal:
    """One JSON line per finished cell, in a folder that belongs to one experiment."""

    def __init__(self, folder: Path, settings: dict[str, Any]) -> None:
        """settings: all that cells depend on beside their keys. SdfaError for the folder of another experiment."""
        self.path = folder / JOURNAL
        folder.mkdir(parents=True, exist_ok=True)
        _claim(folder / SETTINGS, settings)
        self.done = _read(self.path)

    def add(self, key: str, result: Result) -> None:
        """Kept on disk when this returns."""
        self.done[key] = result
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"key": key, **result}) + "\n")


def _claim(path: Path, settings: dict[str, Any]) -> None:
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != json.loads(json.dumps(settings)):
            raise SdfaError(f"{path.parent} holds another experiment, or one of another version: give a new -o folder")
        return
    if any(path.parent.iterdir()):
        raise SdfaError(f"{path.parent} holds something else: give an empty or a new folder to -o")
    path.write_text(json.dumps(settings, indent=1) + "\n", encoding="utf-8")


def _read(path: Path) -> dict[str, Result]:
    """Finished cells; a last line that was cut off is dropped, and the file mended."""
    if not path.is_file():
        return {}
    done: dict[str, Result] = {}
    good: list[str] = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            done[row.pop("key")] = row
            good.append(line)
        except (ValueError, KeyError, AttributeError):
            continue
    path.write_text("".join(f"{line}\n" for line in good), encoding="utf-8")
    return done


def need_joblib(jobs: int, dask: str | None) -> None:
    """SdfaError when what was asked for is not installed; cheap, for the time before long work."""
    if (jobs > 1 or dask) and importlib.util.find_spec("joblib") is None:
        raise SdfaError("--jobs and --dask need joblib: pip install 'sdfa[experiment]'")
    if dask and importlib.util.find_spec("distributed") is None:
        raise SdfaError("--dask needs Dask: pip install 'sdfa[dask]'")


@contextlib.contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """joblib's Dask backend for what is inside. SdfaError when the scheduler does not answer."""
    if address is None:
        yield
        return
    import joblib
    from distributed import Client

    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        raise SdfaError(f"no Dask scheduler at {address} ({type(error).__name__}): start one or mend --dask") from None
    with client, joblib.parallel_config(backend="dask"):
        yield


def _run(task: Task) -> tuple[str, Result]:
    return task.key, task.work()


def run_cells(tasks: Iterable[Task], journal: Journal, jobs: int, dask: str | None, tick: Callable[[], None]) -> None:
    """Runs what the journal lacks; calls tick for each finished cell."""
    waiting = (task for task in tasks if task.key not in journal.done)
    if jobs == 1 and dask is None:
        for task in waiting:
            journal.add(*_run(task))
            tick()
        return
    import joblib

    with _cluster(dask):
        pool = joblib.Parallel(n_jobs=-1 if dask else jobs, return_as="generator_unordered")
        for key, result in pool(joblib.delayed(_run)(task) for task in waiting):
            journal.add(key, result)
            tick()
