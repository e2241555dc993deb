from __future__ import annotations

from math import sqrt

import numpy as np

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import BelowOne, Positive


class Adam(Optimizer):
    """Adam with bias correction: m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; θ ← θ − η·m̂/(√v̂ + ε).

    m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ), t the number of the update from 1; ε is added outside the root, after the
    correction, as in the paper's algorithm 1.

    lr: η > 0, the longest first step of an element. beta_1, beta_2: in [0, 1). epsilon: ε > 0. Two slots,
    m and v. Raises ValueError for an option out of range.

    Kingma & Ba, "Adam: a method for stochastic optimization", 2015.
    """

    slots: tuple[str, ...] = ("m", "v")
    examples = [{}, {"lr": 0.01, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-6}]

    def __init__(
        self, lr: Positive = 1e-3, beta_1: BelowOne = 0.9, beta_2: BelowOne = 0.999, epsilon: Positive = 1e-8
    ) -> None:
        self.lr, self.beta_1, self.beta_2, self.epsilon = lr, beta_1, beta_2, epsilon

    def take_in(self, gradient: Array, m: Array, v: Array, context: UpdateContext) -> Array:
        """Takes g into m and v. Leaves (1−β₂)g² in `gradient`; returns scratch of its length."""
        t = np.multiply(gradient, 1 - self.beta_1, out=context.empty(len(gradient)))
        m *= self.beta_1
        m += t
        gradient *= gradient
        gradient *= 1 - self.beta_2
        v *= self.beta_2
        v += gradient
        return t

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        m, v = slots
        t = self.take_in(gradient, m, v, context)
        root = sqrt(1 - self.beta_2**context.step)
        rate = self.lr * root / (1 - self.beta_1**context.step)
        np.sqrt(v, out=t)
        t += self.epsilon * root
        np.divide(m, t, out=t)
        t *= rate
        value -= t
