"""`pytools experiment results`: every experiment of the results page, and the page, put together from their parts.

Each experiment leaves results.json, results.md (a fragment, headings from ### on) and pictures in a folder of its own.
What cannot run here, for want of its data, keeps the part that is there.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdfa.errors import SdfaError
from sdfa.files import write_whole

PAGE, PARTS = "results.md", "results"
_KEPT = (".json", ".md", ".png", ".csv")
_NOT_KEPT = ("experiment.json",)


@dataclass(frozen=True)
class Run:
    """One experiment. name: of its folder. chapter: of the page. command: of `pytools experiment`, without -o.

    data: the file NAME.npz that it needs, or empty. quick: whether it is part of the quick form too.
    """

    name: str
    chapter: str
    command: tuple[str, ...]
    data: str = ""
    quick: bool = False

    def missing(self) -> str:
        """What it lacks here, or nothing."""
        folder = os.environ.get("SDFA_DATA", "")
        if self.data and not (folder and (Path(folder) / f"{self.data}.npz").is_file()):
            return f"{self.data}.npz in SDFA_DATA"
        if "--backbone" in self.command and importlib.util.find_spec("tensorflow") is None:
            return "TensorFlow (pip install 'sdfa[train]')"
        return ""


PEOPLE = "Personalization: people whom the base model has never seen"
PAPER, SCRATCH = "The sparse-DFA paper's claims", "Learning from scratch, in integers"
_RULES = "none,last,random k=1,aligned k=2,live k=2,live k=2 centred,bp,float bp"


_FEW = "none,last,live k=2,float bp"


def _people(name: str, data: str, *options: str, rules: str = _RULES) -> Run:
    command = ("personalize", data, "--rules", rules, *options)
    return Run(f"people-{name}", PEOPLE, command, data if data != "digits" else "", quick=name == "digits")


RUNS = (
    _people("myo", "myo_emg"),
    _people("myo-turned", "myo_emg", "--change", "turned"),
    _people("sisfall", "sisfall_har"),
    _people("sisfall-turned", "sisfall_har", "--change", "turned"),
    _people("fsdd", "fsdd", "--tune-draws", "1"),
    _people("gas", "gas_drift"),
    _people("arabic", "arabic_commands", "--tune-draws", "1"),
    _people("digits", "digits", "--samples", "50", "--epochs", "20", "--seeds", "10"),
    _people("mnist", "mnist", "--change", "rot45", "--samples", "50", "--seeds", "5"),
    *(_people(f"{name}-gate", data, "--gate", "--tune-draws", "1", rules="none,live k=2,float bp")
      for name, data in (("myo", "myo_emg"), ("sisfall", "sisfall_har"), ("fsdd", "fsdd"))),
    *(_people(f"{name}-k", data, "--samples", "1,5,10,20", "--tune-draws", "1", rules=_FEW)
      for name, data in (("myo", "myo_emg"), ("sisfall", "sisfall_har"))),
    *(_people(f"{name}-raw", data, "--backbone", "cnn", "--seeds", "2", "--tune-draws", "1", rules=_FEW)
      for name, data in (("myo", "myo_emg"), ("sisfall", "sisfall_har"))),
    *(Run(f"scratch-{d}", SCRATCH, ("scratch", "--data", d), d if d != "digits" else "", quick=d == "digits")
      for d in ("digits", "mnist")),
    # the others of its rules and arithmetics take an hour more
    Run("scratch-fashion_mnist", SCRATCH,
        ("scratch", "--data", "fashion_mnist", "--arithmetic", "int16", "--rules", "aligned k=2"), "fashion_mnist"),
    *(Run(f"paper-{d}", PAPER, ("paper", "--data", d), d if d != "digits" else "", quick=d == "digits")
      for d in ("digits", "mnist", "fashion_mnist", "cifar10_small")),
    *(Run(f"convs-{d}", PAPER, ("convs", "--data", d), d if d != "digits" else "", quick=d == "digits")
      for d in ("digits", "mnist", "cifar10_small")),
    Run("costs", PAPER, ("costs", "--target", "qemu:mps2-an386"), quick=True),
)  # fmt: skip


def chosen_runs(names: Sequence[str], quick: bool) -> list[Run]:
    """Those asked for, or all; of the quick form, those that are part of it."""
    known = {run.name: run for run in RUNS}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise SdfaError(f"unknown experiment {unknown[0]!r}; there is {', '.join(known)}")
    runs = [known[name] for name in names] if names else list(RUNS)
    return [run for run in runs if run.quick] if quick else runs


def keep_parts(work: Path, folder: Path) -> None:
    """Copy what an experiment wrote, without its journal, into the folder that belongs to the page."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in sorted(work.iterdir()):
        if path.suffix in _KEPT and path.name not in _NOT_KEPT:
            shutil.copyfile(path, folder / path.name)


def page_of(folder: Path) -> str:
    """The page from the fragments in folder/results: those of RUNS in their order, then others by name."""
    parts = {path.parent.name: path for path in sorted((folder / PARTS).glob(f"*/{PAGE}"))}
    known = {run.name: run.chapter for run in RUNS}
    names = [name for name in known if name in parts] + [name for name in parts if name not in known]
    chapters: dict[str, list[str]] = {}
    for name in names:
        text = _moved(parts[name].read_text(encoding="utf-8"), name)
        chapters.setdefault(known.get(name, name.replace("-", " ").capitalize()), []).append(text)
    body = "\n".join(f"## {title}\n\n" + "\n".join(texts) for title, texts in chapters.items())
    return f"# Results\n\n{_INTRODUCTION}\n\n{body}"


_INTRODUCTION = (
    "`make results` writes this page, every figure and picture of it; data sets other than digits are read from the "
    "folder `SDFA_DATA`. Accuracy is always that after the last epoch, on samples that nothing was chosen by."
)


def _moved(text: str, name: str) -> str:
    """Links to files beside the fragment, as seen from the page."""
    return re.sub(r"\]\((?![a-z]+:|/|#)([^)]+)\)", rf"]({PARTS}/{name}/\1)", text)


def write_page(folder: Path) -> Path:
    """Write the page; returns where it is."""
    write_whole(folder / PAGE, page_of(folder).encode())
    return folder / PAGE
