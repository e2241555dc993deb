from __future__ import annotations

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import BelowOne, Positive


class Momentum(Optimizer):
    """Gradient descent with momentum: u ← γ·u + η·g; θ ← θ − u.

    lr: η > 0. momentum: γ in [0, 1). The rate is inside the velocity, so a schedule's change of η reaches
    the past gradients' part of u only as it decays (PyTorch keeps η outside). One slot, u: `velocity`.
    Raises ValueError for an option out of range.

    Rumelhart, Hinton & Williams, "Learning representations by back-propagating errors", 1986;
    Polyak, "Some methods of speeding up the convergence of iteration methods", 1964.
    """

    slots = ("velocity",)
    examples = [{"lr": 0.1, "momentum": 0.8}]

    def __init__(self, lr: Positive = 0.01, momentum: BelowOne = 0.9) -> None:
        self.lr, self.momentum = lr, momentum

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        (velocity,) = slots
        velocity *= self.momentum
        gradient *= self.lr
        velocity += gradient
        value -= velocity
