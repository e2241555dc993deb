"""Ranks without a network, whose gradients or values meet as the exchange under test says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import GradientExchange, ValueExchange
from dtrain.engine import rank_ranges
from dtrain.engine.apart import Apart
from dtrain.engine.buckets import Buckets
from dtrain.engine.replica import BLOCK
from dtrain.engine.tree import children, cover
from dtrain.parameter import FlatLayout, Parameter

from .data import numbers
from .plain import Half

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

SHARDS, SIZE, SCALE = 8, 2 * BLOCK + 300, 0.125
ONE_BLOCK = BLOCK / 2**20 * 4
"""MiB of a bucket of one block of float32: three buckets in all."""


def gradients(step: int, dtype: Any, even: bool = False) -> Array:
    """Returns the gradients of all shards in a step: (SHARDS, SIZE); those of the second are zero.

    even: all of ordinary size; else they are of very unlike sizes, zeros among them.
    """
    found = numbers((SHARDS, SIZE), step, 5)
    if not even:
        found *= 10.0 ** np.linspace(-6, 4, SIZE)
        found[:, ::7] = 0
    return np.asarray(found if step != 1 else 0 * found, dtype)


def tree_total(rows: Array, node: tuple[int, int]) -> Array:
    """Returns the sum of a node of the fixed tree over shards. rows: of all shards."""
    if node[1] - node[0] == 1:
        return rows[node[0]]
    left, right = children(node)
    return tree_total(rows, left) + tree_total(rows, right)


class Rig:
    """One rank. `step` lets one step meet; what came of it is in `seen`, by name. even: see `gradients`."""

    def __init__(self, part: Any, communicator: Communicator, dtype: Any, even: bool = False) -> None:
        self.part, self.communicator, self.dtype, self.even = part, communicator, dtype, even
        self.done = 0
        self.seen: dict[str, Array] = {}
        self._ranges = rank_ranges(SHARDS, communicator.size)
        weight = Parameter("w", (SIZE,), "weight", Half(), (1, 1))
        layout = FlatLayout([weight], BLOCK)
        if isinstance(part, ValueExchange):
            self.values = Apart(layout, communicator, dtype, part, lambda: self.done + 1)
        elif isinstance(part, GradientExchange):
            self.buckets = Buckets(
                layout, SHARDS, self._ranges, communicator, dtype, part, lambda: self.done + 1
            )

    @property
    def slots(self) -> Mapping[str, Array]:
        """This rank's slots as of now; none of an exchange that is the engine's own."""
        if isinstance(self.part, ValueExchange):
            return self.values.slots
        return self.buckets.slots if isinstance(self.part, GradientExchange) else {}

    def step(self, *, all_at_once: bool = False, moved: bool = True) -> None:
        """Lets the ranks meet. all_at_once: buckets travel together. moved: whether values have changed before."""
        if isinstance(self.part, ValueExchange):
            self._meet(moved)
        elif isinstance(self.part, GradientExchange):
            self._total(all_at_once)
        self.done += 1

    def _meet(self, moved: bool) -> None:
        values = self.values
        values.reduce(1.0)
        if moved:
            own = gradients(self.done, self.dtype, self.even)[self.communicator.rank % SHARDS]
            values.values[:SIZE] -= own * self.dtype(1e-3)
        values.meet([])
        self.seen[f"values after meeting {self.done + 1}"] = values.values[:SIZE].copy()

    def _total(self, all_at_once: bool) -> None:
        buckets, rows = self.buckets, gradients(self.done, self.dtype, self.even)
        first, last = self._ranges[self.communicator.rank]
        for node, array in zip(cover(first, last, SHARDS), buckets.nodes, strict=True):
            array[:SIZE] = tree_total(rows, node)
        if all_at_once:
            buckets.reduce(SCALE)
        else:
            buckets.scale = SCALE
            for bucket in buckets.buckets:
                bucket.begin()
                buckets.run(self.part.total(bucket))
        buckets.publish()
        self.seen[f"total of step {self.done + 1}"] = buckets.gradient[:SIZE].copy()

    def left(self) -> dict[str, Array]:
        """Returns what every step has given, and this rank's slots."""
        return self.seen | {f"slot {name!r}": slot[:SIZE].copy() for name, slot in self.slots.items()}
