"""Fixtures that every test file may use."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of third-party models and data sets: SDFA_SHARED, else beside the checkout."""
    folder = Path(os.environ.get("SDFA_SHARED") or REPO.parent / "shared")
    if not folder.is_dir():
        pytest.skip(f"{folder} is absent: set SDFA_SHARED to the folder of third-party models")
    return folder
