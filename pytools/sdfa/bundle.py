"""Where the C sources and the example models are: in the installed wheel, else in the checkout."""

from __future__ import annotations

from pathlib import Path

from sdfa.errors import SdfaError

_PACKAGE = Path(__file__).resolve().parent
_WHEEL = _PACKAGE / "_bundle"
_CHECKOUT = _PACKAGE.parents[1]


def firmware_dir() -> Path:
    """The C library: src/, app/, SPEC.md. SdfaError if this installation lacks it."""
    return _find("firmware", "src/sdfa.h")


def runtime_sources() -> tuple[Path, ...]:
    """The C files of the library. By name, wherever they stand: linked programs keep their layout when files move."""
    return tuple(sorted((firmware_dir() / "src").rglob("*.c"), key=lambda path: path.name))


def boards_dir() -> Path:
    """Ports of the batch program: host/, qemu/. SdfaError if this installation lacks them."""
    return _find("boards", "host/port.c")


def model_dir(name: str) -> Path:
    """The folder of an example model. SdfaError if there is none of that name."""
    return _find(f"models/{name}", "model.toml")


def bench_file() -> Path:
    """The benchmark's figures. SdfaError if this installation lacks them."""
    return _find("tests/bench", "results.json") / "results.json"


def _find(folder: str, witness: str) -> Path:
    """`folder` in the wheel or in the checkout: the first that holds the file `witness`."""
    for root in (_WHEEL, _CHECKOUT):
        if (root / folder / witness).is_file():
            return root / folder
    raise SdfaError(
        f"{folder}/{witness} is neither in {_WHEEL} nor in {_CHECKOUT}: reinstall sdfa, or work in a full checkout"
    )
