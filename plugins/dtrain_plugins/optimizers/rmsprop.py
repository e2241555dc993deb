from __future__ import annotations

import numpy as np

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import BelowOne, Positive


class Rmsprop(Optimizer):
    """The gradient over its running root mean square: v ← ρ·v + (1−ρ)·g²; θ ← θ − η·g/(√v + ε).

    lr: η > 0. rho: ρ in [0, 1). epsilon: ε > 0, outside the root as in PyTorch (TensorFlow adds it inside; the
    lecture has none). One slot, v: `squares`. No bias correction: the first step is η/√(1−ρ) long. Raises
    ValueError for an option out of range.

    Tieleman & Hinton, "Lecture 6.5: rmsprop, divide the gradient by a running average of its recent
    magnitude", Coursera, 2012: without momentum.
    """

    slots = ("squares",)
    examples = [{}, {"lr": 0.01, "rho": 0.99, "epsilon": 1e-3}]

    def __init__(self, lr: Positive = 1e-3, rho: BelowOne = 0.9, epsilon: Positive = 1e-8) -> None:
        self.lr, self.rho, self.epsilon = lr, rho, epsilon

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        (squares,) = slots
        t = np.multiply(gradient, gradient, out=context.empty(len(value)))
        t *= 1 - self.rho
        squares *= self.rho
        squares += t
        np.sqrt(squares, out=t)
        t += self.epsilon
        gradient /= t
        gradient *= self.lr
        value -= gradient
