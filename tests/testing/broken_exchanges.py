"""Exchanges that are wrong on purpose, each in one way: (class, ids of the checks that must fail), and right ones."""

from __future__ import annotations

import numpy as np

from dtrain import Exchange, GradientExchange, ValueExchange

BROKEN: list[tuple[type, set[str]]] = []


def broken(*ids):
    def note(part):
        BROKEN.append((part, set(ids)))
        return part

    return note


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


@broken("same_bits")
class OwnFirst(GradientExchange):
    """Every rank begins with its own gradient."""

    def total(self, part):
        every = yield from part.gather(part.gradient)
        for rank in range(part.size):
            if rank != part.rank:
                part.gradient[:] += every[rank]


@broken("same_bits")
class StaysNearItsOwn(Mean):
    """Only half of the way to the mean."""

    def meet(self, part):
        own = part.value.copy()
        yield from super().meet(part)
        part.value[:] = (part.value + own) / 2


@broken("exact")
class SaysExact(InRankOrder):
    exact = True


@broken("conserved")
class ForgetsTheRest(Largest):
    """The residual stays zero."""

    def total(self, part):
        yield from super().total(part)
        part.slots["residual"][:] = 0


@broken("conserved")
class TwiceTheGradient(InRankOrder):
    def total(self, part):
        yield from super().total(part)
        part.gradient[:] *= 2


@broken("conserved")
class DriftsAway(Mean):
    """Adds a little at every meeting, whether anyone has moved or not."""

    def meet(self, part):
        yield from super().meet(part)
        part.value[:] += 1e-3


@broken("in_flight")
class RemembersInItself(GradientExchange):
    """What one bucket leaves in self, the next overwrites."""

    def total(self, part):
        self.own = part.gradient.copy()
        every = yield from part.gather(self.own)
        every[part.rank] = self.own
        part.gradient[:] = np.add.reduce(every, axis=0)


@broken("in_flight")
class WaitsInItself(GradientExchange):
    """A bucket that is under way is found again by another."""

    def total(self, part):
        self.part = part
        every = yield from part.gather(part.gradient)
        self.part.gradient[:] = np.add.reduce(every, axis=0)


@broken("state")
class CountsInItself(InRankOrder):
    """A number that no checkpoint keeps changes what it does."""

    def __init__(self):
        super().__init__()
        self.count = {}

    def total(self, part):
        self.count[part.number] = self.count.get(part.number, 0) + 1
        yield from super().total(part)
        part.gradient[:] *= 1 + 1e-4 * self.count[part.number]


@broken("finite", "conserved")
class DividesByTheLargest(InRankOrder):
    """Scales by the largest element, which may be zero."""

    def total(self, part):
        largest = np.abs(part.gradient).max()
        part.gradient[:] = part.gradient / largest * largest
        yield from super().total(part)


@broken("global_random", "repeatable", "in_flight", "state")
class RoundsAtRandom(InRankOrder):
    def total(self, part):
        part.gradient[:] *= 1 + 1e-6 * np.random.random()
        yield from super().total(part)


@broken("options")
class NeedsAFunction(InRankOrder):
    examples = [{"of": abs}]

    def __init__(self, of) -> None:
        super().__init__()
        self.of = of


RIGHT = [Plain, InRankOrder, Mean, Largest]
