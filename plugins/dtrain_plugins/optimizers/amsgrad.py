from __future__ import annotations

import numpy as np

from dtrain import Array, UpdateContext

from .adam import Adam


class Amsgrad(Adam):
    """Adam whose rates never rise: v̂ ← max(v̂, v/(1−β₂ᵗ)); θ ← θ − η·m̂/(√v̂ + ε).

    m ← β₁m + (1−β₁)g, m̂ = m/(1−β₁ᵗ), v ← β₂v + (1−β₂)g², t the number of the update from 1. The maximum is of
    corrected averages, as in optax; the paper corrects nothing, PyTorch corrects after the maximum.

    lr: η > 0. beta_1, beta_2: in [0, 1). epsilon: ε > 0. Three slots: m, v, and v̂ as `v_max`. Raises ValueError
    for an option out of range.

    Reddi, Kale & Kumar, "On the convergence of Adam and beyond", 2018.
    """

    slots = ("m", "v", "v_max")
    examples = [{}, {"lr": 0.01, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-6}]

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        m, v, v_max = slots
        t = self.take_in(gradient, m, v, context)
        np.multiply(v, 1 / (1 - self.beta_2**context.step), out=t)
        np.maximum(v_max, t, out=v_max)
        np.sqrt(v_max, out=t)
        t += self.epsilon
        np.divide(m, t, out=t)
        t *= self.lr / (1 - self.beta_1**context.step)
        value -= t
