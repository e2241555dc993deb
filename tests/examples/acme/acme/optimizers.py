"""An optimizer."""

import numpy as np

from dtrain import Optimizer


class Signum(Optimizer):
    """m ← β·m + (1−β)·g; θ ← θ − η·sign(m).

    lr: η > 0, what every element moves by. beta: β in [0, 1).

    Bernstein, Wang, Azizzadenesheli & Anandkumar, "signSGD: compressed optimisation for non-convex
    problems", 2018.
    """

    slots = ("m",)
    examples = [{}, {"lr": 0.1, "beta": 0.5}]

    def __init__(self, lr: float = 1e-3, beta: float = 0.9):
        if lr <= 0:
            raise ValueError(f"lr must be positive, got {lr}")
        if not 0 <= beta < 1:
            raise ValueError(f"beta must be in [0, 1), got {beta}")
        self.lr, self.beta = lr, beta

    def update(self, value, gradient, context, *slots):
        (m,) = slots
        m *= self.beta
        gradient *= 1 - self.beta
        m += gradient
        value -= self.lr * np.sign(m)
