from __future__ import annotations

from dtrain import Array, UpdateContext

from ..ranges import BelowOne, NotNegative, Positive
from .adam import Adam


class Adamw(Adam):
    """Adam with decoupled weight decay: θ ← θ − η·λ·θ − η·m̂/(√v̂ + ε), the decay apart from the moments.

    m̂ and v̂ as in `adam`. Only parameters of the role "weight" decay: biases and scales (γ, β of a
    normalization) take the update of `adam`. PyTorch decays all that it is given.

    lr: η > 0. weight_decay: λ ≥ 0, taken times η, as PyTorch and Keras do (the paper takes it times the
    schedule's factor alone: its λ is η·λ here). beta_1, beta_2: in [0, 1). epsilon: ε > 0. Two slots, m and v.
    Raises ValueError for an option out of range.

    Loshchilov & Hutter, "Decoupled weight decay regularization", 2019, algorithm 2.
    """

    by_role = True
    examples = [{}, {"lr": 0.01, "weight_decay": 0.1, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-6}]

    def __init__(
        self,
        lr: Positive = 1e-3,
        weight_decay: NotNegative = 0.01,
        beta_1: BelowOne = 0.9,
        beta_2: BelowOne = 0.999,
        epsilon: Positive = 1e-8,
    ) -> None:
        super().__init__(lr, beta_1, beta_2, epsilon)
        self.weight_decay = weight_decay

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        if context.role == "weight":
            value *= 1 - self.lr * self.weight_decay
        super().update(value, gradient, context, *slots)
