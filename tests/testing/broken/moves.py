"""Arrays that are made anew where they should be written."""

from __future__ import annotations

from dtrain import Optimizer

from .right import Shrinks
from .table import broken


@broken("optimizers", "moves")
class NewValue(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context):
        value = value - self.lr * gradient


@broken("optimizers", "moves")
class ReturnsTheValue(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context):
        return value - self.lr * gradient


@broken("optimizers", "moves")
class NewSlot(Optimizer):
    """Momentum that is forgotten from step to step."""

    lr = 0.1
    slots = ("m",)

    def update(self, value, gradient, context, m):
        m = 0.9 * m + gradient
        value -= self.lr * m


@broken("regularizers", "moves")
class NewDecay(Shrinks):
    def decay(self, value, lr):
        value = value * (1 - lr)
