"""Lets the layers under test learn, where they do, before anything else is asked of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine import fits_at, learn

from .data import inputs

if TYPE_CHECKING:
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .subject import Subject

SAMPLES, BATCH = 21, 13
"""The second batch has 8 rows."""


def learned(replica: Replica, subject: Subject, x: Array | None = None) -> bool:
    """Fits what learns at the start, then what learns at the end; tells whether anything did. A collective.

    x: what to learn from, float64; by default samples of ordinary size.
    """
    network = replica.network
    if not (fits_at(network, "start") or fits_at(network, "end")):
        return False
    x = inputs(subject, SAMPLES, 9) if x is None else x
    rows = ArrayRows(x.astype(network.dtype), None)
    batches = Batches(rows, BATCH, replica.shards, replica.first, replica.last, network.dtype)
    learn(replica, batches, "start")
    learn(replica, batches, "end")
    return True
