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
            if look_at is not None:
                look_at(block)
            y = _outputs(replica, block.batch)
            problem = problem or block.batch.problem or (figures.look and figures.look(y[: block.rows]))
            sums = figures.of(y, block.batch, replica.inference, block.rows)[0][0]
            if leaves is None:
                leaves = np.zeros((replica.last - replica.first, len(sums)))
            leaves[block.shard] += sums
        if leaves is None:
            none = blocks.none()
            sums = figures.of(_outputs(replica, none), none, replica.inference, 0)[0][0]
            leaves = np.zeros((replica.last - replica.first, len(sums)))
    _raise_on_all(replica, problem, samples)
    return figures.result(replica.totals.add(leaves), blocks.samples)


def look_at_outputs(replica: Replica, figures: Figures, blocks: Blocks) -> None:
    """Raise DataError on all ranks if outputs of this rank's first block are not what the loss expects. A collective.

    Does nothing if the layers say where their outputs lie.
    """
    if figures.look is None:
        return
    block = next(iter(blocks), None)
    problem = None if block is None else figures.look(_outputs(replica, block.batch)[: block.rows])
    _raise_on_all(replica, problem, "training")


def _outputs(replica: Replica, batch: Batch) -> Array:
    replica.inference.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
    return replica.network.forward(batch.x, replica.inference)[0]


def _raise_on_all(replica: Replica, problem: str | None, samples: str) -> None:
    problems = [found for found in replica.communicator.share(problem) if found is not None]
    if problems:
        raise on_all_ranks(DataError(f"{problems[0]} (one of the {samples} samples)"))
