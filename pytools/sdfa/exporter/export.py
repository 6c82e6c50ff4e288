"""Model file -> image, C source and report: the stages of the exporter in their order."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sdfa import __version__
from sdfa.arguments import path_of
from sdfa.errors import SdfaError, amount
from sdfa.exporter.gold import with_gold
from sdfa.exporter.report import left_out_report, make_report
from sdfa.exporter.settings import ModelSettings, check_budget
from sdfa.exporter.zeros import zero_layers
from sdfa.files import check_folder, write_whole
from sdfa.image.csource import CSource, c_name, write_csource
from sdfa.image.reader import Image, read_image, sections_of
from sdfa.image.records import MASTER_BITS
from sdfa.image.writer import Learning, build_image, memory_blocks
from sdfa.learning.feedback import Table, jacobians, make_tables, products
from sdfa.learning.spare import add_spare
from sdfa.learning.tail import Tail, find_tail
from sdfa.lower import QGraph, lower
from sdfa.lower.plan import Plan, plan_memory
from sdfa.lower.prune import channels_left_out, prune
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.graph import FloatArray, Graph, Int8Array
from sdfa.tflite.load import read_model
from sdfa.twin.infer import run_until
from sdfa.twin.layers import decode
from sdfa.twin.update import rate_of

DEFAULT_FEEDBACK = "live"
DEFAULT_CONNECTIONS = 2
DEFAULT_RATE = {"softmax_ce": 0.016, "mse": 0.01}
DEFAULT_TAU = {"softmax_ce": 0.0, "mse": 0.0}
"""Rate and threshold for few samples of somebody new, whose small errors count: 1/32 costs 0.3 to 1.7 points on the
sets of docs/results.md, and saves half to nine tenths of the updates. Where there are many samples it costs nothing."""


@dataclass(frozen=True, eq=False)
class Options:
    """What a user may choose. None: what model.toml says, else the default that suits the model.

    train_last: dense layers that learn, 0 for inference only. rate: learning rate. tau: error threshold.
    connections: outputs that each hidden neuron listens to. centred: of live feedback, the weights less their mean
    over the outputs that have an error. rank: of random or dense feedback; None leaves it free.
    jacobian: what aligned tables come from, `mean` (over calib; the default where there is one) or `product` of the
    weights. master: bits of the weights that learn: 8, or 16 with fractions in RAM.
    calib: int8 (n, *input). labels: names of the classes.
    spare: outputs for classes of later.
    tables: the feedback itself, for experiments, one per hidden layer that learns; feedback names its kind.
    """

    train_last: int | None = None
    feedback: str | None = None
    connections: int | None = None
    centred: bool | None = None
    rank: int | None = None
    jacobian: str | None = None
    seed: int | None = None
    rate: float | None = None
    tau: float | None = None
    loss: str | None = None
    master: int | None = None
    labels: tuple[str, ...] = ()
    calib: Int8Array | None = None
    spare: int = 0
    tables: Sequence[Table] | None = None

    def filled(self, said: ModelSettings) -> Options:
        """The same with what a model.toml says where nothing was chosen."""
        mine = {name: value for name in _SAID if (value := getattr(self, name)) is not None}
        theirs = {name: value for name, key in _SAID.items() if (value := getattr(said, key)) is not None}
        if self.feedback == "last":
            theirs.pop("train_last", None)  # said of another feedback
        return replace(self, **(theirs | mine), labels=self.labels or said.labels)

    def refuse_useless(self, said: ModelSettings, default: str = DEFAULT_FEEDBACK) -> None:
        """SdfaError for a choice that would have no effect. The seed has none in many cases: it may always be given.

        default: the feedback where none is chosen.
        """
        filled = self.filled(said)
        if filled.train_last == 0:
            for name in (
                "feedback", "connections", "centred", "rank", "jacobian", "rate", "tau", "loss", "master", "calib",
            ):  # fmt: skip
                if getattr(self, name) is not None:
                    option = {"rate": "lr", "tau": "threshold"}.get(name, name)
                    raise SdfaError(f"--{option} has no use where nothing learns (--train-last 0): leave it away")
        feedback = filled.feedback or default
        for name, kinds in _USES.items():
            if getattr(self, name) is not None and feedback not in kinds:
                raise SdfaError(f"--{name} has no use with --feedback {feedback}: leave one of them away")
        if self.calib is not None and filled.jacobian == "product":
            raise SdfaError("--calib has no use with --jacobian product: leave one of them away")


def averages(options: Options) -> bool:
    """Whether these options, filled, make use of calibration inputs."""
    feedback = options.feedback or DEFAULT_FEEDBACK
    return options.train_last != 0 and feedback in _USES["calib"] and options.jacobian != "product"


_SAID = {
    "train_last": "train_last", "feedback": "feedback", "connections": "connections",
    "centred": "centred", "rank": "rank", "jacobian": "jacobian", "seed": "seed",
    "rate": "rate", "tau": "threshold", "loss": "loss",
    "master": "master",
}  # fmt: skip


_USES = {
    "connections": ("aligned", "random", "live"), "centred": ("live",), "rank": ("random", "dense"),
    "jacobian": ("aligned", "live"), "calib": ("aligned", "live"),
}  # fmt: skip
"""Options that only some kinds of feedback know."""


@dataclass(frozen=True, eq=False)
class Export:
    """The result: the image's bytes, the same parsed, C source, report (JSON-able).

    tflite: the model file, where it was made on the way; learned weights can be merged into it.
    """

    name: str
    data: bytes
    image: Image
    csource: CSource
    report: dict[str, Any]
    tflite: bytes | None = None

    def save(self, folder: str | Path) -> list[Path]:
        """Write NAME.sdfa .c .h .json, and NAME.tflite where it was made; returns their paths. As write_files."""
        return write_files(self, path_of(folder, "the folder to write to"))


def export_file(path: Path, name: str | None, options: Options, said: ModelSettings | None = None) -> Export:
    """Export a .tflite file. said: its model.toml. Raises SdfaError, also when a budget is exceeded."""
    graph, _ = read_model(path)
    return export_within(graph, name, options, said or ModelSettings())


def export_within(
    graph: Graph, name: str | None, options: Options, said: ModelSettings, *, seen: Int8Array | None = None
) -> Export:
    """As export_graph, with what the model's settings say where the options say nothing, within their budgets."""
    chosen = c_name((said.name or graph.name) if name is None else name)
    if name not in (None, chosen):  # the files must have the name that was asked for
        raise SdfaError(f"--name {name!r} is no C name: give {chosen}")
    result = export_graph(graph, chosen, options.filled(said), seen=seen)
    ram = result.report["ram"]
    check_budget(said, {key: ram[key] for key in ("arena", "tail", "state")}, _flash_parts(result.data))
    return result


_PARTS = {
    b"TENS": "tensors", b"OPS ": "operations", b"DATA": "constants and tables", b"TAIL": "factory weights that learn",
    b"LERN": "learning", b"GOLD": "golden output", b"META": "names and scales for tools",
}  # fmt: skip


def _flash_parts(data: bytes) -> dict[str, int]:
    """Bytes of an image by what they hold."""
    parts = {_PARTS[tag]: len(payload) for tag, payload in sections_of(data)}
    return parts | {"header and padding": len(data) - sum(parts.values())}


def export_graph(
    graph: Graph, name: str, options: Options, *, whole: bool = False, seen: Int8Array | None = None
) -> Export:
    """Export a loaded model under a C name. whole: with the channels that could be left out (prune).

    seen: int8 (n, *input), inputs as the model gets them; by default options.calib.
    """
    folded = fold_shapes(graph)
    qgraph = lower(folded)
    _check_labels(qgraph, options.labels)
    learning = make_learning(qgraph, name, options)
    if options.spare:
        qgraph, learning = _with_spare(qgraph, learning, options.spare)
    learns = learning.ops if learning else frozenset()
    # prune neither touches nor moves what learns: `learning` holds for the smaller graph too
    small = qgraph if whole else prune(qgraph, learns)
    meta = make_meta(folded, qgraph, learning, name, options)
    left_out = channels_left_out(qgraph, small)
    told = meta | ({"left_out": left_out} if any(left_out) else {})
    zeros = zero_layers(small, learns, options.calib if seen is None else seen, partial(_frozen, small, name))
    plan, data = _planned(small, learning, told, zeros)
    data = with_gold(data)
    image = read_image(data, name)
    if image.learning is not None:
        rate_of(decode(image).layers, int(image.learning["rate_q24"]))  # refuses what the device would refuse
    csource = write_csource(name, image, data)
    report = make_report(folded, small, plan, learning, image)
    report["left_out"] = left_out_report(qgraph, small, report, partial(_planned, qgraph, learning, meta, zeros))
    return Export(name, data, image, csource, report)


def _with_spare(qgraph: QGraph, learning: Learning | None, spare: int) -> tuple[QGraph, Learning]:
    """With spare outputs; the feedback tables stay those of the classes that there are."""
    if learning is None or learning.loss != "softmax_ce":
        raise SdfaError("--spare-classes needs an image that learns classes: not --train-last 0, not --loss mse")
    grown = add_spare(qgraph, spare)
    return grown, replace(learning, tail=find_tail(grown, len(learning.tail.layers)))


def _planned(
    qgraph: QGraph, learning: Learning | None, meta: dict[str, Any], zeros: Collection[int] = ()
) -> tuple[Plan, bytes]:
    """The plan of a graph's memory, and the image."""
    plan = plan_memory(memory_blocks(qgraph, learning), np.random.default_rng(0))
    return plan, build_image(qgraph, plan, learning, meta, zeros)


def _frozen(qgraph: QGraph, name: str) -> Image:
    """An image in which nothing learns, for the integer twin."""
    return read_image(_planned(qgraph, None, {})[1], name)


def _check_labels(qgraph: QGraph, labels: tuple[str, ...]) -> None:
    outputs = qgraph.tensors[qgraph.output].c
    if labels and (len(labels) != outputs or not all(labels)):
        n = sum(map(bool, labels))
        raise SdfaError(
            f"{amount(n, 'label')} for a model with {amount(outputs, 'output')}: give one for each, or none"
        )


def make_learning(qgraph: QGraph, name: str, options: Options) -> Learning | None:
    """The learning part, or None when nothing is to learn."""
    if options.train_last == 0:
        return None
    feedback = options.feedback or DEFAULT_FEEDBACK
    if feedback == "last" and (options.train_last or 1) > 1:
        raise SdfaError("--feedback last trains the output layer alone: leave --train-last away or say 1")
    tail = find_tail(qgraph, 1 if feedback == "last" else options.train_last)
    loss = options.loss or ("softmax_ce" if tail.softmax else "mse")
    _check_loss(tail, loss)
    centred = feedback == "live" and bool(options.centred)
    if centred and loss == "mse":
        raise SdfaError("--centred is for cross-entropy, whose errors have the sum 0; leave it away with mse")
    k = min(DEFAULT_CONNECTIONS, tail.layers[-1].out_n) if options.connections is None else options.connections
    tables = _tables(qgraph, name, tail, feedback, k, options) if options.tables is None else options.tables
    rate = DEFAULT_RATE[loss] if options.rate is None else options.rate
    tau = DEFAULT_TAU[loss] if options.tau is None else options.tau
    if feedback != "live" or len(tail.layers) == 1:
        k = tables[0].index.shape[1] if tables else 0
    said = jacobian_of(feedback, options)  # refuses it even where there is no table
    jacobian = said if tables else None
    return Learning(
        tail, loss, feedback, k, rate, tau, _seed(options), tables, _master_bits(options), centred, jacobian
    )


def _master_bits(options: Options) -> int:
    """Bits of fractions in RAM."""
    if options.master not in (None, 8, 16):
        raise SdfaError(f"--master {options.master}: weights learn with 8 or 16 bits")
    return MASTER_BITS if options.master == 16 else 0


def _seed(options: Options) -> int:
    seed = 1 if options.seed is None else options.seed
    if not 0 <= seed < 2**32:
        raise SdfaError(f"seed {seed}: between 0 and 2^32 - 1")
    return seed


def _check_loss(tail: Tail, loss: str) -> None:
    if loss not in DEFAULT_RATE:
        raise SdfaError(f"unknown loss {loss!r}; known: {', '.join(DEFAULT_RATE)}")
    if loss == "mse" and tail.softmax:
        raise SdfaError("the model ends in SOFTMAX: its loss is softmax_ce; cut the softmax off to learn with mse")
    if loss == "softmax_ce" and tail.layers[-1].out_n < 2:
        raise SdfaError("cross-entropy needs at least 2 outputs; this model has 1: use mse")


def _tables(qgraph: QGraph, name: str, tail: Tail, feedback: str, k: int, options: Options) -> Sequence[Table]:
    weights = [layer.real_weights() for layer in tail.layers]
    js = products(weights)
    if js and options.calib is not None and jacobian_of(feedback, options) == "mean":
        js = _calibrated(qgraph, name, tail, options.calib, weights)
    return make_tables(feedback, js, k, np.random.default_rng(_seed(options)), options.rank)


def jacobian_of(feedback: str, options: Options) -> str | None:
    """What aligned tables come from, `mean` or `product`; None for other feedback. Raises SdfaError."""
    if feedback not in _USES["jacobian"]:
        return None
    said = options.jacobian or ("product" if options.calib is None else "mean")
    if said not in ("mean", "product"):
        raise SdfaError(f"unknown Jacobian {said!r}; known: mean, product")
    if said == "mean" and options.calib is None:
        raise SdfaError("--jacobian mean is an average over inputs: give some with --calib")
    return said


def _calibrated(
    qgraph: QGraph, name: str, tail: Tail, calib: Int8Array, weights: Sequence[FloatArray]
) -> list[FloatArray]:
    """Mean Jacobians over calibration inputs; the integer twin says which neurons are active."""
    image = _frozen(qgraph, name)
    masks = []
    for layer in tail.layers[:-1]:
        out = run_until(image, calib, layer.op + 1, layer.dense.output)
        masks.append((out > layer.dense.fields["act_min"]) & (out < layer.dense.fields["act_max"]))
    return jacobians(weights, masks)


def make_meta(graph: Graph, qgraph: QGraph, learning: Learning | None, name: str, options: Options) -> dict[str, Any]:
    """The META section: what tools need and the device does not."""
    end = {"input": qgraph.tensors[qgraph.input], "output": qgraph.tensors[qgraph.output]}
    meta: dict[str, Any] = {
        "name": name, "source": graph.name, "source_sha256": graph.sha256, "tool": f"sdfa {__version__}",
        "labels": list(options.labels), "tail": _tail_meta(graph, learning),
    }  # fmt: skip
    if options.spare:
        meta["spare"] = options.spare
    for key, t in end.items():
        meta[key] = {"name": t.name, "shape": list(t.shape), "scale": t.scale, "zero_point": t.zero_point}
    return meta


def _tail_meta(graph: Graph, learning: Learning | None) -> list[dict[str, Any]]:
    return [
        {
            "place": layer.dense.place,
            "activation": layer.dense.activation,
            "input_scale": layer.a.scale,
            "output_scale": layer.out.scale,
            "weight_scale": layer.channels.scale.tolist(),
            "weight_off": graph.tensors[layer.dense.weight_tensor].data_off,
            "bias_off": graph.tensors[layer.dense.bias_tensor].data_off,
        }
        for layer in (learning.tail.layers if learning else ())
    ]


def write_files(export: Export, folder: Path, more: Mapping[str, bytes] | None = None) -> list[Path]:
    """Write NAME.sdfa .c .h .json into a folder that is empty, absent, or holds an earlier export of the same name.

    more: further files by their extension.
    """
    texts = {
        ".c": export.csource.source, ".h": export.csource.header, ".json": json.dumps(export.report, indent=1) + "\n",
    }  # fmt: skip
    made = {} if export.tflite is None else {".tflite": export.tflite}
    contents = {".sdfa": export.data} | {ext: text.encode() for ext, text in texts.items()} | made | dict(more or {})
    files = {f"{export.name}{ext}": data for ext, data in contents.items()}
    check_folder(folder)
    others = (
        sorted(p.name for p in itertools.islice(folder.iterdir(), 100) if p.name not in files)
        if folder.exists()
        else []
    )
    if others:
        raise SdfaError(f"{folder} holds something else ({others[0]}): give an empty or a new folder")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:  # ValueError: a path with a null byte
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        raise SdfaError(f"{folder}: {why}; give another folder") from None
    for name, data in files.items():
        write_whole(folder / name, data)
    return [folder / name for name in files]
