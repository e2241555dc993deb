"""Exchanges that nothing is wrong with, and of which the broken ones are made."""

from __future__ import annotations

import numpy as np

from dtrain import Exchange, GradientExchange, ValueExchange


class Plain(Exchange):
    """The engine's own: right."""


class InRankOrder(GradientExchange):
    """Adds all gradients in the order of ranks: right, but not exact."""

    def total(self, part):
        every = yield from part.gather(part.gradient)
        part.gradient[:] = np.add.reduce(every, axis=0)


class Mean(ValueExchange):
    """Local steps: right."""

    def meet(self, part):
        every = yield from part.gather(part.value)
        part.value[:] = np.add.reduce(every, axis=0) / part.size


class Largest(GradientExchange):
    """The largest half, the rest with the next gradient: right."""

    slots = ("residual",)

    def total(self, part):
        h = part.gradient + part.slots["residual"]
        sent = np.where(np.abs(h) >= np.median(np.abs(h)), h, 0).astype(h.dtype)
        part.slots["residual"][:] = h - sent
        every = yield from part.gather(sent)
        part.gradient[:] = np.add.reduce(every, axis=0)
