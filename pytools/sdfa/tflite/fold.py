"""Shape arithmetic worked out in advance: what Keras' Flatten and Reshape yield with an open batch size."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sdfa.errors import SdfaError
from sdfa.tflite.graph import Graph, Op, Tensor

_Array = npt.NDArray[Any]
_Options = Mapping[str, int | float | str]
_INTEGERS: dict[str, np.dtype[Any]] = {"int32": np.dtype(np.int32), "int64": np.dtype(np.int64)}
# shapes are short; longer integer constants are data, and none of our business
_MAX_VALUES = 64


def fold_shapes(graph: Graph) -> Graph:
    """The graph without the operations that only compute the shape of a RESHAPE.

    Each RESHAPE whose shape is known keeps one input, the data, and its output tensor has the right shape:
    that in the file, if the element counts agree. Operations that cannot be folded stay as they are, in their
    order, with their `place`; tensors keep their indices. Raises SdfaError when a RESHAPE changes the number
    of values or takes its shape from the model's input.
    """
    known = _evaluate(graph)
    tensors = list(graph.tensors)
    made = {index for op in graph.ops for index in op.outputs}
    ops = [_reshape(graph, op, known, made, tensors) if op.kind == "RESHAPE" else op for op in graph.ops]
    return replace(graph, tensors=tuple(tensors), ops=_needed(ops, graph.outputs, known))


def _evaluate(graph: Graph) -> dict[int, _Array]:
    """The values of all small integer tensors that do not depend on the input's values, by tensor index."""
    known = {i: value for i, t in enumerate(graph.tensors) if (value := _constant(t)) is not None}
    for op in graph.ops:
        value = _apply(graph, op, known)
        if value is not None and value.size <= _MAX_VALUES:
            known[op.outputs[0]] = value
    return known


def _constant(tensor: Tensor) -> _Array | None:
    if tensor.dtype not in _INTEGERS or math.prod(tensor.shape) > _MAX_VALUES or len(tensor.scale):
        return None
    return tensor.data


def _apply(graph: Graph, op: Op, known: Mapping[int, _Array]) -> _Array | None:
    """What the operation yields, or None when it is not foldable or makes no sense."""
    if len(op.outputs) != 1 or graph.tensors[op.outputs[0]].dtype not in _INTEGERS:
        return None
    kind = _INTEGERS[graph.tensors[op.outputs[0]].dtype]
    if op.kind == "SHAPE" and len(op.inputs) == 1 and op.inputs[0] >= 0:
        return np.array(graph.tensors[op.inputs[0]].shape, kind)
    rule = _RULES.get(op.kind)
    if rule is None or not op.inputs or any(index not in known for index in op.inputs):
        return None
    try:
        with np.errstate(all="ignore"):  # sizes that overflow are caught where the shape is used
            value = rule([known[index] for index in op.inputs], op.options)
            return None if value is None else np.asarray(value).astype(kind)
    except (ValueError, LookupError, TypeError, OverflowError):
        return None


def _strided_slice(args: list[_Array], options: _Options) -> _Array | None:
    values, begins, ends, strides = args
    if values.ndim != 1 or any(options[key] for key in ("ellipsis_mask", "new_axis_mask", "offset")):
        return None
    (begin,), (end,), (stride,) = begins.tolist(), ends.tolist(), strides.tolist()
    if int(options["shrink_axis_mask"]) & 1:
        return np.asarray(values[begin])
    first = None if int(options["begin_mask"]) & 1 else begin
    last = None if int(options["end_mask"]) & 1 else end
    return values[first:last:stride]


def _pack(args: list[_Array], options: _Options) -> _Array:
    return np.stack(args, axis=int(options["axis"]))


def _concatenation(args: list[_Array], options: _Options) -> _Array | None:
    plain = options["activation"] == "NONE"
    return np.concatenate(args, axis=int(options["axis"])) if plain else None


def _gather(args: list[_Array], options: _Options) -> _Array | None:
    values, indices = args
    if options["batch_dims"] or np.any(indices < 0):
        return None
    return np.take(values, indices, axis=int(options["axis"]))


def _reduce_prod(args: list[_Array], options: _Options) -> _Array:
    values, axes = args
    axis = tuple(int(i) for i in axes.reshape(-1))
    return np.asarray(np.prod(values.astype(np.int64), axis=axis, keepdims=bool(options["keep_dims"])))


def _pointwise(rule: Callable[[_Array, _Array], _Array]) -> Callable[[list[_Array], _Options], _Array | None]:
    def apply(args: list[_Array], options: _Options) -> _Array | None:
        left, right = args
        return rule(left.astype(np.int64), right.astype(np.int64)) if options["activation"] == "NONE" else None

    return apply


def _expand_dims(args: list[_Array], _: _Options) -> _Array:
    values, axis = args
    return np.expand_dims(values, int(axis.reshape(-1)[0]))


def _cast(args: list[_Array], _: _Options) -> _Array:
    (values,) = args
    return values


_RULES: dict[str, Callable[[list[_Array], _Options], _Array | None]] = {
    "STRIDED_SLICE": _strided_slice,
    "PACK": _pack,
    "CONCATENATION": _concatenation,
    "GATHER": _gather,
    "REDUCE_PROD": _reduce_prod,
    "MUL": _pointwise(np.multiply),
    "ADD": _pointwise(np.add),
    "SUB": _pointwise(np.subtract),
    "EXPAND_DIMS": _expand_dims,
    "CAST": _cast,
}


def _reshape(graph: Graph, op: Op, known: Mapping[int, _Array], made: set[int], tensors: list[Tensor]) -> Op:
    """The RESHAPE with its data as the only input, its output's shape set; unchanged if that is computed."""
    if len(op.inputs) not in (1, 2) or len(op.outputs) != 1 or op.inputs[0] < 0:
        raise SdfaError(f"{_where(graph, op)} is damaged; convert the model again")
    asked = _asked(graph, op, known, made)
    if asked is None:
        return op
    source, out = tensors[op.inputs[0]], tensors[op.outputs[0]]
    shape = _match(out.shape, asked, math.prod(source.shape))
    if shape is None:
        raise SdfaError(
            f"{_where(graph, op)} cannot turn shape {list(source.shape)} into {list(asked or out.shape)}; "
            "convert the model with fixed sizes (batch size 1)"
        )
    tensors[op.outputs[0]] = replace(out, shape=shape)
    return replace(op, inputs=op.inputs[:1])


def _where(graph: Graph, op: Op) -> str:
    return f"{graph.name}: operation {op.place} (RESHAPE)"


def _asked(graph: Graph, op: Op, known: Mapping[int, _Array], made: set[int]) -> tuple[int, ...] | None:
    """The shape that the RESHAPE asks for, () when only its output tensor tells; None when it is computed."""
    if len(op.inputs) == 1 or op.inputs[1] < 0:
        return ()
    if op.inputs[1] in known:
        return tuple(int(size) for size in known[op.inputs[1]].reshape(-1))
    # a constant without values (the shape of a scalar) looks like an activation
    if graph.tensors[op.inputs[1]].shape == (0,):
        return ()
    if op.inputs[1] not in made:
        raise SdfaError(f"{_where(graph, op)} takes its shape from an input; convert the model with fixed sizes")
    return None


def _match(stored: tuple[int, ...], asked: tuple[int, ...], count: int) -> tuple[int, ...] | None:
    """The stored shape if it holds `count` values, else the one asked for, its -1 replaced, else None."""
    if math.prod(stored) == count:
        return stored
    rest = math.prod(size for size in asked if size != -1)
    if asked.count(-1) == 1 and rest > 0 and count % rest == 0:
        asked = tuple(count // rest if size == -1 else size for size in asked)
    sound = len(asked) > 0 and all(size > 0 for size in asked)
    return asked if sound and math.prod(asked) == count else None


def _needed(ops: list[Op], outputs: tuple[int, ...], known: Mapping[int, _Array]) -> tuple[Op, ...]:
    """All but the evaluated operations that nothing which stays reads."""
    used, kept = set(outputs), []
    for op in reversed(ops):
        if used.isdisjoint(op.outputs) and all(index in known for index in op.outputs):
            continue
        used.update(op.inputs)
        kept.append(op)
    return tuple(reversed(kept))


FOLDED_OPS = ("SHAPE", *_RULES)
"""Operations that disappear where all they compute is the shape of a RESHAPE."""
