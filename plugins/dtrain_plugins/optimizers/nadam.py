from __future__ import annotations

from math import sqrt

import numpy as np

from dtrain import Array, UpdateContext

from .adam import Adam


class Nadam(Adam):
    """Adam with Nesterov's momentum: θ ← θ − η·(β₁·m/(1−β₁ᵗ⁺¹) + (1−β₁)·g/(1−β₁ᵗ))/(√v̂ + ε).

    m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g², v̂ = v/(1−β₂ᵗ), t the number of the update from 1. β₁ is constant, as
    in optax; PyTorch and Keras warm it up by the report's schedule β₁(1 − 0.96^(t/250)/2).

    lr: η > 0. beta_1, beta_2: in [0, 1). epsilon: ε > 0. Two slots, m and v. Raises ValueError for an option
    out of range.

    Dozat, "Incorporating Nesterov momentum into Adam", 2016.
    """

    examples = [{}, {"lr": 0.01, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-6}]

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        m, v = slots
        b1, b2, t = self.beta_1, self.beta_2, context.step
        root = sqrt(1 - b2**t)
        square = np.multiply(gradient, gradient, out=context.empty(len(value)))
        square *= 1 - b2
        v *= b2
        v += square
        gradient *= 1 - b1
        m *= b1
        m += gradient
        gradient *= self.lr * root / (1 - b1**t)
        ahead = np.multiply(m, self.lr * root * b1 / (1 - b1 ** (t + 1)), out=context.empty(len(value)))
        ahead += gradient
        np.sqrt(v, out=square)
        square += self.epsilon * root
        ahead /= square
        value -= ahead
