"""Every record of the image format (firmware/SPEC.md section 1), once, as numpy dtypes.

Field names and offsets equal those of the C structs in firmware/src/sdfa_format.h; a test compiles a probe to compare.
"""

from __future__ import annotations

import numpy as np

MAGIC = int.from_bytes(b"SDFA", "little")
VERSION = 1

HEADER = np.dtype(
    [
        ("magic", "<u4"), ("crc32", "<u4"), ("image_len", "<u4"), ("version", "<u2"), ("section_n", "<u2"),
        ("model_id", "u1", 8), ("arena_len", "<u4"), ("tail_len", "<u4"), ("op_n", "<u2"), ("tensor_n", "<u2"),
        ("input", "<u2"), ("output", "<u2"), ("kernels", "<u4"), ("reserved", "<u4", 5),
    ]
)  # fmt: skip
SECTION = np.dtype([("tag", "S4"), ("off", "<u4"), ("len", "<u4"), ("reserved", "<u4")])
TENSOR = np.dtype(
    [
        ("off", "<u4"), ("c", "<u4"), ("h", "<u2"), ("w", "<u2"), ("zero_point", "<i2"), ("reserved", "<u2"),
        ("scale", "<f4"),
    ]
)  # fmt: skip

_OP = [("kind", "<u2"), ("len", "<u2"), ("in", "<u2"), ("out", "<u2")]
_CHANNELS = [("weights", "<u4"), ("bias", "<u4"), ("mult", "<u4"), ("shift", "<u4")]
_ACT = [("act_min", "<i2"), ("act_max", "<i2")]
OP = np.dtype(_OP)
DENSE = np.dtype(
    _OP + _CHANNELS
    + [("in_n", "<u4"), ("out_n", "<u4"), ("acc", "<u4"), ("rows", "<u2"), ("flags", "<u2")]
    + _ACT + [("reserved", "<u4")]
)  # fmt: skip
CONV = np.dtype(
    _OP + _CHANNELS
    + [("scratch", "<u4"), ("kh", "<u2"), ("kw", "<u2"), ("stride_h", "<u2"), ("stride_w", "<u2"), ("dil_h", "<u2"),
       ("dil_w", "<u2"), ("pad_top", "<u2"), ("pad_left", "<u2")]
    + _ACT + [("flags", "<u4")]
)  # fmt: skip
POOL = np.dtype(
    _OP
    + [("kh", "<u2"), ("kw", "<u2"), ("stride_h", "<u2"), ("stride_w", "<u2"), ("pad_top", "<u2"), ("pad_left", "<u2")]
    + _ACT
)  # fmt: skip
ADD = np.dtype(
    _OP
    + [("in1", "<u2"), ("flags", "<u2"), ("mult0", "<i4"), ("shift0", "<i4"), ("mult1", "<i4"), ("shift1", "<i4"),
       ("mult_out", "<i4"), ("shift_out", "<i4")]
    + _ACT
)  # fmt: skip
SOFTMAX = np.dtype(_OP + [("mult", "<i4"), ("shift", "<i4"), ("diff_min", "<i4")])
MUL = np.dtype(_OP + [("in1", "<u2"), ("reserved", "<u2"), ("mult", "<i4"), ("shift", "<i4")] + _ACT)
MEAN = np.dtype(_OP + [("mult", "<i4"), ("shift", "<i4")])
PAD = np.dtype(_OP + [("top", "<u2"), ("left", "<u2")])
COPY = np.dtype(_OP + [("rows", "<u4"), ("row_len", "<u4"), ("off", "<u4")])
TABLE = np.dtype(_OP + [("table", "<u4")])

# kind -> (name, record); the order is that of enum sdfa_kind
KINDS: dict[int, tuple[str, np.dtype[np.void]]] = {
    1: ("dense", DENSE), 2: ("conv", CONV), 3: ("depthwise", CONV), 4: ("avgpool", POOL), 5: ("maxpool", POOL),
    6: ("add", ADD), 7: ("softmax", SOFTMAX), 8: ("mul", MUL), 9: ("mean", MEAN), 10: ("pad", PAD),
    11: ("copy", COPY), 12: ("table", TABLE),
}  # fmt: skip
KIND_OF = {name: kind for kind, (name, _) in KINDS.items()}
LAYER_TAIL, LAYER_KEEP, LAYER_PACKED, LAYER_FAST, LAYER_PACKABLE, LAYER_ZEROS = 1, 2, 4, 8, 16, 32
ADD_SUBTRACT = 1

LEARNING = np.dtype(
    [
        ("layer_n", "<u2"), ("loss", "u1"), ("feedback", "u1"), ("rate_q24", "<u4"), ("tau_q15", "<u2"),
        ("master_bits", "<u2"), ("seed", "<u4"), ("error", "<u4"), ("delta", "<u4"), ("zmult", "<u4"),
        ("zshift", "<u4"),
    ]
)  # fmt: skip
LAYER = np.dtype(
    [
        ("op", "<u4"), ("ratio", "<u4"), ("index", "<u4"), ("coef", "<u4"), ("sigma", "<u4"), ("k", "<u2"),
        ("delta_exp", "<i2"), ("bias_mant", "<u2"), ("bias_exp", "<i2"), ("flags", "<u4"), ("reserved", "<u4"),
    ]
)  # fmt: skip
RATIO = np.dtype([("mant", "<u2"), ("exp", "<i2")])
GOLD = np.dtype([("seed", "<u4"), ("crc", "<u4")])
LEARNED = np.dtype([("steps", "<u4"), ("random", "<u4"), ("rate_q24", "<u4"), ("tau_q15", "<u2"), ("reserved", "<u2")])

KEPT_HEADER = ("arena_len", "tail_len", "op_n", "tensor_n", "input", "output", "kernels")
"""Fields of the header that do not follow from the sections."""

STATE_LEN = 152
"""sizeof(struct sdfa) on a 32-bit core; a test compiles it."""

LOSSES = ("softmax_ce", "mse")
MASTER_BITS = 8
"""Of fractions behind int8 weights, where 16-bit master weights learn."""
FEEDBACKS = ("last", "random", "aligned", "dense", "bp", "live")
LIVE_CENTRED = 1
LIVE_MAX = 8
"""Connections per neuron that `live` feedback can have."""


def table_count(feedback: str, layer_n: int) -> int:
    """How many of layer_n trainable layers have a feedback table: the first ones."""
    return max(layer_n - {"bp": layer_n, "live": 2}.get(feedback, 1), 0)
