from __future__ import annotations

from math import sqrt

import numpy as np

from dtrain import Array, UpdateContext

from ..ranges import BelowOne, NotNegative, Positive
from .adam import Adam
from .lars import scale


class Lamb(Adam):
    """Adam's direction with a rate for each parameter by its norm: w ← w − η·(‖w‖/‖u‖)·u; u = m̂/(√v̂ + ε) + λ·w.

    m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g²; m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ), t the number of the update from 1. w, u:
    of one parameter, such as a layer's whole weight matrix. The ratio is 1 where ‖w‖ or ‖u‖ is 0.
    Biases and scales (γ, β of a normalization) take the step of `adam`, ratio 1 and λ = 0, as is usual; the paper
    makes no difference.

    lr: η > 0, relative: how far a weight matrix moves, in its own norm. weight_decay: λ ≥ 0. beta_1, beta_2: in
    [0, 1). epsilon: ε > 0. all_roles: biases and scales like weights, as in the paper. Two slots, m and v. Raises
    ValueError for an option out of range.

    You et al., "Large batch optimization for deep learning: training BERT in 76 minutes", 2020: algorithm 2, with
    bias correction, φ(z) = z (later versions of the paper clip it).
    """

    by_role = True
    sums_over = "parameter"
    examples = [
        {},
        {"lr": 0.01, "weight_decay": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-4, "all_roles": True},
    ]

    def __init__(
        self,
        lr: Positive = 1e-3,
        weight_decay: NotNegative = 0.01,
        beta_1: BelowOne = 0.9,
        beta_2: BelowOne = 0.999,
        epsilon: Positive = 1e-6,
        all_roles: bool = False,
    ) -> None:
        super().__init__(lr, beta_1, beta_2, epsilon)
        self.weight_decay, self.all_roles = weight_decay, all_roles

    def sums(self) -> int:
        return 2

    def measure(
        self, value: Array, gradient: Array, context: UpdateContext, *slots: Array
    ) -> tuple[tuple[Array, Array], ...]:
        """Leaves u in `gradient`."""
        m, v = slots
        root = sqrt(1 - self.beta_2**context.step)
        t = self.take_in(gradient, m, v, context)
        np.sqrt(v, out=t)
        t += self.epsilon * root
        np.multiply(m, root / (1 - self.beta_1**context.step), out=gradient)
        gradient /= t
        if self._adapts(context.role):
            gradient += np.multiply(value, self.weight_decay, out=t)
        return (value, value), (gradient, gradient)

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        w, u = map(sqrt, context.sums)
        scale(gradient, self.lr * (w / u if self._adapts(context.role) and w and u else 1.0))
        value -= gradient

    def _adapts(self, role: str) -> bool:
        return self.all_roles or role == "weight"
