from __future__ import annotations

import numpy as np

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import BelowOne, Positive


class Adadelta(Optimizer):
    """A rate from the ratio of running root mean squares, of past updates Δ and of gradients g.

    v ← ρ·v + (1−ρ)·g²; Δ = g·√(u + ε)/√(v + ε); u ← ρ·u + (1−ρ)·Δ²; θ ← θ − η·Δ.

    lr: η > 0, which the paper does not have: 1 is the paper's method. rho: ρ in [0, 1). epsilon: ε > 0, inside
    both roots; it starts the movement, as u is 0 then. Two slots: `squares` (v), `square_updates` (u, of Δ
    without η). Raises ValueError for an option out of range.

    Zeiler, "ADADELTA: an adaptive learning rate method", 2012, algorithm 1.
    """

    slots = ("squares", "square_updates")
    examples = [{}, {"lr": 0.5, "rho": 0.9, "epsilon": 1e-3}]

    def __init__(self, lr: Positive = 1.0, rho: BelowOne = 0.95, epsilon: Positive = 1e-6) -> None:
        self.lr, self.rho, self.epsilon = lr, rho, epsilon

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        squares, square_updates = slots
        t = np.multiply(gradient, gradient, out=context.empty(len(value)))
        t *= 1 - self.rho
        squares *= self.rho
        squares += t
        np.add(squares, self.epsilon, out=t)
        ratio = np.add(square_updates, self.epsilon, out=context.empty(len(value)))
        ratio /= t
        np.sqrt(ratio, out=ratio)
        gradient *= ratio  # Δ
        np.multiply(gradient, gradient, out=t)
        t *= 1 - self.rho
        square_updates *= self.rho
        square_updates += t
        gradient *= self.lr
        value -= gradient
