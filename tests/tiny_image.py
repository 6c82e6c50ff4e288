"""The smallest image that learns, written by hand from SPEC.md section 1: 4 inputs, 3 outputs, one trainable layer."""

from __future__ import annotations

import zlib

import numpy as np

from sdfa.image.records import (
    DENSE,
    HEADER,
    LAYER,
    LAYER_KEEP,
    LAYER_TAIL,
    LEARNING,
    MAGIC,
    RATIO,
    SECTION,
    TENSOR,
    VERSION,
)

INPUT_N, CLASS_N = 4, 3
ARENA_LEN, TAIL_LEN = 32, 24
RATE_Q24 = 838861  # 0.05
_HALF = 1 << 30  # the multiplier 0.5


def _record(dtype: np.dtype[np.void], **values: object) -> bytes:
    record = np.zeros((), dtype)
    for name, value in values.items():
        record[name] = value
    return record.tobytes()


def _tail() -> bytes:
    """Weights 64 on the diagonal; with the output scale 2^-6 the outputs are the first three inputs."""
    bias = np.zeros(CLASS_N, "<i4")
    return bias.tobytes() + (64 * np.eye(CLASS_N, INPUT_N)).astype(np.int8).tobytes()


def _data() -> bytes:
    """mult at 0, shift at 12, ratio at 16, zmult at 28, zshift at 40."""
    mult = np.full(CLASS_N, _HALF, "<i4").tobytes()
    shift = np.array([-5] * CLASS_N + [0], np.int8).tobytes()
    ratio = np.array([(32768, -16)] * CLASS_N, RATIO).tobytes()
    return mult + shift + ratio + mult + bytes(4)


def _learning(loss: int) -> bytes:
    head = _record(LEARNING, layer_n=1, loss=loss, rate_q24=RATE_Q24, seed=1, error=20, zmult=28, zshift=40)
    return head + _record(LAYER, ratio=16, delta_exp=-15, bias_mant=32768, bias_exp=-15)


def _join(sections: dict[bytes, bytes], arena_len: int, tail_len: int) -> bytes:
    off = HEADER.itemsize + len(sections) * SECTION.itemsize
    table, body = b"", b""
    for tag, payload in sections.items():
        body += bytes(-(off + len(body)) % 16)
        table += _record(SECTION, tag=tag, off=off + len(body), len=len(payload))
        body += payload
    header = np.zeros((), HEADER)
    counts = {"section_n": len(sections), "op_n": 1, "tensor_n": 2, "output": 1, "kernels": 1 << 1}
    lengths = {"arena_len": arena_len, "tail_len": tail_len, "image_len": off + len(body)}
    for name, value in {"magic": MAGIC, "version": VERSION, **counts, **lengths}.items():
        header[name] = value
    header["crc32"] = zlib.crc32((header.tobytes() + table + body)[8:])
    return header.tobytes() + table + body


def tiny_image(*, loss: int = 0, learns: bool = True, arena_len: int = ARENA_LEN) -> bytes:
    """loss: 0 softmax cross-entropy, 1 mean squared error. arena_len: bytes that the image asks for, 32 or more."""
    tensors = _record(TENSOR, off=0, c=INPUT_N, h=1, w=1) + _record(TENSOR, off=4, c=CLASS_N, h=1, w=1)
    data = _data()
    place = {"weights": 12, "bias": 0} if learns else {"weights": len(data) + 12, "bias": len(data)}
    op = _record(
        DENSE,
        **{"kind": 1, "len": DENSE.itemsize, "in": 0, "out": 1, "mult": 0, "shift": 12, "acc": 8, "rows": 1},
        **{"in_n": INPUT_N, "out_n": CLASS_N, "act_min": -128, "act_max": 127, **place},
        flags=LAYER_TAIL | LAYER_KEEP if learns else 0,
    )
    sections = {b"TENS": tensors, b"OPS ": op, b"DATA": data if learns else data + _tail()}
    if learns:
        sections |= {b"TAIL": _tail(), b"LERN": _learning(loss)}
    return _join(sections, arena_len, TAIL_LEN if learns else 0)
