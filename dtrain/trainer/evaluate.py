"""The loss and the metrics of a set of samples: every sample once, the same bits on any number of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.errors import DataError, on_all_ranks

if TYPE_CHECKING:
    from dtrain.data import Batches
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .figures import Figures


def evaluate(
    replica: Replica, figures: Figures, batches: Batches, samples: str = "validation"
) -> dict[str, float]:
    """Returns the figures over all samples, in blocks of a batch, in inference. A collective.

    samples: what an error calls them.

    Raises DataError on all ranks where one of them met samples that cannot be used.
    """
    context = replica.context
    leaves: Array | None = None
    problem: str | None = None
    with figures.referring(batches):
        for batch in (batch for index in range(batches.count) for batch in batches.cut(index)):
            context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
            problem = problem or batch.problem
            y, _ = replica.network.forward(batch.x, context)
            sums, _ = figures.of(y, batch, context)
            leaves = sums if leaves is None else np.add(leaves, sums, out=leaves)
    assert leaves is not None, "a set of samples has at least one"
    problems = [found for found in replica.communicator.share(problem) if found is not None]
    if problems:
        raise on_all_ranks(DataError(f"{problems[0]} (one of the {samples} samples)"))
    return figures.result(replica.totals.add(leaves), batches.samples)
