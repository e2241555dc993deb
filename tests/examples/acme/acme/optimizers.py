"""An optimizer of its own, and one in place of dtrain's `adam`."""

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


class Adam(Optimizer):
    """Adam that never forgets a large gradient (AMSGrad); takes the place of dtrain's `adam`, with its options.

    m ← β₁m + (1−β₁)g; v ← β₂v + (1−β₂)g²; u ← max(u, v); θ ← θ − η·m̂/(√û + ε).
    m̂ = m/(1−β₁ᵗ), û = u/(1−β₂ᵗ), t the number of the update from 1: PyTorch's variant, whose û may shrink; the
    paper corrects neither.

    lr: η > 0. beta_1, beta_2: in [0, 1). epsilon: ε > 0.

    Reddi, Kale & Kumar, "On the convergence of Adam and beyond", 2018.
    """

    slots = ("m", "v", "u")
    examples = [{}, {"lr": 0.1, "beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-6}]

    def __init__(self, lr: float = 1e-3, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8):
        if lr <= 0 or epsilon <= 0:
            raise ValueError(f"lr and epsilon must be positive, got {lr} and {epsilon}")
        if not (0 <= beta_1 < 1 and 0 <= beta_2 < 1):
            raise ValueError(f"beta_1 and beta_2 must be in [0, 1), got {beta_1} and {beta_2}")
        self.lr, self.beta_1, self.beta_2, self.epsilon = lr, beta_1, beta_2, epsilon

    def update(self, value, gradient, context, *slots):
        m, v, u = slots
        m *= self.beta_1
        m += (1 - self.beta_1) * gradient
        v *= self.beta_2
        v += (1 - self.beta_2) * gradient * gradient
        np.maximum(u, v, out=u)
        m_hat = m / (1 - self.beta_1**context.step)
        value -= self.lr * m_hat / (np.sqrt(u / (1 - self.beta_2**context.step)) + self.epsilon)
