"""A step that gets nowhere, or uphill."""

from __future__ import annotations

from dtrain import Optimizer

from .right import SteepestDescent
from .table import broken


@broken("optimizers", "decreases")
class HardlyMoves(SteepestDescent):
    lr = 1e-6


@broken("optimizers", "decreases")
class Climbs(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context):
        value += self.lr * gradient


@broken("optimizers", "decreases")
class StepTooLarge(Optimizer):
    lr = 2.5

    def update(self, value, gradient, context):
        value -= self.lr * gradient


@broken("optimizers", "decreases")
class Drifts(Optimizer):
    """The same way whatever the gradient says."""

    lr = 0.01

    def update(self, value, gradient, context):
        value -= self.lr
