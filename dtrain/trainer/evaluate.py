"""The loss and the metrics of a set of samples: every sample once, the same bits on any number of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain.data import Batches
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .figures import Figures


def evaluate(replica: Replica, figures: Figures, batches: Batches) -> dict[str, float]:
    """Returns the figures over all samples, in blocks of a batch, in inference. A collective."""
    context = replica.context
    leaves: Array | None = None
    for index in range(batches.count):
        for batch in batches.cut(index):
            context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
            y, _ = replica.network.forward(batch.x, context)
            sums, _ = figures.of(y, batch, context)
            leaves = sums if leaves is None else np.add(leaves, sums, out=leaves)
    assert leaves is not None, "a set of samples has at least one"
    return figures.result(replica.totals.add(leaves), batches.samples)
