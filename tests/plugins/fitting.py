"""What the tests of parts that learn from the training set share: networks that have learned, on any ranks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import ArrayRows, Layer
from dtrain.data import Batches
from dtrain.engine import Layout, Network, Replica, learn
from tests.plugins.support import initializer
from tests.support import named

BATCH = 16


def begun(
    communicator: Any, layers: Sequence[Layer], x: np.ndarray, seed: int = 0, batch_size: int = BATCH
) -> Replica:
    """The layers as before their first step, on this rank."""
    network = Network(named(*layers), x.shape[1:], x.dtype, initializer)
    replica = Replica(network, communicator, 8, seed)
    replica.initialize()
    learn(replica, Batches(ArrayRows(x, None), batch_size, 8, replica.first, replica.last, x.dtype), "start")
    return replica


def alone(*layers: Layer, x: np.ndarray, **options: Any) -> Replica:
    """On the only rank of a job."""
    return begun(SerialCommunicator(), layers, x, **options)


def given(replica: Replica, x: np.ndarray) -> np.ndarray:
    """What the network of one rank makes of these rows in inference."""
    replica.context.begin(Layout(len(x), 8, 0, 8), training=False, step=0, epoch=0, place=0)
    return replica.network.forward(x, replica.context)[0].copy()


def digests(
    layers: Callable[[], Sequence[Layer]], x: np.ndarray, ranks: int, share_memory: bool
) -> list[str]:
    """Every rank's hash of all parameters and states."""
    return run_ranks(ranks, lambda communicator: begun(communicator, layers(), x).digest(), share_memory)
