"""`pytools experiment paper`: the claims of Crafton et al. 2019 (arXiv:1903.02083), tried from scratch.

Each rule learns at its own best rate, chosen on a part of the training samples with the first seed; then it learns all
training samples with each seed. What counts is the accuracy after the last epoch on the test samples, which nothing
else looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, Protocol, TypeVar

from sdfa import __version__
from sdfa.errors import SdfaError
from sdfa.experiment import engine
from sdfa.experiment.angle import angles_while_learning
from sdfa.experiment.scratch import Plan, Rule, learn_in_float, learn_on_runtime
from sdfa.experiment.task import Task, load_task

FLOAT, EVERY, INT8, INT16 = "float32", "float32 every error", "int8", "int16"
ENGINES = (FLOAT, EVERY, INT8, INT16)
"""How a net learns. Every error: without the threshold. int8, int16: on the C runtime, weights of that width."""
KS, RANKS = (1, 2, 3, 5, 10), (1, 2, 3, 5, 10)
ANGLE_RULES = ("k=1", "k=2", "dense", "aligned k=1")

Track = Callable[[str, int], Callable[[], None]]
"""(what is done, how many steps) -> to be called after each step."""


def rules_for(classes: int) -> list[Rule]:
    """last, random feedback by k, dense feedback by rank, ours, bp. Dense is k and rank at their most."""
    ks = [Rule(f"k={k}", "random", k) for k in KS if k < classes]
    ranks = [Rule(f"rank={r}", "dense", 0, r) for r in RANKS if r < classes]
    low = [Rule("k=1 rank=1", "random", 1, 1)]
    ours = [Rule(f"aligned k={k}", "aligned", k) for k in (1, 2)]
    return [Rule("last", "last"), *ks, *low, *ranks, Rule("dense", "dense"), *ours, Rule("bp", "bp")]


@dataclass(frozen=True)
class Question:
    """What to find out. data: a name of task.TASKS. sizes: of the net. samples: to learn from, 0 for all.

    tune_epochs: for the choice of rates. engines: of ENGINES. rules: names of rules_for, all if empty. batch: in float.
    angles: whether to take those of the steps too, with the rates of FLOAT. end: part of the rate in the last epoch.
    """

    data: str
    sizes: tuple[int, ...]
    epochs: int
    rates: tuple[float, ...]
    samples: int = 0
    seeds: int = 3
    tune_epochs: int = 0
    engines: tuple[str, ...] = (FLOAT, INT8)
    rules: tuple[str, ...] = ()
    target: str = "host"
    tau: float = 1 / 32
    batch: int = 16
    angles: bool = True
    end: float = 0.1

    def chosen_rules(self) -> list[Rule]:
        known = {rule.name: rule for rule in rules_for(self.sizes[-1])}
        unknown = [name for name in self.rules if name not in known]
        if unknown:
            raise SdfaError(f"unknown rule {unknown[0]!r}; there is {', '.join(known)}")
        return [known[name] for name in self.rules] if self.rules else list(known.values())

    def check(self) -> None:
        """SdfaError for rules and engines that there are not."""
        self.chosen_rules()
        unknown = [name for name in self.engines if name not in ENGINES]
        if unknown:
            raise SdfaError(f"unknown arithmetic {unknown[0]!r}; there is {'; '.join(ENGINES)}")

    def described(self) -> dict[str, Any]:
        """All that a cell's values depend on beside its key."""
        free = ("seeds", "rules", "engines", "angles")  # these choose cells, and change none
        return {"sdfa": __version__, **{k: v for k, v in asdict(self).items() if k not in free}}

    def quick(self) -> Question:
        """The same with one seed, two rates and few rules: for a first look, and for tests."""
        rules = self.rules or ("last", "k=1", "k=2", "rank=1", "dense", "aligned k=1", "bp")
        return replace(self, rules=rules, seeds=1, rates=self.rates[:2], epochs=min(self.epochs, 3), tune_epochs=1)


_FEW = ("last", "k=1", "k=2", "rank=1", "dense", "aligned k=2", "bp")

_DOUBLING = (0.002, 0.004, 0.008, 0.016, 0.032, 0.064)

QUESTIONS = {
    q.data: q
    for q in (
        Question("digits", (64, 32, 10), 5, (0.01, 0.02, 0.04), seeds=8),
        Question("mnist", (784, 400, 10), 5, _DOUBLING, 6_000, seeds=2, tune_epochs=2),
        Question("fashion_mnist", (784, 400, 10), 5, _DOUBLING, 3_000, seeds=1, tune_epochs=2, rules=_FEW),
        Question(
            "cifar10_small", (3072, 1000, 1000, 1000, 10), 6, (0.0001, 0.0003, 0.001), seeds=1, tune_epochs=2,
            engines=(FLOAT,), rules=_FEW,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One net that learns. stage: tune, test or angle."""

    stage: str
    engine: str
    rule: Rule
    rate: float
    epochs: int
    seed: int

    @property
    def key(self) -> str:
        return f"{self.stage}/{self.engine}/{self.rule.name}/{self.rate:g}/{self.epochs}/{self.seed}"


def _run(cell: Cell, question: Question, task: Task) -> dict[str, Any]:
    tau = 0.0 if cell.engine == EVERY else question.tau
    master = 16 if cell.engine == INT16 else 8
    plan = Plan(cell.rate, cell.epochs, cell.seed, tau, batch=question.batch, master=master, end=question.end)
    if cell.stage == "angle":
        return {"angles": angles_while_learning(question.sizes, cell.rule, plan, task)}
    task = task.tuning() if cell.stage == "tune" else task
    if cell.engine in (FLOAT, EVERY):
        learned = learn_in_float(question.sizes, cell.rule, plan, task)[0]
    else:
        learned = learn_on_runtime(question.sizes, cell.rule, plan, task, question.target)
    return asdict(learned) | {"accuracy": list(learned.accuracy)}  # as it comes back from JSON


def _tuning(question: Question) -> Iterator[Cell]:
    epochs = question.tune_epochs or question.epochs
    if len(question.rates) == 1:
        return  # nothing to choose from
    for name in question.engines:
        for rule in question.chosen_rules():
            for rate in question.rates:
                yield Cell("tune", name, rule, rate, epochs, 1)


@dataclass(frozen=True)
class Findings:
    """rates: chosen, by (engine, rule). cells: those that count. done: the values of all cells by key."""

    rates: dict[tuple[str, str], float]
    cells: tuple[Cell, ...]
    done: dict[str, dict[str, Any]]

    def last_epochs(self, engine_name: str, rule: str) -> list[float]:
        """Accuracy after the last epoch, one for each seed."""
        chosen = [c for c in self.cells if (c.stage, c.engine, c.rule.name) == ("test", engine_name, rule)]
        return [float(self.done[c.key]["accuracy"][-1]) for c in chosen]

    def angles(self) -> dict[str, list[list[float]]]:
        """Degrees by rule: one row per hidden layer."""
        return {c.rule.name: self.done[c.key]["angles"] for c in self.cells if c.stage == "angle"}


def explore(question: Question, journal: engine.Journal, jobs: int, track: Track) -> Findings:
    """Runs what the journal lacks."""
    task = load_task(question.data).limited(question.samples)
    tuning = list(_tuning(question))
    run = partial(_run, question=question, task=task)
    run_all(tuning, run, journal, jobs, track("choosing rates", len(tuning)))
    rates = {(e, rule.name): question.rates[0] for e in question.engines for rule in question.chosen_rules()}
    best = dict.fromkeys(rates, -1.0)
    for cell in tuning:  # the first of the best
        name = (cell.engine, cell.rule.name)
        if (score := float(journal.done[cell.key]["accuracy"][-1])) > best[name]:
            rates[name], best[name] = cell.rate, score
    cells = tuple(_finals(question, rates))
    run_all(cells, run, journal, jobs, track("learning", len(cells)))
    return Findings(rates, cells, journal.done)


def _finals(question: Question, rates: dict[tuple[str, str], float]) -> Iterator[Cell]:
    for name in question.engines:
        for rule in question.chosen_rules():
            for seed in range(1, question.seeds + 1):
                yield Cell("test", name, rule, rates[name, rule.name], question.epochs, seed)
    for rule in question.chosen_rules():
        if question.angles and FLOAT in question.engines and rule.name in ANGLE_RULES:
            yield Cell("angle", FLOAT, rule, rates[FLOAT, rule.name], question.epochs, 1)


class Keyed(Protocol):
    """A cell of an experiment."""

    @property
    def key(self) -> str: ...


C = TypeVar("C", bound=Keyed)


def run_all(
    cells: Sequence[C],
    run: Callable[[C], dict[str, Any]],
    journal: engine.Journal,
    jobs: int,
    track: Callable[[], None],
) -> None:
    """Runs the cells that the journal lacks; calls track for each cell."""
    for cell in cells:
        if cell.key in journal.done:
            track()
    tasks = (engine.Task(cell.key, partial(run, cell)) for cell in cells)
    engine.run_cells(tasks, journal, jobs, None, track)
