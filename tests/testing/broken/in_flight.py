"""Buckets that get mixed up when several are under way."""

from __future__ import annotations

import numpy as np

from dtrain import GradientExchange

from .table import broken


@broken("exchanges", "in_flight")
class RemembersInItself(GradientExchange):
    """What one bucket leaves in self, the next overwrites."""

    def total(self, part):
        self.own = part.gradient.copy()
        every = yield from part.gather(self.own)
        every[part.rank] = self.own
        part.gradient[:] = np.add.reduce(every, axis=0)


@broken("exchanges", "in_flight")
class WaitsInItself(GradientExchange):
    """A bucket that is under way is found again by another."""

    def total(self, part):
        self.part = part
        every = yield from part.gather(part.gradient)
        self.part.gradient[:] = np.add.reduce(every, axis=0)
