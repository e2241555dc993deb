"""Draws from the state that all share, or seeds it."""

from __future__ import annotations

import numpy as np
from numpy.random import rand

from dtrain import Callback, Initializer, Procedure

from .right_exchanges import InRankOrder
from .right_layers import Double
from .table import broken


@broken("layers", "global_random")
class SeedsEverybody(Double):
    def __init__(self) -> None:
        np.random.seed(0)


@broken("layers", "global_random")
class DrawsByAnotherName(Double):
    """From the global state, under a name that was imported before anybody looked."""

    def forward(self, x, context):
        rand()
        return super().forward(x, context)


@broken("initializers", "global_random")
class GlobalState(Initializer):
    """Draws, but gives nothing of it."""

    def __call__(self, shape, fans, random):
        np.random.rand()
        return random.uniform(shape)


@broken("callbacks", "global_random")
class StopsAtRandom(Callback):
    def after_step(self, run):
        np.random.random()


@broken("procedures", "global_random", "repeatable")
class StepsAtRandom(Procedure):
    def run(self, course):
        course.take_step({"lr": float(np.random.random())})


@broken("exchanges", "global_random", "repeatable", "in_flight", "state")
class RoundsAtRandom(InRankOrder):
    def total(self, part):
        part.gradient[:] *= 1 + 1e-6 * np.random.random()
        yield from super().total(part)
