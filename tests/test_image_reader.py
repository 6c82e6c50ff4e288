"""The image's reader: what it finds, and that no bytes make it stumble."""

from __future__ import annotations

import contextlib
import struct
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdfa.errors import SdfaError
from sdfa.image.checks import size
from sdfa.image.reader import model_id, read_image, sections_of
from sdfa.image.records import (
    DENSE,
    HEADER,
    LAYER,
    LAYER_KEEP,
    LAYER_TAIL,
    LAYER_ZEROS,
    LEARNED,
    LEARNING,
    POOL,
    SECTION,
    SOFTMAX,
    TENSOR,
)
from sdfa.image.writer import learned_section
from sdfa.twin.learn import Twin
from sdfa.twin.reference import FloatTail
from tests.imagekit import Data, Recipe, inputs, op_image, resealed, tail_image, with_learned

RECIPE = Recipe((6, 4, 3), k=2)
GOOD = tail_image(RECIPE)
BP = tail_image(Recipe((6, 5, 4, 3), feedback="bp"))
LIVE = tail_image(Recipe((6, 5, 4, 3), feedback="live"))
DEEP_LIVE = tail_image(Recipe((6, 5, 4, 4, 3), feedback="live"))


def poked(data: bytes, tag: bytes, off: int, fmt: str, value: int) -> bytes:
    """The image with one field of a section changed, and the right CRC-32."""
    table = np.frombuffer(data, SECTION, int(np.frombuffer(data, HEADER, 1)[0]["section_n"]), HEADER.itemsize)
    start = 0 if tag == b"HEAD" else next(int(s["off"]) for s in table if bytes(s["tag"]).ljust(4) == tag)
    changed = bytearray(data)
    struct.pack_into("<" + fmt, changed, start + off, value)
    return resealed(bytes(changed))


def at(dtype: np.dtype[np.void], name: str, i: int = 0) -> int:
    assert dtype.fields is not None
    return int(dtype.fields[name][1]) + i * dtype.itemsize


def layer_at(name: str, i: int = 0) -> int:
    return LEARNING.itemsize + at(LAYER, name, i)


def test_it_finds_what_was_written() -> None:
    image = read_image(GOOD)
    assert [name for name, _ in image.ops] == ["dense", "dense"]
    assert image.op_off == (0, 48)
    assert [int(t["c"]) for t in image.tensors] == [6, 4, 3]
    assert len(image.tail) == int(image.header["tail_len"]) == 4 * 4 + 24 + 4 * 3 + 12
    assert image.learning is not None
    assert len(image.layers) == 2
    assert image.learned is None
    assert image.present_tail == image.tail
    assert [m["activation"] for m in image.meta["tail"]] == ["RELU", "NONE"]
    assert image.model_id == model_id(sections_of(GOOD))


def test_learned_values_do_not_change_the_identity() -> None:
    twin = Twin(read_image(GOOD))
    twin.learn_many(inputs(np.random.default_rng(0), 5, 6), [0, 1, 2, 0, 1])
    image = read_image(
        with_learned(
            GOOD, learned_section(twin.tail_bytes(), twin.stats.steps, twin.random, twin.rate_q24, twin.tau_q15)
        )
    )
    assert image.learned is not None
    assert int(image.learned["steps"]) == 5
    assert image.present_tail == twin.tail_bytes()
    assert image.model_id == read_image(GOOD).model_id


def test_bytes_behind_the_image_are_ignored() -> None:
    assert read_image(GOOD + b"\xff" * 100).tail == read_image(GOOD).tail


def test_unknown_sections_are_skipped() -> None:
    header = np.frombuffer(GOOD, HEADER, 1)[0]
    changed = GOOD.replace(b"META", b"XYZW")
    assert read_image(resealed(changed)).meta == {}
    assert int(header["section_n"]) == 6


@pytest.mark.parametrize("cut", [0, 3, 63, 64, 100, len(GOOD) - 1])
def test_cut_images_are_refused(cut: int) -> None:
    with pytest.raises(SdfaError):
        read_image(GOOD[:cut])


def test_every_damaged_bit_is_refused() -> None:
    for off in range(len(GOOD)):
        for bit in (0, 7):
            changed = bytearray(GOOD)
            changed[off] ^= 1 << bit
            with pytest.raises(SdfaError):
                read_image(bytes(changed))


def test_messages_are_one_line_that_says_what_to_do() -> None:
    damaged = bytearray(GOOD)
    damaged[-1] ^= 1
    with pytest.raises(SdfaError) as caught:
        read_image(bytes(damaged))
    assert str(caught.value) == "model.sdfa is damaged: CRC-32 does not match; export it again"
    with pytest.raises(SdfaError, match=r"x\.bin is not an sdfa image"):
        read_image(b"hello", "x.bin")
    with pytest.raises(SdfaError, match="format 2"):
        read_image(poked(GOOD, b"HEAD", at(HEADER, "version"), "H", 2))


LIES = {
    "image_len": poked(GOOD, b"HEAD", 8, "I", 1 << 31),
    "section table": poked(GOOD, b"HEAD", at(HEADER, "section_n"), "H", 65535),
    "section outside": poked(GOOD, b"HEAD", 64 + at(SECTION, "len"), "I", 1 << 31),
    "section unaligned": poked(GOOD, b"HEAD", 64 + at(SECTION, "off"), "I", 168),
    "section twice": resealed(GOOD.replace(b"META", b"TENS")),
    "section missing": resealed(GOOD.replace(b"DATA", b"DATE")),
    "LERN missing": resealed(GOOD.replace(b"LERN", b"LURN")),
    "op_n": poked(GOOD, b"HEAD", at(HEADER, "op_n"), "H", 3),
    "op_n small": poked(GOOD, b"HEAD", at(HEADER, "op_n"), "H", 1),
    "tensor_n": poked(GOOD, b"HEAD", at(HEADER, "tensor_n"), "H", 4),
    "input": poked(GOOD, b"HEAD", at(HEADER, "input"), "H", 3),
    "kernels": poked(GOOD, b"HEAD", at(HEADER, "kernels"), "I", 4),
    "arena": poked(GOOD, b"HEAD", at(HEADER, "arena_len"), "I", 8),
    "arena huge": poked(GOOD, b"HEAD", at(HEADER, "arena_len"), "I", 1 << 31),
    "tail_len": poked(GOOD, b"HEAD", at(HEADER, "tail_len"), "I", 60),
    "tensor empty": poked(GOOD, b"TENS", at(TENSOR, "h"), "H", 0),
    "tensor unaligned": poked(GOOD, b"TENS", at(TENSOR, "off"), "I", 2),
    "tensor outside": poked(GOOD, b"TENS", at(TENSOR, "c", 2), "I", 1 << 31),
    "zero point": poked(GOOD, b"TENS", at(TENSOR, "zero_point"), "h", 128),
    "kind": poked(GOOD, b"OPS ", 0, "H", 9),
    "op len": poked(GOOD, b"OPS ", 2, "H", 40),
    "op in": poked(GOOD, b"OPS ", at(DENSE, "in"), "H", 3),
    "op out": poked(GOOD, b"OPS ", at(DENSE, "out"), "H", 3),
    "weights": poked(GOOD, b"OPS ", at(DENSE, "weights"), "I", 0),
    "weights far": poked(GOOD, b"OPS ", at(DENSE, "weights"), "I", 0xFFFFFFFC),
    "mult": poked(GOOD, b"OPS ", at(DENSE, "mult"), "I", 1 << 20),
    "mult unaligned": poked(GOOD, b"OPS ", at(DENSE, "mult"), "I", 2),
    "shift": poked(GOOD, b"DATA", 16, "b", 31),
    "in_n": poked(GOOD, b"OPS ", at(DENSE, "in_n"), "I", 7),
    "rows": poked(GOOD, b"OPS ", at(DENSE, "rows"), "H", 2),
    "flags": poked(GOOD, b"OPS ", at(DENSE, "flags"), "H", 0),
    "two biases that learn": poked(
        GOOD, b"OPS ", at(DENSE, "flags", 1), "H", LAYER_TAIL | LAYER_KEEP | LAYER_ZEROS
    ),
    "keep": poked(GOOD, b"OPS ", at(DENSE, "flags", 1), "H", 1),
    "acc": poked(GOOD, b"OPS ", at(DENSE, "acc", 1), "I", 1 << 20),
    "clamp": poked(GOOD, b"OPS ", at(DENSE, "act_max"), "h", -129),
    "layer_n": poked(GOOD, b"LERN", 0, "H", 1),
    "no layers": poked(GOOD, b"LERN", 0, "H", 0),
    "loss": poked(GOOD, b"LERN", at(LEARNING, "loss"), "B", 2),
    "feedback": poked(GOOD, b"LERN", at(LEARNING, "feedback"), "B", 6),
    "master weights": poked(GOOD, b"LERN", at(LEARNING, "master_bits"), "H", 8),
    "master_bits": poked(GOOD, b"LERN", at(LEARNING, "master_bits"), "H", 7),
    "last": poked(GOOD, b"LERN", at(LEARNING, "feedback"), "B", 0),
    "error": poked(GOOD, b"LERN", at(LEARNING, "error"), "I", 1 << 20),
    "delta": poked(GOOD, b"LERN", at(LEARNING, "delta"), "I", 1 << 20),
    "zmult": poked(GOOD, b"LERN", at(LEARNING, "zmult"), "I", 1 << 20),
    "layer's op": poked(GOOD, b"LERN", layer_at("op"), "I", 4),
    "layers swapped": poked(GOOD, b"LERN", layer_at("op"), "I", 48),
    "ratio": poked(GOOD, b"LERN", layer_at("ratio"), "I", 1 << 20),
    "index": poked(GOOD, b"LERN", layer_at("index"), "I", 1 << 20),
    "index of no output": poked(GOOD, b"LERN", layer_at("index"), "I", 0),
    "coef": poked(GOOD, b"LERN", layer_at("coef"), "I", 1 << 20),
    "k": poked(GOOD, b"LERN", layer_at("k"), "H", 0),
    "bias_mant": poked(GOOD, b"LERN", layer_at("bias_mant"), "H", 1),
    "bias_exp": poked(GOOD, b"LERN", layer_at("bias_exp"), "h", 17),
    "sigma": poked(BP, b"LERN", layer_at("sigma", 1), "I", 1 << 20),
    "live k": poked(LIVE, b"LERN", layer_at("k", 1), "H", 9),
    "live flag": poked(LIVE, b"LERN", layer_at("flags", 1), "I", 2),
    "live sigma": poked(LIVE, b"LERN", layer_at("sigma", 2), "I", 1 << 20),
    "live table": poked(LIVE, b"LERN", layer_at("k", 0), "H", 0),
    "live scratch behind": poked(
        DEEP_LIVE, b"LERN", at(LEARNING, "delta"), "I", int(read_image(DEEP_LIVE).ops[3][1]["acc"]) - 12
    ),
    "live scratch": poked(LIVE, b"LERN", at(LEARNING, "delta"), "I", int(read_image(LIVE).ops[2][1]["acc"])),
    "LRND": with_learned(GOOD, bytes(LEARNED.itemsize)),
    "META": with_learned(GOOD, b"").replace(b'{"tail"', b'{"tail '),
    "META list": resealed(GOOD.replace(b'{"tail": [', b'[{"tail": ')),
}  # fmt: skip


@pytest.mark.parametrize("lie", sorted(LIES))
def test_lies_are_refused(lie: str) -> None:
    with pytest.raises(SdfaError, match="damaged") as caught:
        read_image(LIES[lie])
    assert "\n" not in str(caught.value)
    if lie not in ("META", "image_len"):
        assert "CRC" not in str(caught.value)


@pytest.mark.parametrize("change", [
    {"pad_top": 3}, {"kh": 0}, {"stride_w": 0}, {"pad_left": 60000}, {"act_min": 5, "act_max": 4}, {"stride_h": 9},
])  # fmt: skip
def test_pools_whose_windows_miss_are_refused(change: dict[str, int]) -> None:
    fields = {"kh": 2, "kw": 2, "stride_h": 2, "stride_w": 2, "act_min": -128, "act_max": 127}
    shapes, zero_points = [(4, 4, 2), (2, 2, 2)], [0, 0]
    read_image(op_image(POOL, Data(), shapes, zero_points, kind=4, **fields))
    with pytest.raises(SdfaError, match="operation 0"):
        read_image(op_image(POOL, Data(), shapes, zero_points, kind=4, **(fields | change)))


def test_softmax_rows_are_bounded() -> None:
    read_image(op_image(SOFTMAX, Data(), [(1, 1, 4095)] * 2, [0, -128], kind=7, mult=1, shift=0))
    with pytest.raises(SdfaError, match="4095"):
        read_image(op_image(SOFTMAX, Data(), [(1, 1, 4096)] * 2, [0, -128], kind=7, mult=1, shift=0))


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([GOOD, BP]), st.lists(st.tuples(st.integers(0), st.binary(min_size=1, max_size=4)), max_size=4))
def test_no_sealed_bytes_make_it_or_the_twin_stumble(data: bytes, pokes: list[tuple[int, bytes]]) -> None:
    """Whatever passes the reader can be run and learned from: results or an SdfaError, never another exception."""
    changed = bytearray(data)
    for off, value in pokes:
        start = 8 + off % (len(data) - 12)
        changed[start : start + len(value)] = value
    with contextlib.suppress(SdfaError), warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_image(resealed(bytes(changed)))
        twin = Twin(image)
        x = inputs(np.random.default_rng(0), 3, size(image.tensors[int(image.header["input"])]))
        twin.run(x)
        twin.learn_many(x, [0, 1, 2])
        FloatTail.from_image(image)


def zeros_image(bias: list[int], flags: int = LAYER_ZEROS) -> bytes:
    """Two inputs, three outputs, zero point -128."""
    data = Data()
    weights = np.array([[1, 2], [-3, 4], [127, 127]], np.int8)
    fields = {"weights": data.add(weights, np.int8), "mult": data.add([1 << 30] * 3, "<i4"),
              "shift": data.add([-5] * 3, np.int8), "bias": data.add(bias, "<i4")}  # fmt: skip
    return op_image(DENSE, data, [(1, 1, 2), (1, 1, 3)], [-128, 0], kind=1, rows=1, in_n=2, out_n=3, flags=flags,
                    act_min=-128, act_max=127, **fields)  # fmt: skip


def test_two_biases_must_fit_together() -> None:
    folded = [5, 6, -(2**31)]
    own = [5 - 3 * 128, 6 - 128, 2**31 - 254 * 128]  # modulo 2^32
    read_image(zeros_image(folded + own))
    for wrong in ([*own[:2], own[2] + 1], [*own[:2], own[2] - 256], own[:2]):
        with pytest.raises(SdfaError, match="operation 0"):
            read_image(zeros_image(folded + wrong))
    read_image(zeros_image(folded, 0))
