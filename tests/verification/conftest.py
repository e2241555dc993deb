"""The small runs of tests/runs."""

from __future__ import annotations

from tests.runs.conftest import acme, config, dtrain, elsewhere, write

__all__ = ["acme", "config", "dtrain", "elsewhere", "write"]
