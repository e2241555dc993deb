from __future__ import annotations

import numpy as np

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import Positive


class Adagrad(Optimizer):
    """A rate for each element, by all its gradients so far: G ← G + g²; θ ← θ − η·g/√(G + ε).

    lr: η > 0. epsilon: ε > 0, inside the root (PyTorch adds it outside). One slot, G: `squares`, 0 at the start
    (Keras starts at 0.1). Raises ValueError for an option out of range.

    Duchi, Hazan & Singer, "Adaptive subgradient methods for online learning and stochastic optimization",
    2011: the diagonal form, without projection.
    """

    slots = ("squares",)
    examples = [{}, {"lr": 0.1, "epsilon": 1e-3}]

    def __init__(self, lr: Positive = 0.01, epsilon: Positive = 1e-8) -> None:
        self.lr, self.epsilon = lr, epsilon

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        (squares,) = slots
        t = np.multiply(gradient, gradient, out=context.empty(len(value)))
        squares += t
        np.add(squares, self.epsilon, out=t)
        np.sqrt(t, out=t)
        gradient /= t
        gradient *= self.lr
        value -= gradient
