from __future__ import annotations

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import Positive


class Sgd(Optimizer):
    """Gradient descent: θ ← θ − η·g. lr: η > 0; otherwise a ValueError.

    Robbins & Monro, "A stochastic approximation method", 1951.
    """

    examples = [{"lr": 0.1}]

    def __init__(self, lr: Positive = 0.01) -> None:
        self.lr = lr

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        gradient *= self.lr
        value -= gradient
