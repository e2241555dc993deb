"""The runs of tests/runs, with images beside the points."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.configs import write_data
from tests.many_parts import write_images
from tests.runs.conftest import acme, config, dtrain, elsewhere, on_ranks, sha, write

__all__ = ["acme", "config", "dtrain", "elsewhere", "on_ranks", "sha", "write"]


@pytest.fixture(autouse=True)
def data(elsewhere: Path) -> None:
    """The files that the configs name."""
    write_data(elsewhere)
    write_images(elsewhere / "images.npz")
