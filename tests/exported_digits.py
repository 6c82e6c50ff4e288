"""`python -m tests.exported_digits` writes again what firmware is built from in this repository, and what it must say.

models/digits/exported/ is what `pytools export models/digits/model.tflite -o models/digits/exported` writes;
firmware/test/test_digits/known.h holds what the integer twin says of that image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdfa.exporter.export import Options, export_file, write_files
from sdfa.exporter.settings import beside
from sdfa.image.reader import Image, read_image
from sdfa.tflite.load import read_model
from sdfa.twin.learn import Twin

ROOT = Path(__file__).resolve().parent.parent
MODEL = ROOT / "models" / "digits" / "model.tflite"
EXPORTED = ROOT / "models" / "digits" / "exported"
KNOWN = ROOT / "firmware" / "test" / "test_digits" / "known.h"
SEED, RUNS, STEPS = 20261125, 16, 100


def export_to(folder: Path) -> None:
    """Write the export with what model.toml says."""
    said = beside(MODEL, read_model(MODEL)[0].sha256)
    write_files(export_file(MODEL, None, Options(), said), folder)


class _Draws:
    """The generator of firmware/test/test_digits/main.c: bytes."""

    def __init__(self) -> None:
        self.state = SEED

    def byte(self) -> int:
        self.state = (self.state * 1664525 + 1013904223) & 0xFFFFFFFF
        return self.state >> 24

    def sample(self, image: Image) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
        t = image.tensors[int(image.header["input"])]
        shape = (1, int(t["h"]), int(t["w"]), int(t["c"]))
        return np.array([self.byte() - 128 for _ in range(np.prod(shape))], np.int8).reshape(shape)


def _digest(data: bytes) -> int:
    """FNV-1a."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def known_header(data: bytes) -> str:
    """known.h for an image."""
    image = read_image(data)
    draws, twin = _Draws(), Twin(image)
    outputs = b"".join(twin.run(draws.sample(image)).output.tobytes() for _ in range(RUNS))
    draws, twin = _Draws(), Twin(image)
    for _ in range(STEPS):
        x = draws.sample(image)
        twin.learn_many(x, np.array([draws.byte() % 10]))
    values = {
        "SEED": SEED, "RUNS": RUNS, "STEPS": STEPS, "OUTPUTS": _digest(outputs), "RANDOM": int(twin.random),
        "TAIL": _digest(twin.tail_bytes()),
    }  # fmt: skip
    small = ("RUNS", "STEPS")
    lines = (f"#define KNOWN_{name:7} {value}{'' if name in small else 'u'}" for name, value in values.items())
    how = (
        "Made by `python -m tests.exported_digits` with the integer twin: what a board must say of the exported digits."
    )
    return "\n".join((f"/* {how} */", "#ifndef KNOWN_H", "#define KNOWN_H", "", *lines, "", "#endif", ""))


def main() -> None:
    export_to(EXPORTED)
    KNOWN.write_text(known_header((EXPORTED / "digits.sdfa").read_bytes()), encoding="utf-8")


if __name__ == "__main__":
    main()
