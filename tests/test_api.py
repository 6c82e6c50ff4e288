"""The promises of sdfa.h, in C under sanitizers: tests/c/api.c has one case for each."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import numpy as np
import pytest

from sdfa.exporter.export import Options, export_graph
from sdfa.image.reader import read_image, sections_of
from sdfa.image.records import (
    DENSE,
    HEADER,
    LAYER,
    LAYER_KEEP,
    LAYER_TAIL,
    LAYER_ZEROS,
    LEARNING,
    POOL,
    SECTION,
    TENSOR,
)
from sdfa.targets.codes import read_list
from sdfa.tflite.load import load_tflite
from tests.cprogram import C_DIR, SRC, output, sanitized
from tests.imagekit import Data, Recipe, op_image, resealed, tail_image
from tests.samples import bare, cnn_image, dense_image, frozen_image, learned
from tests.tflite_writer import dense_net
from tests.tiny_image import tiny_image

CE, BP, MSE, FROZEN = dense_image(), dense_image("bp"), dense_image("dense", "mse"), frozen_image()
TINY = tiny_image(learns=False)
LIVE = dense_image("live")
DEEP_LIVE = tail_image(Recipe((6, 5, 4, 4, 3), feedback="live"))
ERRORS = {error.value: error.name for error in read_list(SRC / "sdfa.h", "SDFA_ERRORS")}


def _api(folder: Path, case: str, *images: bytes) -> list[str]:
    """What a case prints, line by line."""
    paths = [folder / f"{i}.sdfa" for i in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        path.write_bytes(image)
    return output(sanitized("api", "api.c", "api_care.c", "api_net.c"), case, *paths).splitlines()


def _opened(folder: Path, *images: bytes) -> list[str]:
    """The name of sdfa_open's answer to each image."""
    return [ERRORS[int(line)] for line in _api(folder, "open", *images)]


@pytest.mark.parametrize(
    "image", [CE, BP, LIVE, dense_image("random"), cnn_image()], ids=["aligned", "bp", "live", "random", "cnn"]
)
@pytest.mark.parametrize(
    "case",
    [
        "alignment", "memory", "anew", "kernels", "frozen", "same_outputs", "order", "label", "rate", "threshold",
        "reset", "seed", "tail_alone", "care_frozen", "ring", "gate", "guard", "weights",
    ],
)  # fmt: skip
def test_it_holds_for_an_image_that_learns_classes(case: str, image: bytes, tmp_path: Path) -> None:
    assert _api(tmp_path, case, image) == []


@pytest.mark.parametrize("case", ["alignment", "memory", "anew", "kernels", "frozen", "same_outputs", "rate"])
def test_it_holds_for_an_image_that_learns_targets(case: str, tmp_path: Path) -> None:
    assert _api(tmp_path, case, MSE) == []


def test_the_small_form_of_live_feedback_is_for_one_and_two_connections(tmp_path: Path) -> None:
    more = tail_image(Recipe((6, 5, 4), feedback="live", k=3))
    assert _api(tmp_path, "live_two", LIVE, more) == []


def test_where_nothing_learns_nothing_can_be_taught(tmp_path: Path) -> None:
    assert _api(tmp_path, "nothing_learns", FROZEN) == []
    assert _api(tmp_path, "care_frozen", FROZEN) == []
    assert _api(tmp_path, "nothing_learns", tiny_image(learns=False)) == []


def test_a_spare_class_is_opened_once(tmp_path: Path) -> None:
    model = dense_net(np.random.default_rng(0), (12, 8, 4), softmax=True, per_channel=True)
    for layers in (1, 2):
        image = export_graph(load_tflite(model, "net"), "net", Options(train_last=layers, spare=1, rate=0.1)).data
        assert _api(tmp_path, "classes", image) == []


def test_each_loss_refuses_the_other_s_call(tmp_path: Path) -> None:
    assert _api(tmp_path, "loss", CE, MSE) == []


@pytest.mark.parametrize("image", [CE, BP], ids=["aligned", "bp"])
def test_a_learned_image_starts_with_its_learned_weights(image: bytes, tmp_path: Path) -> None:
    assert _api(tmp_path, "learned", image, learned(image)) == []


def test_two_nets_do_not_disturb_each_other(tmp_path: Path) -> None:
    assert _api(tmp_path, "two_nets", CE, cnn_image()) == []
    assert _api(tmp_path, "two_nets", CE, CE) == []


def test_every_error_has_a_text_of_its_own(tmp_path: Path) -> None:
    lines = [line.split(" ", 2) for line in _api(tmp_path, "texts")]
    assert {int(value): name for name, value, _ in lines} == ERRORS
    texts = [text for _, _, text in lines]
    assert len(set(texts)) == len(texts)
    assert all(text and not text.endswith(".") and text != "unknown error" for text in texts)


def _at(dtype: np.dtype[np.void], field: str, i: int = 0) -> int:
    assert dtype.fields is not None
    return int(dtype.fields[field][1]) + i * dtype.itemsize


def _start(data: bytes, tag: bytes) -> int:
    """Offset of a section in the image."""
    table = np.frombuffer(data, SECTION, len(sections_of(data)), HEADER.itemsize)
    return next(int(entry["off"]) for entry in table if bytes(entry["tag"]).ljust(4) == tag)


def _put(data: bytes, off: int, fmt: str, value: int) -> bytes:
    """One field changed, CRC-32 repaired."""
    changed = bytearray(data)
    struct.pack_into(f"<{fmt}", changed, off, value)
    return resealed(bytes(changed))


def _head(field: str, fmt: str, value: int) -> bytes:
    return _put(CE, _at(HEADER, field), fmt, value)


def _section(i: int, field: str, value: int) -> bytes:
    return _put(CE, HEADER.itemsize + _at(SECTION, field, i), "I", value)


def _inside(tag: bytes, off: int, fmt: str, value: int, data: bytes = CE) -> bytes:
    return _put(data, _start(data, tag) + off, fmt, value)


def _layer(field: str, fmt: str, value: int, i: int = 0, data: bytes = CE) -> bytes:
    return _inside(b"LERN", LEARNING.itemsize + _at(LAYER, field, i), fmt, value, data)


def _renamed(old: bytes, new: bytes, data: bytes = CE) -> bytes:
    at = data.index(old, HEADER.itemsize)
    return resealed(data[:at] + new + data[at + 4 :])


TENSOR_TAG, OPS, LERN = b"TENS", b"OPS ", b"LERN"
REFUSED = {
    "LENGTH": [
        b"", CE[:3], CE[:63], CE[:64], CE[:-1], _head("image_len", "I", len(CE) + 1), _head("image_len", "I", 63),
        _head("image_len", "I", 0xFFFFFFFF),
    ],
    "MAGIC": [_head("magic", "I", 0), _head("magic", "I", int.from_bytes(b"AFDS", "little")), bytes(64)],
    "VERSION": [_head("version", "H", 0), _head("version", "H", 2)],
    "CRC": [CE[:4] + bytes(4) + CE[8:], CE[:-1] + bytes([CE[-1] ^ 1]), CE[:200] + bytes([CE[200] ^ 4]) + CE[201:]],
    "SECTION": [
        _head("section_n", "H", 0), _head("section_n", "H", 65535), _section(0, "off", 8), _section(0, "off", 1 << 31),
        _section(0, "len", len(CE)), _section(0, "len", 0xFFFFFFFF), _head("tail_len", "I", 4),
        *(_renamed(tag, b"XXXX") for tag in (b"TENS", b"OPS ", b"DATA", b"TAIL", b"LERN")),
        _renamed(b"META", b"TENS"), _renamed(b"META", b"LERN"), _head("tail_len", "I", 0),
    ],
    "TENSOR": [
        _head("tensor_n", "H", 0), _head("tensor_n", "H", 99), _head("input", "H", 99), _head("output", "H", 99),
        *(_inside(TENSOR_TAG, _at(TENSOR, name), fmt, value) for name, fmt, value in (
            ("h", "H", 0), ("w", "H", 0), ("c", "I", 0), ("c", "I", 0xFFFFFFFF), ("off", "I", 1), ("off", "I", 1 << 20),
            ("off", "I", 0xFFFFFFFC), ("zero_point", "h", 128), ("zero_point", "h", -129), ("h", "H", 65535),
        )),
    ],
    "OP": [
        _head("op_n", "H", 0), _head("op_n", "H", 1), _head("op_n", "H", 99),
        *(_inside(OPS, _at(DENSE, name), fmt, value) for name, fmt, value in (
            ("len", "H", 0), ("len", "H", 46), ("len", "H", 24), ("len", "H", 65532), ("in", "H", 99), ("out", "H", 99),
            ("in_n", "I", 0), ("out_n", "I", 0), ("in_n", "I", 13), ("rows", "H", 0), ("rows", "H", 2),
            ("weights", "I", 2), ("weights", "I", 1 << 20), ("bias", "I", 1 << 20), ("mult", "I", 1 << 20),
            ("shift", "I", 0xFFFFFFFC), ("act_min", "h", -129), ("act_max", "h", 128), ("act_max", "h", -129),
        )),
        _inside(OPS, _at(DENSE, "acc", 2), "I", 1 << 20),
        # two biases: of a layer that learns or keeps
        _inside(OPS, _at(DENSE, "flags", 2), "H", LAYER_TAIL | LAYER_KEEP | LAYER_ZEROS),
        _inside(OPS, _at(DENSE, "flags"), "H", LAYER_KEEP | LAYER_ZEROS, TINY),
    ],
    "LEARNING": [
        *(_inside(LERN, _at(LEARNING, name), fmt, value) for name, fmt, value in (
            ("layer_n", "H", 0), ("layer_n", "H", 2), ("loss", "B", 2), ("feedback", "B", 6), ("feedback", "B", 0),
            ("rate_q24", "I", 0), ("rate_q24", "I", 0xFFFFFFFF), ("rate_q24", "I", 1), ("tau_q15", "H", 32768),
            ("error", "I", 1 << 20), ("error", "I", 1), ("delta", "I", 1 << 20), ("zmult", "I", 1 << 20),
            ("zshift", "I", 1 << 20),
        )),
        *(_layer(name, fmt, value) for name, fmt, value in (
            ("op", "I", 4), ("op", "I", 1 << 20), ("ratio", "I", 1 << 20), ("index", "I", 1 << 20),
            ("coef", "I", 0xFFFFFFFC), ("k", "H", 0), ("k", "H", 65535), ("bias_mant", "H", 1), ("bias_exp", "h", 17),
            ("bias_exp", "h", -32), ("delta_exp", "h", 2000),
        )),
        _inside(LERN, _at(LEARNING, "loss"), "B", 0, dense_image("last", "mse", (4, 1))),  # one class
        _inside(b"DATA", struct.unpack_from("<I", CE, _start(CE, LERN) + _at(LEARNING, "zmult"))[0], "i", -1),
        _layer("op", "I", 0, 1), _layer("sigma", "I", 1 << 20, 1, BP), _layer("sigma", "I", 1 << 20, 2, LIVE),
        # the second half of its deltas on the accumulators
        _inside(LERN, _at(LEARNING, "delta"), "I", int(read_image(DEEP_LIVE).ops[3][1]["acc"]) - 12, DEEP_LIVE),
        _layer("k", "H", 9, 1, LIVE), _layer("flags", "I", 2, 1, LIVE),
        _layer("ratio", "I", 0, 0),
        _inside(OPS, _at(DENSE, "flags", 2), "H", LAYER_TAIL),  # the accumulators are not kept
    ],
    "KERNEL": [_inside(OPS, 0, "H", 0), _inside(OPS, 0, "H", 99)],
    "ARENA": [_head("arena_len", "I", 0xFFFFFFFF)],
}  # fmt: skip


@pytest.mark.parametrize("error", REFUSED)
def test_each_malformed_image_is_refused_with_its_error(error: str, tmp_path: Path) -> None:
    images = REFUSED[error]
    assert _opened(tmp_path, *images) == [error] * len(images)


# tests/test_link_remote.py sees to these
LINK_ERRORS = ("NO_STORE", "REQUEST", "ARGUMENT", "SESSION", "STEP", "LINK")


def test_each_error_occurs_here_or_in_the_cases() -> None:
    cases = "".join(
        (C_DIR / name).read_text(encoding="utf-8") for name in ("api.c", "api_care.c", "store.c", "slots.c")
    )
    cases += "".join(f"SDFA_ERR_{name} " for name in LINK_ERRORS)
    assert [
        name for name in ERRORS.values() if name not in REFUSED and not re.search(rf"SDFA_ERR_{name}\b", cases)
    ] == []


def test_sound_images_are_accepted(tmp_path: Path) -> None:
    images = [CE, BP, MSE, FROZEN, cnn_image(), learned(CE), bare(CE), tiny_image(), tiny_image(loss=1)]
    images += [
        *(_inside(OPS, _at(DENSE, "flags"), "H", flag, TINY) for flag in (LAYER_ZEROS, LAYER_KEEP)),
    ]
    assert _opened(tmp_path, *images) == ["OK"] * len(images)


def test_unknown_sections_are_skipped(tmp_path: Path) -> None:
    assert _opened(tmp_path, _renamed(b"META", b"XYZW"), _renamed(b"META", bytes(4))) == ["OK", "OK"]


def test_the_section_of_learned_values_must_fit(tmp_path: Path) -> None:
    data = learned(CE)
    entry = HEADER.itemsize + SECTION.itemsize * (len(sections_of(data)) - 1)
    length = struct.unpack_from("<I", data, entry + 8)[0]
    cut = [_put(data, entry + 8, "I", n) for n in (0, 8, 15, 16, length - 1)]
    wrong = [_inside(b"LRND", 8, "I", 0, data), _inside(b"LRND", 12, "H", 32768, data)]
    assert _opened(tmp_path, *cut, *wrong) == ["LEARNING"] * 7


def test_errors_must_not_lie_on_the_accumulators_that_they_are_made_from(tmp_path: Path) -> None:
    acc = struct.unpack_from("<I", CE, _start(CE, OPS) + _at(DENSE, "acc", 2))[0]
    images = [_inside(LERN, _at(LEARNING, "error"), "I", acc + off) for off in (-4, 0, 12) if acc + off >= 0]
    assert _opened(tmp_path, *images) == ["LEARNING"] * len(images)


def _mean_over(side: int) -> bytes:
    fields = {"kh": side, "kw": side, "stride_h": 1, "stride_w": 1, "act_min": -128, "act_max": 127}
    return op_image(POOL, Data(), [(side, side, 1), (1, 1, 1)], [0, 0], kind=4, **fields)


def test_a_mean_over_many_cells_does_not_overflow(tmp_path: Path) -> None:
    """2^23 cells of -128; with 2^24 of them the rounding would leave 32 bits."""
    assert _api(tmp_path, "lowest", _mean_over(2896)) == ["-128"]
    assert _opened(tmp_path, _mean_over(2897), _mean_over(4096)) == ["OP", "OP"]
