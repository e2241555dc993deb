"""What the network makes of samples: every one once, the same bits on any number of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.contracts import ArrayRows
from dtrain.data import Blocks

if TYPE_CHECKING:
    from dtrain.contracts import Loss
    from dtrain.data import Batch
    from dtrain.engine import Replica
    from dtrain.types import Array


def predict(replica: Replica, loss: Loss, x: Array, size: int) -> Array:
    """Returns `loss.predict` of the network's outputs, in inference and in the order of x, on every rank.

    x: (n, *shape), the same on all ranks; taken in blocks of `size`, as an evaluation's samples are. A collective.
    Raises ValueError where a sample of x is not of the network's input shape.
    """
    network = replica.network
    if x.shape[1:] != network.input_shape or not len(x):
        raise ValueError(f"expected samples of shape {network.input_shape}, one or more, got {x.shape}")
    blocks = Blocks(ArrayRows(x), size, replica.shards, replica.first, replica.last, network.dtype)
    parts = [_predicted(replica, loss, block.batch)[: block.rows] for block in blocks]
    own = np.concatenate(parts) if parts else _predicted(replica, loss, blocks.none())
    return _gathered(replica, own, blocks.counts(replica.ranges))


def _predicted(replica: Replica, loss: Loss, batch: Batch) -> Array:
    context = replica.inference
    context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
    y, _ = replica.network.forward(batch.x, context)
    return loss.predict(y).copy()


def _gathered(replica: Replica, own: Array, counts: list[int]) -> Array:
    """Returns the rows of all ranks, in order."""
    send = np.zeros((max(counts), *own.shape[1:]), own.dtype)
    send[: len(own)] = own
    receive = np.zeros((len(counts), *send.shape), own.dtype)
    replica.communicator.allgather(send, receive)
    return np.concatenate([part[:count] for part, count in zip(receive, counts, strict=True)])
