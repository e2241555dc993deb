"""Totals of a few numbers a shard over the whole job: batch statistics, losses, counts, norms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .tree import Node, Step, cover, fold_nodes, fold_range

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array


class Totals:
    """Adds one row a leaf over all ranks in the fixed tree; every rank gets the same bits.

    leaves: how many there are in all. ranges: the leaves (first, last) of each rank, maybe none.
    One exchange a call: each rank sends the maximal subtrees of its range and folds everybody's.
    `first`: this rank's first leaf.
    """

    def __init__(self, leaves: int, ranges: list[Node], communicator: Communicator) -> None:
        self._communicator = communicator
        first, last = ranges[communicator.rank]
        self.leaves, self.first = leaves, first
        covers = [cover(a, b, leaves) for a, b in ranges]
        self._fold_local = fold_range(first, last, leaves)
        self._sent = [node[0] - first for node in covers[communicator.rank]]
        self._width = max(map(len, covers))
        only = self._sent[0] if self._width == 1 and self._sent else None
        self._only = None if only is None else slice(only, only + 1)
        self._fold_all, self._root = _fold_covers(covers, self._width, leaves)
        self._buffers: dict[tuple[tuple[int, ...], Any], _Buffers] = {}

    def add(self, partials: Array) -> Array:
        """Returns the total of every leaf's row: partials (local leaves, …) → (…).

        `partials` is overwritten, and the total may lie in it; nothing else holds it.
        """
        return self._join(partials, np.add)

    def max(self, partials: Array) -> Array:
        """Returns the elementwise maximum instead; NaN where any row holds NaN."""
        return self._join(partials, np.maximum)

    def _join(self, partials: Array, join: np.ufunc) -> Array:
        for to, more in self._fold_local:
            rows = partials[to]
            join(rows, partials[more], out=rows)
        if self._communicator.size == 1:
            return partials[0]
        key = partials.shape[1:], partials.dtype
        buffers = self._buffers.get(key)
        if buffers is None:
            buffers = self._buffers[key] = self._make(*key)
        if self._only is not None:
            send = partials[self._only]
        else:
            send = buffers.send
            for i, row in enumerate(self._sent):
                send[i] = partials[row]
        self._communicator.allgather(send, buffers.receive)
        for a, b in buffers.folds:
            join(a, b, out=a)
        if buffers.last is None:
            return buffers.root.copy()
        return join(*buffers.last)[0]

    def _make(self, shape: tuple[int, ...], dtype: Any) -> _Buffers:
        send = np.zeros((self._width, *shape), dtype)
        receive = np.zeros((self._communicator.size, self._width, *shape), dtype)
        every = receive.reshape(receive.shape[0] * self._width, *shape)
        folds = [(every[a], every[b]) for a, b in self._fold_all]
        last = folds.pop() if folds else None
        return _Buffers(send, receive, folds, last, every[self._root, ...])


class _Buffers(NamedTuple):
    """The arrays of one exchange, and the additions that follow it: a += b, and last a + b, one row each."""

    send: Array
    receive: Array
    folds: list[tuple[Array, Array]]
    last: tuple[Array, Array] | None
    root: Array


def _fold_covers(covers: list[list[Node]], width: int, leaves: int) -> tuple[list[Step], int]:
    """Returns the additions over all ranks' rows, `width` a rank, and the row of the root."""
    row = {node: rank * width + i for rank, nodes in enumerate(covers) for i, node in enumerate(nodes)}
    if width == 1 and len(row) == len(covers) and _is_level(list(row), leaves):
        return fold_range(0, len(covers), len(covers)), 0
    additions, root = fold_nodes(row, leaves)
    return [(slice(a, a + 1), slice(b, b + 1)) for a, b in additions], root


def _is_level(nodes: list[Node], leaves: int) -> bool:
    """Tells whether the nodes are one level of the tree, in order: then they fold like leaves."""
    size = nodes[0][1] - nodes[0][0]
    return nodes == [(a, min(a + size, leaves)) for a in range(0, leaves, size)]


def square_sums(flat: Array, block: int) -> Array:
    """Returns Σ x² of each block of a flat array, float64, shape (len(flat) / block,)."""
    rows = flat.reshape(-1, block)
    sums: Array = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    return sums
