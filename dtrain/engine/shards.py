"""Which rows belong to which shard, and which shards to which rank: fixed by the config, never by timing."""

from __future__ import annotations

from copy import copy
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

import numpy as np

from dtrain.errors import ConfigError

if TYPE_CHECKING:
    from dtrain.types import Array


MOST = 1 << 14
"""Shards of a run: a batch is cut into them, with or without rows, and each has sums of its own."""


def resolve_shards(shards: int | Literal["auto", "ranks"], ranks: int) -> int:
    """Returns the number of shards; "auto" is the smallest of 8, 16, 32, … that is at least `ranks`."""
    if shards == "ranks":
        return ranks
    if shards == "auto":
        return max(8, 1 << (ranks - 1).bit_length())
    if shards > MOST:
        raise ConfigError(
            f"[train] shards: expected at most {MOST}, got {shards}; one for each rank is enough"
        )
    if shards < ranks:
        raise ConfigError(
            f"[train] shards: expected at least one shard a rank, got {shards} shards for {ranks} ranks; "
            f"start at most {shards} ranks, or raise shards (the result then changes within rounding)"
        )
    return shards


def shard_bounds(rows: int, shards: int) -> list[int]:
    """Returns shards+1 bounds that cut rows into contiguous slices, larger ones first, by at most one row."""
    size, larger = divmod(rows, shards)
    return [i * size + min(i, larger) for i in range(shards + 1)]


def rank_ranges(shards: int, ranks: int) -> list[tuple[int, int]]:
    """Returns the shards (first, last) of each rank: contiguous ranges, in order.

    No rank has more than ⌈shards/ranks⌉, the time of a step; within that, bounds snap to the widest
    subtree of the reduction tree, so that a rank sends few partial sums.
    """
    most = -(-shards // ranks)
    bounds = [0]
    for rank in range(1, ranks):
        low = max(bounds[-1] + 1, shards - (ranks - rank) * most)
        high = min(bounds[-1] + most, shards - (ranks - rank))
        bounds.append(max(range(low, high + 1), key=lambda bound: (bound & -bound, bound)))
    bounds.append(shards)
    return list(pairwise(bounds))


class Layout:
    """Where the rows of one global batch lie: in shards, and on this rank.

    rows: of the global batch. first, last: the local shards. Slices are relative to this rank's first row.
    """

    def __init__(self, rows: int, shards: int, first: int, last: int) -> None:
        bounds = shard_bounds(rows, shards)
        self.rows = rows
        self.start, self.stop = bounds[first], bounds[last]
        self.local = self.stop - self.start
        self.slices = [slice(bounds[i] - self.start, bounds[i + 1] - self.start) for i in range(first, last)]
        self.sizes = [s.stop - s.start for s in self.slices]

    @cached_property
    def shards(self) -> int:
        """How many shards this rank has."""
        return len(self.slices)

    @cached_property
    def alone(self) -> Layout:
        """The same rows and shards, as if there were no others."""
        layout = copy(self)
        layout.rows = self.local
        return layout

    @cached_property
    def ones(self) -> dict[str, Array]:
        """Where all rows are one shard: dtype character → a one a row, whose product with them is their sum."""
        return {char: np.ones(self.local, char) for char in "fdFD"} if self.shards == 1 and self.local else {}

    @cached_property
    def groups(self) -> list[tuple[int, int, int, int]]:
        """Runs of shards of one size, at most two: (first local shard, shards, first row, rows a shard)."""
        groups: list[tuple[int, int, int, int]] = []
        for i, size in enumerate(self.sizes):
            if groups and groups[-1][3] == size:
                first, count, row, _ = groups[-1]
                groups[-1] = (first, count + 1, row, size)
            else:
                groups.append((i, 1, self.slices[i].start, size))
        return groups
