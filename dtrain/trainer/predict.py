"""What the network makes of samples: every one once, the same bits on any number of ranks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dtrain.contracts import ArrayRows
from dtrain.data import Batches
from dtrain.engine.shards import shard_bounds

if TYPE_CHECKING:
    from dtrain.contracts import Loss
    from dtrain.engine import Replica
    from dtrain.types import Array


def predict(replica: Replica, loss: Loss, x: Array, batch_size: int) -> Array:
    """Returns `loss.predict` of the network's outputs, in inference and in the order of x, on every rank.

    x: (n, *shape), the same on all ranks; cut into batches and shards as an evaluation's samples are. A collective.
    Raises ValueError where a sample of x is not of the network's input shape.
    """
    network = replica.network
    if x.shape[1:] != network.input_shape or not len(x):
        raise ValueError(f"expected samples of shape {network.input_shape}, one or more, got {x.shape}")
    batches = Batches(ArrayRows(x), batch_size, replica.shards, replica.first, replica.last, network.dtype)
    parts = []
    for index in range(batches.count):
        (batch,) = batches.cut(index)
        replica.context.begin(batch.layout, training=False, step=0, epoch=0, place=batch.place)
        y, _ = network.forward(batch.x, replica.context)
        parts.append(_gathered(replica, loss.predict(y), batches.size_of(index)))
    return np.concatenate(parts)


def _gathered(replica: Replica, own: Array, rows: int) -> Array:
    """Returns the rows of all ranks, in order."""
    bounds = shard_bounds(rows, replica.shards)
    counts = [bounds[last] - bounds[first] for first, last in replica.ranges]
    send = np.zeros((max(counts), *own.shape[1:]), own.dtype)
    send[: len(own)] = own
    receive = np.zeros((len(counts), *send.shape), own.dtype)
    replica.communicator.allgather(send, receive)
    return np.concatenate([part[:count] for part, count in zip(receive, counts, strict=True)])
