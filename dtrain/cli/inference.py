"""What `dtrain evaluate` and `dtrain predict` share."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress

from dtrain.threads import set_threads, threads_for

from .guard import Scope


def prepare(scope: Scope, doing: str) -> None:
    """Sets the threads, before NumPy is there; doing: what the rank is at, for messages of failures."""
    set_threads(threads_for("auto", scope.launched.local_size if scope.launched else 1))
    scope.where, scope.lost = lambda: doing, "nothing written"


def warn(warnings: Sequence[str]) -> None:
    """Writes warnings to stderr."""
    with suppress(OSError):
        for message in warnings:
            print(f"dtrain: warning: {message}", file=sys.stderr, flush=True)
