"""Samples in blocks of one shape, for inference."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dtrain.engine.shards import Layout

from .batches import Batch, Batches

if TYPE_CHECKING:
    from dtrain.contracts import Rows
    from dtrain.types import Array


class Block(NamedTuple):
    """where: which samples. batch: they, and below them the last one again until the block is full.

    shard: among this rank's.
    """

    where: slice
    batch: Batch
    shard: int

    @property
    def rows(self) -> int:
        """How many samples there are; what the batch holds below them is to be left out."""
        return int(self.where.stop - self.where.start)


class Blocks:
    """Cuts samples, in order, into blocks of `size` rows, and takes this rank's: those of its shards.

    The cut depends on nothing but the number of samples, and every block has the same shape, the last one as well:
    so a row's result does not depend on how many others there are, nor on the ranks. shards: contiguous runs of
    blocks, of which this rank has `first` to `last`. dtype, check: as for `Batches`.
    """

    def __init__(
        self, rows: Rows, size: int, shards: int, first: int, last: int, dtype: Any,
        check: Callable[[Array | None], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self.samples = len(rows)
        self._batches = Batches(rows, size, 1, 0, 1, dtype, check=check)
        self._layout = Layout(size, 1, 0, 1)
        self.size, self._shards = size, shards
        self._bounds = [self._bound(shard) for shard in range(first, last + 1)]

    def _bound(self, shard: int) -> int:
        return self._batches.count * shard // self._shards

    def __iter__(self) -> Iterator[Block]:
        for shard, (start, stop) in enumerate(pairwise(self._bounds)):
            for index in range(start, stop):
                yield self._block(index, shard)

    def _block(self, index: int, shard: int) -> Block:
        with np.errstate(over="ignore"):  # numbers beyond the dtype become infinite, and are counted
            (batch,) = self._batches.cut(index)
        where = slice(batch.place, batch.place + len(batch.x))
        x, y = self._filled(batch.x), None if batch.y is None else self._filled(batch.y)
        return Block(where, batch._replace(layout=self._layout, x=x, y=y), shard)

    def _filled(self, array: Array) -> Array:
        count = len(array)
        if count == self.size:
            return array
        filled = np.empty((self.size, *array.shape[1:]), array.dtype)
        filled[:count], filled[count:] = array, array[-1]
        return filled

    @property
    def reference(self) -> Array | float:
        """The target of the first sample; see `Batches.reference`."""
        return self._batches.reference

    def none(self) -> Batch:
        """Returns a batch of no rows: for a rank that has no block, to learn what comes out of one."""
        return self._batches.none()

    def counts(self, ranges: list[tuple[int, int]]) -> list[int]:
        """Returns how many samples each rank has. ranges: the shards (first, last) of each."""
        ends = [[min(self._bound(shard) * self.size, self.samples) for shard in one] for one in ranges]
        return [last - first for first, last in ends]
