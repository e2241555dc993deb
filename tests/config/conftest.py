"""A small config as tables, to be changed by a test."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def tables() -> dict[str, Any]:
    """The least that a run needs."""
    return {
        "data": {"name": "digits"},
        "network": [{"name": "dense", "units": 10}],
        "loss": {"name": "softmax_cross_entropy"},
        "optimizer": {"name": "adam", "lr": 1e-3},
        "train": {"epochs": 2},
    }
