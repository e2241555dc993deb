"""How the gradients of all ranks meet: each rank gets the sum over all shards of one slice of the flat array."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from .moves import drive
from .tree import Node, cover, fold_nodes
from .tree_sum import TreeSum

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.parameter import FlatLayout
    from dtrain.types import Array

CHUNK = 1 << 15
"""Elements added at once: two operands and a result stay in a core's second-level cache."""


class Exchange:
    """Gradients in, a rank's slice of their total out; then the updated values to everyone."""

    whole: ClassVar[bool] = False
    """Whether every rank's slice is all there is: it updates everything for itself."""
    alone: ClassVar[bool] = False
    """Whether a rank trains on its own rows by itself, as a job of one rank, until the next meeting."""

    overlaps: bool = False
    """Whether gradients set out before the backward pass has ended: then the engine calls `set_out` before it."""

    ranges: list[tuple[int, int]]
    """The blocks (first, last) of each rank that shares the update."""
    values: Array
    """The flat array of parameters that this rank reads; its own slice of it is the one it writes."""
    nodes: list[Array]
    """The flat arrays in which this rank's gradients are born, one a node of the cover of its shards."""

    @property
    def slots(self) -> Mapping[str, Array]:
        """The flat arrays that the exchange keeps on this rank alone, as of the last update."""
        return {}

    def set_out(self, scale: float, several: bool) -> None:
        """A backward pass begins. scale: what `reduce` will get. several: or `collect`, for one of several batches."""
        raise NotImplementedError

    def reduce(self, scale: float) -> tuple[Array, bool]:
        """Returns this rank's slice of the total gradient, times scale, and whether it is finite.

        Every rank has passed a barrier since it wrote its gradients.
        """
        raise NotImplementedError

    def collect(self) -> Array:
        """Returns what this micro-batch adds to the gradient of several; valid until the next gradients."""
        return self.reduce(1.0)[0]

    def finish(self, total: Array, scale: float) -> tuple[Array, bool]:
        """Returns what `reduce` does, from the sum of what `collect` returned, which may be overwritten."""
        np.multiply(total, scale, out=total)
        return total, bool(np.isfinite(total).all())

    def publish(self) -> None:
        """Makes every rank's updated slice of the values visible to all."""
        raise NotImplementedError


class SharedExchange(Exchange):
    """All ranks on one host: a rank sums its slice straight from its peers' gradients, updates it in place."""

    def __init__(
        self, layout: FlatLayout, shards: int, ranges: list[Node], communicator: Communicator, dtype: Any
    ) -> None:
        self._communicator = communicator
        me, size = communicator.rank, layout.size
        covers = [cover(a, b, shards) for a, b in ranges]
        self.values: Array = communicator.common(size, dtype)
        grads = communicator.allocate(size * max(map(len, covers)), dtype)
        assert all(g is not None for g in grads)
        rows = [(r, i) for r, nodes in enumerate(covers) for i in range(len(nodes))]
        every: list[Array] = [grads[r][i * size : (i + 1) * size] for r, i in rows]  # type: ignore[index]
        self.nodes = [array for (r, _), array in zip(rows, every, strict=True) if r == me]
        n = communicator.size
        self.ranges = [(layout.blocks * r // n, layout.blocks * (r + 1) // n) for r in range(n)]
        first, last = self.ranges[me]
        own = slice(first * layout.block, last * layout.block)
        local = [array[own] for array in every]
        fold, root = _fold_here(covers, shards, [r == me for r, _ in rows])
        self._total = local[root]
        pieces = [slice(start, start + CHUNK) for start in range(0, len(self._total), CHUNK)]
        self._pieces = [
            ([(local[a][piece], local[b][piece], local[to][piece]) for a, b, to in fold], self._total[piece])
            for piece in pieces
        ]

    def reduce(self, scale: float) -> tuple[Array, bool]:
        for fold, total in self._pieces:
            for a, b, to in fold:
                np.add(a, b, to)
            np.multiply(total, scale, total)
        return self._total, is_finite(self._total)

    def publish(self) -> None:
        self._communicator.barrier()


def _fold_here(
    covers: list[list[Node]], shards: int, mine: list[bool]
) -> tuple[list[tuple[int, int, int]], int]:
    """Returns additions (a, b, to), to ∈ {a, b}: into this rank's own array where one of the two is."""
    row = {node: i for i, node in enumerate(node for nodes in covers for node in nodes)}
    additions, root = fold_nodes(row, shards)
    place = list(range(len(row)))
    folds = []
    for a, b in additions:
        x, y = place[a], place[b]
        to = y if mine[y] and not mine[x] else x
        folds.append((x, y, to))
        place[a] = to
    return folds, place[root]


class MessageExchange(Exchange):
    """Ranks that share no memory: partial sums travel by the plan, then the updated slices to everyone."""

    def __init__(
        self, layout: FlatLayout, shards: int, ranges: list[Node], communicator: Communicator, dtype: Any
    ) -> None:
        self._communicator = communicator
        self._block, size = layout.block, layout.size
        every = [cover(a, b, shards) for a, b in ranges]
        self.values = _own(communicator, size, dtype)
        flat = _own(communicator, size * max(map(len, every)), dtype)
        self.nodes = [flat[i * size : (i + 1) * size] for i in range(len(every[communicator.rank]))]
        self._tree = TreeSum(self.nodes, shards, ranges, communicator.rank, layout.block)
        self.ranges = self._tree.ranges
        self._own, self._total = self._tree.own, self._tree.total
        widest = max(b - a for a, b in self.ranges) * self._block
        self._send = np.zeros(widest, dtype)
        self._receive = np.zeros((communicator.size, widest), dtype)

    def reduce(self, scale: float) -> tuple[Array, bool]:
        drive(self._tree.add(), self._communicator)
        np.multiply(self._total, scale, out=self._total)
        return self._total, is_finite(self._total)

    def publish(self) -> None:
        count = self._own.stop - self._own.start
        self._send[:count] = self.values[self._own]
        self._communicator.allgather(self._send, self._receive)
        for (first, last), part in zip(self.ranges, self._receive, strict=True):
            self.values[first * self._block : last * self._block] = part[: (last - first) * self._block]


def _own(communicator: Communicator, count: int, dtype: Any) -> Array:
    array = communicator.allocate(count, dtype)[communicator.rank]
    assert array is not None
    return array


def is_finite(flat: Array) -> bool:
    """Tells whether all elements are finite; one pass unless their squares overflow."""
    with np.errstate(over="ignore", invalid="ignore"):
        return isfinite(abs(flat.dot(flat))) or bool(np.isfinite(flat).all())


def make_exchange(
    layout: FlatLayout, shards: int, ranges: list[Node], communicator: Communicator, dtype: Any
) -> Exchange:
    """Returns the exact exchange that fits what the ranks can address."""
    kind = SharedExchange if communicator.shares_memory else MessageExchange
    return kind(layout, shards, ranges, communicator, dtype)
