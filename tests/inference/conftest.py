"""The small runs of tests/runs, trained once a test where it asks for one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from dtrain.communicator import SerialCommunicator
from dtrain.config import load
from dtrain.trainer import train_session
from tests.runs.conftest import acme, config, dtrain, elsewhere, on_ranks, points, write

__all__ = ["NETWORK", "acme", "config", "dtrain", "elsewhere", "on_ranks", "points", "trained", "write"]

NETWORK = [
    {"name": "dense", "units": 6, "id": "code"},
    {"name": "batch_norm"},
    {"name": "tanh"},
    {"name": "dropout", "rate": 0.3},
    {"name": "dense", "units": 3},
]
"""Everything that differs between training and inference, and what hides a row's place."""


@pytest.fixture
def trained(config: Callable[..., dict[str, Any]], elsewhere: Path) -> Callable[..., Path]:
    """trained({"train.epochs": 1}) trains NETWORK with these changes on one rank; returns the run's folder."""

    def run(changes: Mapping[str, Any] | None = None, out: str = "run") -> Path:
        tables = config({"network": NETWORK, **(changes or {})})
        return train_session(lambda: load(tables), SerialCommunicator(), elsewhere / out).folder

    return run
