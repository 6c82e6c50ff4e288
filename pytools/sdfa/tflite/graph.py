"""The model as the tools see it: tensors and operations, in the order of execution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

Int8Array = npt.NDArray[np.int8]
Int32Array = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor of a model file.

    shape: as in the file, batch size included; an open batch size is given as 1.
    dtype: TFLite's name in lower case ("int8", "int32", "float32", ...).
    scale: float32[n], n = 1 (per tensor) or the size of dimension `axis`; empty when the tensor is not quantized.
    zero_point: int64[n].
    data: the constant's values in `shape`, or None for an activation.
    data_off: byte offset of the constant in the model file (so that learned weights can be written back), or None.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]
    axis: int
    data: npt.NDArray[np.generic] | None
    data_off: int | None


@dataclass(frozen=True, eq=False)
class Op:
    """One operation.

    kind: TFLite's builtin name ("CONV_2D"); place: its index in the file, for messages.
    inputs, outputs: tensor indices; an absent optional input is -1.
    options: padding "SAME" | "VALID", stride_h, stride_w, dilation_h, dilation_w, filter_h, filter_w,
             depth_multiplier, activation "NONE" | "RELU" | "RELU6" | ..., beta, keep_num_dims: those that the kind has.
    """

    kind: str
    place: int
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, int | float | str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Graph:
    """A model: what `load` makes and everything behind it reads."""

    name: str
    tensors: tuple[Tensor, ...]
    ops: tuple[Op, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    sha256: str
