from __future__ import annotations

import numpy as np

from dtrain import Array, UpdateContext

from .momentum import Momentum


class Nesterov(Momentum):
    """Nesterov's momentum, with the gradient taken at θ: u ← γ·u + η·g; θ ← θ − (γ·u + η·g).

    θ is the point φ − γ·u ahead of Nesterov's own iterate φ, in which the method reads: u ← γ·u + η·∇f(φ − γ·u);
    φ ← φ − u. Both make the same points, and this form needs the gradient only where the parameters are.

    lr: η > 0, inside the velocity as in `momentum` (PyTorch keeps it outside: other points under a schedule).
    momentum: γ in [0, 1). One slot, u: `velocity`. Raises ValueError for an option out of range.

    Nesterov, "A method of solving a convex programming problem with convergence rate O(1/k²)", 1983; in this
    form Bengio, Boulanger-Lewandowski & Pascanu, "Advances in optimizing recurrent networks", 2013.
    """

    examples = [{}, {"lr": 0.1, "momentum": 0.8}]

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        (velocity,) = slots
        gradient *= self.lr
        velocity *= self.momentum
        velocity += gradient
        gradient += np.multiply(velocity, self.momentum, out=context.empty(len(value)))
        value -= gradient
