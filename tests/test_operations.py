"""The lists of supported operations are what the code supports."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from sdfa.errors import SdfaError
from sdfa.image.records import KIND_OF
from sdfa.lower import RULES, SUPPORTED_OPS, lower
from sdfa.lower.operations import markdown
from sdfa.tflite.load import load_tflite
from tests.oneop import random_oneop
from tests.oneop_draft import Draft

PAGE = Path(__file__).parent.parent / "docs" / "operations.md"


def test_the_page_is_fresh() -> None:
    found = PAGE.read_text(encoding="utf-8")
    assert found == markdown(), "stale: python -m sdfa.lower.operations > docs/operations.md"
    assert re.findall(r"^\| ([A-Z0-9_]+) \|", found, re.M) == list(SUPPORTED_OPS)


def test_operations_become_what_the_page_says() -> None:
    """On random models; each kind that the page names is made by some of them."""
    made: dict[str, set[str]] = {kind: set() for kind in SUPPORTED_OPS}
    for seed in range(40_000, 40_500):
        graph = load_tflite(random_oneop(np.random.default_rng(seed))[0], "net")
        names = {op.place: op.kind for op in graph.ops}
        for op in lower(graph).ops:
            made[names[op.place]].add(op.kind)
    assert made == {kind: set(rule.becomes) for kind, rule in RULES.items()}
    assert set().union(*made.values()) == set(KIND_OF)


@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_a_limit_is_refused_by_name(kind: str) -> None:
    """One limit of the page, as an example: pooling does not rescale."""
    draft = Draft(np.random.default_rng(0), (1, 4, 4, 2))
    out = draft.like_input("out", (1, 2, 2, 2))
    options: dict[str, int | str] = {
        "padding": "VALID",
        "stride_h": 2,
        "stride_w": 2,
        "filter_h": 2,
        "filter_w": 2,
        "activation": "NONE",
    }
    draft.emit(kind, (0,), type(out)("out", out.shape, scale=(2 * out.scale[0],), zero_point=out.zero_point), **options)
    with pytest.raises(SdfaError, match=kind):
        lower(load_tflite(draft.build(), "net"))
