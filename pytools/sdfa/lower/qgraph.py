"""What lowering yields: int8 tensors and the operations of an image, before memory is planned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sdfa.tflite.graph import Int8Array, Int32Array


@dataclass(frozen=True)
class QTensor:
    """An int8 activation. storage: tensors with one number are views of the same bytes (RESHAPE)."""

    name: str
    shape: tuple[int, ...]
    h: int
    w: int
    c: int
    scale: float
    zero_point: int
    storage: int

    @property
    def len(self) -> int:
        """Bytes."""
        return self.h * self.w * self.c

    @property
    def cells(self) -> tuple[int, int, int]:
        """(h, w, c)."""
        return self.h, self.w, self.c

    @property
    def quantization(self) -> tuple[float, int]:
        """(scale, zero point)."""
        return self.scale, self.zero_point


@dataclass(frozen=True, eq=False)
class Channels:
    """Constants of CONV, DEPTHWISE and DENSE, per output channel.

    weights: int8 in the order of the image; bias: int32[n], the model's own, without the folded zero point;
    mult, shift: requantization; scale: float64[n], real value of one weight unit; sums: int64[n], sum of weights.
    """

    weights: Int8Array
    bias: Int32Array
    mult: npt.NDArray[np.int32]
    shift: Int8Array
    scale: npt.NDArray[np.float64]
    sums: npt.NDArray[np.int64]

    def folded_bias(self, zero_point: int) -> Int32Array:
        """bias - z * sum(w), modulo 2^32."""
        folded = self.bias.astype(np.int64) - zero_point * self.sums
        return folded.astype(np.uint32).astype(np.int32)


@dataclass(frozen=True, eq=False)
class QOp:
    """One operation of the image. fields: the values of its record (SPEC.md 1.4) that do not depend on the plan.

    Several COPY operations may write one output. table: int8[256] of a TABLE.
    """

    kind: str
    place: int
    inputs: tuple[int, ...]
    output: int
    fields: Mapping[str, int]
    channels: Channels | None = None
    weight_tensor: int = -1
    bias_tensor: int = -1
    macs: int = 0
    activation: str = "NONE"
    table: Int8Array | None = None


@dataclass(frozen=True, eq=False)
class QGraph:
    name: str
    tensors: tuple[QTensor, ...]
    ops: tuple[QOp, ...]
    input: int
    output: int
    sha256: str
