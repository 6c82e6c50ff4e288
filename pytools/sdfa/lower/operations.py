"""The table of supported operations, from the code that lowers them.

`python -m sdfa.lower.operations > docs/operations.md` writes it.
"""

from __future__ import annotations

from sdfa.lower import RULES
from sdfa.tflite.fold import FOLDED_OPS

_HEAD = """\
<!-- Made by python -m sdfa.lower.operations > docs/operations.md: do not edit. -->
# Supported operations

Models are full-integer int8 TensorFlow Lite files, one input and one output, batch size 1. What is not in this table,
or is beyond a limit, is refused at export with its name and its place in the model. All results equal TensorFlow Lite
Micro's reference kernels on every byte. The operations of an image are those of section 1.4 in the
[specification](../firmware/SPEC.md).

| TensorFlow Lite | becomes | what is supported |
|---|---|---|
"""


def markdown() -> str:
    """The page."""
    rows = [f"| {kind} | {_made(rule.becomes)} | {rule.limits} |\n" for kind, rule in RULES.items()]
    folded = f"\nFolded away where they only compute the shape of a RESHAPE: {', '.join(FOLDED_OPS)}.\n"
    return _HEAD + "".join(rows) + folded


def _made(becomes: tuple[str, ...]) -> str:
    return ", ".join(kind.upper() for kind in becomes) or "nothing"


if __name__ == "__main__":
    print(markdown(), end="")
