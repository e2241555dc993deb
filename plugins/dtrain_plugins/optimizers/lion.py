from __future__ import annotations

import numpy as np

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import BelowOne, NotNegative, Positive


class Lion(Optimizer):
    """The sign of an interpolated momentum: θ ← θ − η·(sign(β₁·m + (1−β₁)·g) + λ·θ); m ← β₂·m + (1−β₂)·g.

    Each element moves by η a step: rates are 3 to 10 times smaller, and λ as much larger, than for `adamw`.
    Only parameters of the role "weight" decay.

    lr: η > 0. beta_1: the share of m in the step, in [0, 1). beta_2: its decay, in [0, 1). weight_decay: λ ≥ 0,
    taken times η. One slot, m. Raises ValueError for an option out of range.

    Chen et al., "Symbolic discovery of optimization algorithms", 2023, algorithm 2.
    """

    slots = ("m",)
    by_role = True
    examples = [{}, {"lr": 0.01, "beta_1": 0.8, "beta_2": 0.9, "weight_decay": 0.1}]

    def __init__(
        self,
        lr: Positive = 1e-4,
        beta_1: BelowOne = 0.9,
        beta_2: BelowOne = 0.99,
        weight_decay: NotNegative = 0.0,
    ) -> None:
        self.lr, self.beta_1, self.beta_2, self.weight_decay = lr, beta_1, beta_2, weight_decay

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        (m,) = slots
        step = np.multiply(m, self.beta_1, out=context.empty(len(value)))
        step += np.multiply(gradient, 1 - self.beta_1, out=context.empty(len(value)))
        np.sign(step, out=step)
        step *= self.lr
        if self.weight_decay and context.role == "weight":
            value *= 1 - self.lr * self.weight_decay
        value -= step
        m *= self.beta_2
        gradient *= 1 - self.beta_2
        m += gradient
