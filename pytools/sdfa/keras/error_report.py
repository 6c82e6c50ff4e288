"""What quantization costs, layer by layer: the int8 model's values against the float model's, on the same samples.

The int8 values are those of the integer twin, which are those of the device.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.data import Float32Array
from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import Image
from sdfa.keras.lite_file import LiteFile
from sdfa.keras.tensorflow import quiet, tensorflow
from sdfa.lower import QGraph, QTensor, lower
from sdfa.tflite.fold import fold_shapes
from sdfa.tflite.graph import FloatArray, Graph, Op
from sdfa.tflite.load import load_tflite
from sdfa.twin.infer import outputs_of
from sdfa.units import quantize_values

SAMPLES, CHUNK = 256, 16
"""Most samples that are compared, and how many at once."""

_WEIGHTED = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


@dataclass
class _Sums:
    """Of one layer's float values v and errors e = int8 value - v, over all samples."""

    n: int = 0
    signal: float = 0.0
    noise: float = 0.0
    absolute: float = 0.0
    largest: float = 0.0
    low: float = math.inf
    high: float = -math.inf
    outside: int = 0

    def add(self, v: npt.NDArray[np.float64], q: npt.NDArray[np.int8], t: QTensor) -> None:
        error = (q.astype(np.float64) - t.zero_point) * t.scale - v
        ends = [(end - t.zero_point) * t.scale for end in (-128.5, 127.5)]
        self.n += v.size
        self.signal += float((v * v).sum())
        self.noise += float((error * error).sum())
        self.absolute += float(np.abs(error).sum())
        self.largest = max(self.largest, float(np.abs(error).max()))
        self.low, self.high = min(self.low, float(v.min())), max(self.high, float(v.max()))
        self.outside += int(((v < ends[0]) | (v > ends[1])).sum())

    def row(self) -> dict[str, Any]:
        return {
            "range": [self.low, self.high], "sqnr_db": _decibels(self.signal, self.noise),
            "max_error": self.largest, "mean_error": self.absolute / self.n, "saturated": self.outside / self.n,
        }  # fmt: skip


def error_report(
    plain: bytes, model: bytes, name: str, x: Float32Array, keras_layers: Collection[str] = ()
) -> dict[str, Any]:
    """The comparison as data.

    plain, model: the float and the int8 .tflite file. x: float32 (n, *input). layers: one row per operation of the
    model that moves values, in real units: range of the float values; sqnr_db, signal to quantization noise of its
    output; weights_sqnr_db, of its weights; largest and mean absolute error; saturated, the share of float values
    outside the int8 range. None: no such values, or no error at all. same_class: share of samples whose largest output
    is the same.
    """
    x = x[:SAMPLES]
    file, graph = LiteFile(model), fold_shapes(load_tflite(model, name))
    qgraph = lower(graph)
    last = {op.output: op for op in qgraph.ops}  # several copies may write one output
    outs = {op.place: qgraph.tensors[op.output] for op in last.values()}
    names = {place: file.output_name(place) for place in outs}
    taps = _FloatTaps(plain, set(names.values()))
    image = export_graph(graph, "model", Options(train_last=0), whole=True).image
    compared = {place: t for place, t in outs.items() if names[place] in taps.index}
    sums = {place: _Sums() for place in compared}
    same = [
        _compare(image, qgraph, taps, names, compared, sums, x[start : start + CHUNK])
        for start in range(0, len(x), CHUNK)
    ]
    weights = _weight_decibels(graph, file, load_tflite(plain, name), LiteFile(plain))
    kinds = {op.place: op.kind for op in graph.ops}
    layers = [
        {"place": place, "kind": kinds[place], "name": short_name(names[place]), "scale": t.scale,
         "weights_sqnr_db": weights.get(names[place]), **sums[place].row()}
        for place, t in compared.items()
    ]  # fmt: skip
    for row, shown in zip(layers, layer_names([str(row["name"]) for row in layers], keras_layers), strict=True):
        row["name"] = shown
    classes = next(reversed(outs.values())).c > 1
    return {"samples": len(x), "layers": layers, "same_class": sum(same) / len(x) if classes else None}


def _compare(
    image: Image,
    qgraph: QGraph,
    taps: _FloatTaps,
    names: dict[int, str],
    compared: dict[int, QTensor],
    sums: dict[int, _Sums],
    x: Float32Array,
) -> int:
    """Add a few samples to the sums; returns how many have their largest output at the same place."""
    first = qgraph.tensors[qgraph.input]
    q = quantize_values(x.reshape(len(x), -1), first.scale, first.zero_point)
    made = zip(qgraph.ops, outputs_of(image, image.present_tail, q)[:-1], strict=True)
    values = {op.place: out.reshape(len(x), -1) for op, out in made}
    real = taps.run(x)
    for place, t in compared.items():
        sums[place].add(real[names[place]], values[place], t)
    end = qgraph.ops[-1].place
    if end not in compared:
        return 0
    return int((real[names[end]].argmax(axis=1) == values[end].argmax(axis=1)).sum())


class _FloatTaps:
    """The float model, with the output of every operation that is wanted as an output of the model."""

    def __init__(self, plain: bytes, wanted: set[str]) -> None:
        tf = tensorflow()
        file = LiteFile(plain)
        made = [int(i) for op in file.graph.operators for i in op.outputs if file.name(int(i)) in wanted]
        file.graph.outputs, file.model.signatureDefs = made, []
        with quiet():  # XNNPACK, the default, is wrong for some strides
            self.interpreter = tf.lite.Interpreter(
                model_content=file.packed(),
                experimental_op_resolver_type=tf.lite.experimental.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
            self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.index = {file.name(i): i for i in made}

    def run(self, x: Float32Array) -> dict[str, npt.NDArray[np.float64]]:
        """Values (n, len) by name."""
        rows: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in self.index}
        for sample in x:
            self.interpreter.set_tensor(self.input["index"], sample.reshape(self.input["shape"]))
            self.interpreter.invoke()
            for name, index in self.index.items():
                rows[name].append(self.interpreter.get_tensor(index).ravel().astype(np.float64))
        return {name: np.stack(row) for name, row in rows.items()}


def _weight_decibels(graph: Graph, file: LiteFile, floats: Graph, exact: LiteFile) -> dict[str, float | None]:
    """By the name of a layer's output: signal to noise of its weights."""
    reals = {exact.output_name(op.place): floats.tensors[op.inputs[1]].data for op in _weighted(floats)}
    found: dict[str, float | None] = {}
    for op in _weighted(graph):
        name, t = file.output_name(op.place), graph.tensors[op.inputs[1]]
        real = reals.get(name)
        if t.data is None or real is None or real.shape != t.data.shape:
            continue
        scale = t.scale.reshape([-1 if d == t.axis else 1 for d in range(len(t.shape))])
        error: FloatArray = t.data.astype(np.float64) * scale - real.astype(np.float64)
        found[name] = _decibels(float((real.astype(np.float64) ** 2).sum()), float((error**2).sum()))
    return found


def _weighted(graph: Graph) -> Iterator[Op]:
    return (op for op in graph.ops if op.kind in _WEIGHTED)


def _decibels(signal: float, noise: float) -> float | None:
    return 10 * math.log10(signal / noise) if signal > 0 and noise > 0 else None


def layer_names(names: Sequence[str], layers: Collection[str]) -> list[str]:
    """Without the _1 that the second call of a model, for its conversion, puts behind the name of every layer.

    layers: what Keras calls them. As they are, unless all that are of a layer have it.
    """
    heads = [name.split("/")[0] for name in names]
    own = [head for head in heads if head in layers or head.removesuffix("_1") in layers]
    if not all(head.endswith("_1") and head.removesuffix("_1") in layers for head in own):
        return list(names)
    return [
        head.removesuffix("_1") + name[len(head) :] if head in own else name
        for head, name in zip(heads, names, strict=True)
    ]


def short_name(name: str) -> str:
    """What Keras calls a layer, from a tensor's name: functional_1/conv2d_1/Relu;... -> conv2d_1/Relu."""
    parts = name.split(";")[0].split("/")
    return "/".join(parts[1:] if len(parts) > 2 else parts)
