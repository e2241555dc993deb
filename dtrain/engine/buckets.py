"""Gradients that meet bucket by bucket, as a part says; every rank gets all of the total."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .all_gather import all_gather
from .exchange import is_finite
from .moves import Traffic
from .tree import Node, cover
from .tree_sum import TreeSum
from .whole import Stretch, Whole, checked

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.contracts import GradientExchange, Moves
    from dtrain.parameter import FlatLayout
    from dtrain.types import Array


class Buckets(Whole):
    """Runs a `GradientExchange`, all buckets at a time: during the backward pass where it overlaps, else after it.

    `reduce` tells whether this rank's gradients and the total are finite; then the others' may still not be.
    """

    def __init__(
        self, layout: FlatLayout, shards: int, ranges: list[Node], communicator: Communicator, dtype: Any,
        exchange: GradientExchange, step: Callable[[], int],
    ) -> None:  # fmt: skip
        count = len(cover(*ranges[communicator.rank], shards))
        super().__init__(layout, count, communicator, dtype, exchange, step)
        self.shards, self.shard_ranges, self.block = shards, ranges, layout.block
        self.overlaps = exchange.overlap
        self._total = exchange.total
        self._traffic = Traffic(communicator)
        self._left: set[int] = set()
        self._under_way = False
        self._finite = True
        self.scale = 1.0
        self.buckets = [
            Bucket(self, number, place)
            for number, place in enumerate(cut(layout, exchange.bucket, np.dtype(dtype).itemsize))
        ]

    def set_out(self, scale: float, several: bool) -> None:
        """Several micro-batches of an inexact exchange meet once, when all their gradients have been added up."""
        self._under_way = self.exchange.exact or not several
        if self._under_way:
            self._begin(1.0 if several else scale)
            self._announce("start buckets")

    def start(self, number: int) -> None:
        """Starts a bucket whose gradients are complete, if it is not to wait."""
        if self._under_way:
            self._left.remove(number)
            bucket = self.buckets[number]
            bucket.begin()
            self._traffic.start(number, self._run(bucket))

    def _run(self, bucket: Bucket) -> Moves[None]:
        yield from checked(self._total(bucket), self.exchange)
        self._finite = self._finite and bucket.is_finite()

    def start_rest(self) -> None:
        """Starts the buckets that are left: those of parameters that got no gradient."""
        if self._under_way:
            for number in sorted(self._left):
                self.start(number)

    def poke(self) -> None:
        """Helps on what is under way."""
        self._traffic.poke()

    def reduce(self, scale: float) -> tuple[Array, bool]:
        if not self._under_way:
            self._begin(scale)
            self._under_way = True
            self.start_rest()
        self._under_way = False
        self._announce("finish buckets")
        self._traffic.finish()
        return self.gradient, self._finite

    def _begin(self, scale: float) -> None:
        self.scale, self._finite = scale, True
        self._left = {bucket.number for bucket in self.buckets}

    def _announce(self, name: str) -> None:
        self.communicator.announce(name, (len(self.buckets), self.gradient.size), self.gradient.dtype)

    def collect(self) -> Array:
        """An exact exchange meets in every micro-batch: its sums are added up in that order."""
        if self.exchange.exact:
            return self.reduce(1.0)[0]
        fold(self.nodes, 1.0, self.gradient)
        return self.gradient

    def finish(self, total: Array, scale: float) -> tuple[Array, bool]:
        if self.exchange.exact:
            return super().finish(total, scale)
        first, *others = self.nodes
        np.copyto(first, total)
        for node in others:
            node.fill(0)
        return self.reduce(scale)

    def publish(self) -> None:
        self.keep()


class Bucket(Stretch):
    """See `dtrain.GradientPart`."""

    whole: Buckets

    def __init__(self, whole: Buckets, number: int, place: slice) -> None:
        super().__init__(whole, number, place)
        self._gradient = whole.gradient[place]
        self._nodes = [node[place] for node in whole.nodes]
        self._filled = False

    def begin(self) -> None:
        super().begin()
        self._filled = False

    @property
    def gradient(self) -> Array:
        if not self._filled:
            self._filled = True
            fold(self._nodes, self.whole.scale, self._gradient)
        return self._gradient

    def is_finite(self) -> bool:
        """Tells whether what was made of it is finite, and what this rank had; an exact total shows both."""
        hidden = [] if self.whole.exchange.exact else self._nodes
        return is_finite(self._gradient) and all(map(is_finite, hidden))

    @cached_property
    def _tree(self) -> TreeSum:
        whole = self.whole
        return TreeSum(self._nodes, whole.shards, whole.shard_ranges, self.rank, whole.block)

    def exact(self) -> Moves[None]:
        tree, block = self._tree, self.whole.block
        yield from tree.add()
        np.multiply(tree.total, self.whole.scale, out=self._gradient[tree.own])
        places = [slice(a * block, b * block) for a, b in tree.ranges]
        yield from all_gather(self.rank, places, self._gradient)
        self._filled = True


def fold(nodes: list[Array], scale: float, out: Array) -> None:
    """Writes the sum of some arrays, times scale, to `out`."""
    first, *others = nodes
    for i, node in enumerate(others):
        np.add(out if i else first, node, out=out)
    np.multiply(out if others else first, scale, out=out)


def cut(layout: FlatLayout, bucket: float, itemsize: int) -> list[slice]:
    """Returns the stretches of a flat array that are buckets of so many MiB: whole blocks, at least one."""
    blocks = max(1, int(min(bucket * 2**20 / (itemsize * layout.block), layout.blocks)))
    size = blocks * layout.block
    return [slice(start, min(start + size, layout.size)) for start in range(0, layout.size, size)]
