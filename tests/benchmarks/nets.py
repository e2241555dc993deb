"""The nets of the speed table and the data that every system trains on. Standard library and NumPy only."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

import numpy as np

RANKS = 2
LEARNING_RATE = 1e-3
MOMENTUM = 0.1  # of the running statistics: torch's convention, 0.9 of the old value is kept
EPSILON = 1e-5  # of batch norm


@dataclass(frozen=True)
class Net:
    """dense (no bias) → batch norm → relu for each hidden layer; dense with bias, softmax cross entropy.

    In front of them, for each of `convolutions`: conv 5×5 (no bias, no padding) → batch norm → relu → max pool 2×2,
    on square images of one channel.
    """

    inputs: int
    hidden: tuple[int, ...]
    classes: int
    rows: int  # per rank, of RANKS ranks
    batches: int  # global batches in the data set, so steps in an epoch
    epochs: int  # of one run
    ddp_over_dtrain: float | None  # required: torch DDP on 2 ranks, as a multiple of dtrain's time
    single_over_dtrain: float | None  # required: one torch process of 2 threads
    convolutions: tuple[int, ...] = ()  # filters of each

    @property
    def batch(self) -> int:
        """Rows of a global batch: the same for every system, on any number of ranks."""
        return self.rows * RANKS

    @property
    def side(self) -> int:
        """Pixels of an image from left to right, and from top to bottom."""
        return isqrt(self.inputs)

    def __str__(self) -> str:
        filters = (f"conv {f}" for f in self.convolutions)
        return "-".join(map(str, (self.inputs, *filters, *self.hidden, self.classes)))


NETS = {
    "small": Net(64, (128, 128), 10, 32, batches=40, epochs=25, ddp_over_dtrain=8, single_over_dtrain=2.2),
    "middle": Net(784, (256,), 10, 64, batches=40, epochs=10, ddp_over_dtrain=3, single_over_dtrain=0.85),
    "large": Net(784, (512, 512), 10, 128, batches=40, epochs=5, ddp_over_dtrain=1.9, single_over_dtrain=0.8),
    "huge": Net(
        784, (2048, 2048), 10, 256, batches=20, epochs=2, ddp_over_dtrain=1.2, single_over_dtrain=0.8
    ),
    "lenet": Net(
        784,
        (),
        10,
        64,
        batches=20,
        epochs=3,
        ddp_over_dtrain=None,
        single_over_dtrain=None,
        convolutions=(16, 32),
    ),
}
DENSE = [name for name, net in NETS.items() if not net.convolutions]


def data(net: Net, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """x (rows, inputs) float32 and labels (rows,) int64, as a random linear map of x would label it."""
    random = np.random.default_rng(seed)
    x = random.standard_normal((net.batch * net.batches, net.inputs), dtype=np.float32)
    teacher = random.standard_normal((net.inputs, net.classes), dtype=np.float32)
    return x, (x @ teacher).argmax(axis=1).astype(np.int64)


def order(net: Net, epoch: int) -> np.ndarray:
    """The row numbers of an epoch in shuffled order, the same on every rank."""
    return np.random.default_rng([1, epoch]).permutation(net.batch * net.batches)
