"""Inner products over parameters that ranks hold in slices, for optimizers that need them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from dtrain.engine.replica import BLOCK

if TYPE_CHECKING:
    from dtrain.contracts import Optimizer
    from dtrain.engine import Replica
    from dtrain.types import Array

Pairs = tuple[tuple["Array", "Array"], ...]


class Sums:
    """Adds up what an optimizer measures, over each parameter or over all, with the same bits on any ranks.

    A row holds the partial sums, in float64, of one parameter in one block of the flat array: ranks' slices meet
    between blocks, so they change no row. Every rank gets all rows, in one exchange, and adds them in their order.

    pieces: this rank's, relative to its slice; each of one parameter, cut between blocks.
    """

    def __init__(self, replica: Replica, optimizer: Optimizer, pieces: Sequence[slice]) -> None:
        self._communicator, self._optimizer = replica.among, optimizer
        own, ranges = replica.own, np.array(replica.exchange.ranges) * BLOCK
        trained = [p for p in replica.layout.parameters if p.trainable and p.size]
        starts = np.array([a for p in trained for a in _starts(p.offset, p.offset + p.size)], np.int64)
        firsts = np.searchsorted(starts, [p.offset for p in trained])
        self._firsts = firsts[:1] if optimizer.sums_over == "all" else firsts
        self._rows = [slice(a, b) for a, b in np.searchsorted(starts, ranges)]  # of each rank, in any order
        before = self._rows[replica.among.rank].start
        self._pieces = []
        for piece in pieces:
            a, b = np.searchsorted(starts, [own.start + piece.start, own.start + piece.stop])
            group = int(np.searchsorted(self._firsts, a, "right")) - 1
            self._pieces.append((slice(a - before, b - before), starts[a:b] - own.start - piece.start, group))
        self._wide = np.empty(max((piece.stop - piece.start for piece in pieces), default=0))
        self._begin(optimizer.sums())

    def _begin(self, count: int) -> None:
        self._own = np.zeros((max(rows.stop - rows.start for rows in self._rows), count))
        self._every = np.zeros((len(self._rows), *self._own.shape))
        self._all = np.zeros((max(rows.stop for rows in self._rows), count))

    def begin(self, count: int) -> None:
        """Makes room for this many sums."""
        if count != self._own.shape[1]:
            self._begin(count)

    def take(self, i: int, pairs: Pairs) -> None:
        """Takes in what was measured of piece i. Raises TypeError for another number of pairs than was said."""
        rows, cuts, _ = self._pieces[i]
        if len(pairs) != self._own.shape[1]:
            raise TypeError(
                f"measure of the optimizer {type(self._optimizer).__name__} must return {self._own.shape[1]} pairs "
                f"of arrays, as many as its sums() says, got {len(pairs)}"
            )
        for k, (a, b) in enumerate(pairs):
            product = np.multiply(a, b, out=self._wide[: len(a)], dtype=np.float64)
            self._own[rows, k] = np.add.reduceat(product, cuts)

    def add(self) -> list[tuple[float, ...]]:
        """Returns the sums of each parameter, or the one row of those over all. A collective."""
        if not len(self._firsts):
            return [(0.0,) * self._own.shape[1]]
        self._communicator.allgather(self._own, self._every)
        for rows, part in zip(self._rows, self._every, strict=True):
            self._all[rows] = part[: rows.stop - rows.start]
        return [tuple(row) for row in np.add.reduceat(self._all, self._firsts, axis=0).tolist()]

    def of_pieces(self, found: list[tuple[float, ...]]) -> Iterator[tuple[float, ...]]:
        """Yields for each piece what `add` returned for its parameter."""
        return (found[group] for _, _, group in self._pieces)


def _starts(start: int, stop: int) -> list[int]:
    """Returns where a span of the flat array begins, and every block within it."""
    return [start, *range((start // BLOCK + 1) * BLOCK, stop, BLOCK)]
