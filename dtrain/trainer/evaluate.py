"""The loss and the metrics of a set of samples: every sample once, the same bits on any number of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.errors import DataError, on_all_ranks

if TYPE_CHECKING:
    from collections.abc import Callable

    from dtrain.data import Batch, Block, Blocks
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .figures import Figures


def evaluate(
    replica: Replica, figures: Figures, blocks: Blocks, samples: str = "validation",
    look_at: Callable[[Block], None] | None = None,
) -> dict[str, float]:  # fmt: skip
    """Returns the figures over all samples, in inference. A collective.

    What a row contributes depends on that row alone; it is added up block by block, shard by shard, then in the
    tree. samples: what an error calls them. look_at: is shown every block of this rank.

    Raises DataError on all ranks where one of them met samples that cannot be used.
    """
    problem: str | None = None
    leaves: Array | None = None
    with figures.referring(blocks.reference):
        for block in blocks:
            problem = problem or block.batch.problem
            if look_at is not None:
                look_at(block)
            sums = _sums(replica, figures, block.batch, block.rows)
            if leaves is None:
                leaves = np.zeros((replica.last - replica.first, len(sums)))
            leaves[block.shard] += sums
        if leaves is None:
            leaves = np.zeros((replica.last - replica.first, len(_sums(replica, figures, blocks.none(), 0))))
    problems = [found for found in replica.communicator.share(problem) if found is not None]
    if problems:
        raise on_all_ranks(DataError(f"{problems[0]} (one of the {samples} samples)"))
    return figures.result(replica.totals.add(leaves), blocks.samples)


def _sums(replica: Replica, figures: Figures, batch: Batch, rows: int) -> Array:
    context = replica.inference
    context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
    y, _ = replica.network.forward(batch.x, context)
    return figures.of(y, batch, context, rows)[0][0]
