"""The records of sdfa_format.h and of image/records.py are the same, field by field, for each compiler.

A probe made from the Python side is compiled, not run: it fills a section of an object file with numbers.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sdfa.bundle import runtime_sources
from sdfa.image import records
from sdfa.targets.codes import read_list
from tests.cprogram import SRC, tool

COMPILERS = {
    "host": ("gcc", "objcopy"),
    "cortex-m0": ("arm-none-eabi-gcc", "arm-none-eabi-objcopy", "-mcpu=cortex-m0", "-mthumb"),
    "cortex-m4": ("arm-none-eabi-gcc", "arm-none-eabi-objcopy", "-mcpu=cortex-m4", "-mthumb"),
    "riscv": (
        "riscv64-unknown-elf-gcc", "riscv64-unknown-elf-objcopy",
        "-march=rv32imac", "-mabi=ilp32", "--specs=picolibc.specs",
    ),
}  # fmt: skip
DTYPES = {name: value for name, value in vars(records).items() if name.isupper() and isinstance(value, np.dtype)}
FORMAT_H = (SRC / "sdfa_format.h").read_text(encoding="utf-8")


def _is_op(dtype: np.dtype[np.void]) -> bool:
    return dtype.names is not None and dtype.names[0] == "kind" and dtype != records.OP


def _struct(name: str) -> str:
    return f"sdfa_{name.lower()}_op" if _is_op(DTYPES[name]) else f"sdfa_{name.lower()}"


def _member(dtype: np.dtype[np.void], field: str) -> str:
    """The C name of a field: what all operations share is a struct in each."""
    return f"op.{field}" if _is_op(dtype) and field in (records.OP.names or ()) else field


@dataclass(frozen=True)
class Field:
    """A field of a dtype. base: type of one element. size: in bytes, of all elements. member: its name in C."""

    member: str
    base: np.dtype[Any]
    size: int
    offset: int


def _fields(dtype: np.dtype[np.void]) -> list[Field]:
    found: Mapping[str, Any] = dtype.fields or {}
    return [
        Field(_member(dtype, name), kind.base, kind.itemsize, int(offset)) for name, (kind, offset, *_) in found.items()
    ]


def _numbers(compiler: str, expressions: list[str], folder: Path) -> list[int]:
    """The values of constant C expressions."""
    name, objcopy, *flags = COMPILERS[compiler]
    source, made, raw = folder / "probe.c", folder / "probe.o", folder / "probe.bin"
    source.write_text(
        "#include <stddef.h>\n#include <stdint.h>\n#include <sdfa.h>\n#include <sdfa_format.h>\n"
        '__attribute__((section(".probe"), used)) const int64_t probe[] = {\n'
        + "".join(f"    (int64_t)({e}),\n" for e in expressions)
        + "};\n"
    )
    command = [tool(name), *flags, "-std=gnu11", f"-I{SRC}", "-c", str(source), "-o", str(made)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    subprocess.run([tool(objcopy), "-O", "binary", "-j", ".probe", str(made), str(raw)], check=True)
    numbers = np.frombuffer(raw.read_bytes(), "<i8")
    assert len(numbers) == len(expressions)
    return [int(n) for n in numbers]


def _enumerators(enum: str) -> list[str]:
    """Names in an enum of sdfa_format.h, in its order."""
    found = re.search(rf"enum {enum} \{{([^}}]*)\}}", FORMAT_H)
    assert found
    return re.findall(r"\b(SDFA_\w+)", found[1])


def test_both_sides_have_the_same_records() -> None:
    assert sorted(map(_struct, DTYPES)) == sorted(re.findall(r"^struct SDFA_ALIAS (\w+) \{", FORMAT_H, re.M))


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("name", DTYPES)
def test_each_field_stands_at_the_same_place(name: str, compiler: str, tmp_path: Path) -> None:
    dtype, struct = DTYPES[name], f"struct {_struct(name)}"
    fields = _fields(dtype)
    expressions = [f"sizeof({struct})"]
    for field in fields:
        expressions += [f"offsetof({struct}, {field.member})", f"sizeof((({struct} *)0)->{field.member})"]
    size, *places = _numbers(compiler, expressions, tmp_path)
    assert size == dtype.itemsize
    assert places[::2] == [field.offset for field in fields]
    assert places[1::2] == [field.size for field in fields]
    assert sum(places[1::2]) == size  # no field on the C side only


@pytest.mark.parametrize("name", DTYPES)
def test_each_field_has_the_same_sign(name: str, tmp_path: Path) -> None:
    """Of integers; a scale is the bits of a float in C, a tag four characters in Python."""
    dtype, struct = DTYPES[name], f"struct {_struct(name)}"
    fields = [field for field in _fields(dtype) if field.base.kind in "iu"]
    signs = []
    for field in fields:
        element = "[0]" if field.size > field.base.itemsize else ""
        signs.append(f"(__typeof__((({struct} *)0)->{field.member}{element}))-1 < 0")
    assert _numbers("host", signs, tmp_path) == [int(field.base.kind == "i") for field in fields]


@pytest.mark.parametrize(
    ("enum", "prefix", "values"),
    [
        ("sdfa_kind", "SDFA_", {name.upper(): kind for kind, (name, _) in records.KINDS.items()}),
        ("sdfa_loss_kind", "SDFA_LOSS_", {name.upper(): i for i, name in enumerate(records.LOSSES)}),
        ("sdfa_feedback_kind", "SDFA_FEEDBACK_", {name.upper(): i for i, name in enumerate(records.FEEDBACKS)}),
    ],
)
def test_kinds_have_the_same_names_and_values(enum: str, prefix: str, values: dict[str, int], tmp_path: Path) -> None:
    names = [prefix + name for name in values]
    assert _enumerators(enum) == names
    assert _numbers("host", names, tmp_path) == list(values.values())


def test_flags_have_the_same_values(tmp_path: Path) -> None:
    enums = re.findall(r"enum (sdfa_\w+_flag) ", FORMAT_H)
    names = [name for enum in enums for name in _enumerators(enum)]
    assert {"SDFA_LAYER_TAIL", "SDFA_LAYER_KEEP"} <= set(names)
    assert _numbers("host", names, tmp_path) == [getattr(records, name.removeprefix("SDFA_")) for name in names]


def test_each_kind_of_operation_has_a_kernel_of_its_record_s_length() -> None:
    """The name of the record that each kernel was made for, as in C."""
    sources = "".join(path.read_text(encoding="utf-8") for path in runtime_sources())
    kernels = re.findall(r"const struct sdfa_kernel sdfa_kernel_\w+ = \{SDFA_(\w+), sizeof\(struct (\w+)\)", sources)
    lengths = {_struct(name): dtype.itemsize for name, dtype in DTYPES.items()}
    assert {name.lower(): lengths[struct] for name, struct in kernels} == {
        name: dtype.itemsize for name, dtype in records.KINDS.values()
    }


def test_sections_have_the_same_tags(tmp_path: Path) -> None:
    tags = {
        "TENSORS": b"TENS",
        "OPS": b"OPS ",
        "DATA": b"DATA",
        "TAIL": b"TAIL",
        "LEARNING": b"LERN",
        "LEARNED": b"LRND",
        "GOLD": b"GOLD",
    }
    assert re.findall(r"#define SDFA_TAG_(\w+)", FORMAT_H) == list(tags)
    expected = [int.from_bytes(tag, "little") for tag in tags.values()]
    assert _numbers("host", [f"SDFA_TAG_{name}" for name in tags], tmp_path) == expected


def test_constants_are_the_same(tmp_path: Path) -> None:
    assert _numbers("host", ["SDFA_MAGIC", "SDFA_IMAGE_VERSION"], tmp_path) == [records.MAGIC, records.VERSION]


@pytest.mark.parametrize("compiler", [name for name in COMPILERS if name != "host"])
def test_the_state_is_as_long_as_the_report_says(compiler: str, tmp_path: Path) -> None:
    assert _numbers(compiler, ["sizeof(struct sdfa)"], tmp_path) == [records.STATE_LEN]


def test_error_values_are_those_of_the_list(tmp_path: Path) -> None:
    errors = read_list(SRC / "sdfa.h", "SDFA_ERRORS")
    values = _numbers("host", [f"SDFA_ERR_{e.name}" for e in errors], tmp_path)
    assert values == [e.value for e in errors] == list(range(0, -len(errors), -1))


def test_the_specification_tells_every_error() -> None:
    spec = (SRC.parent / "SPEC.md").read_text(encoding="utf-8")
    told = re.findall(r"^\| (-?\d+) \| (\w+) \| (.+) \|$", spec[spec.index("### 6.4") :], re.MULTILINE)
    assert told == [(str(e.value), e.name, e.text) for e in read_list(SRC / "sdfa.h", "SDFA_ERRORS")]
