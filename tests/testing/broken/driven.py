"""A rate that nobody can change once it was given."""

from __future__ import annotations

from dtrain import Optimizer

from .right import SteepestDescent
from .table import broken


@broken("optimizers", "driven")
class RateKeptApart(Optimizer):
    """A schedule changes `lr`, and nothing happens."""

    def __init__(self, lr: float = 0.1) -> None:
        self.lr = lr
        self.rate = -lr

    def update(self, value, gradient, context, *slots):
        value += self.rate * gradient


@broken("optimizers", "driven")
class NoRate(Optimizer):
    def update(self, value, gradient, context, *slots):
        value -= gradient * 0.1


@broken("optimizers", "driven")
class StepKeptApart(SteepestDescent):
    def __init__(self, lr: float = 1.0) -> None:
        self.lr = self.rate = lr

    def solve(self, problem):
        return problem.value + self.rate * (super().solve(problem) - problem.value) / self.lr
