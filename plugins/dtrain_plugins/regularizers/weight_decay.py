from __future__ import annotations

from dtrain import Array, Regularizer

from ..ranges import NotNegative


class WeightDecay(Regularizer):
    """Decoupled weight decay, beside any optimizer: θ ← θ − η·weight·θ, then the optimizer's step.

    η: the optimizer's `lr` as of this step, schedules included. The decay is in no gradient, so that no optimizer
    scales or averages it: with `adam` this is `adamw`, to the bit; with `sgd` it is `l2` of half the weight. Its
    penalty is 0. weight: ≥ 0; otherwise a ValueError.

    Loshchilov & Hutter, "Decoupled weight decay regularization", 2019; taken times η, as PyTorch and Keras do.
    """

    decoupled = True
    examples = [{}, {"weight": 0.1}]

    def __init__(self, weight: NotNegative = 0.01) -> None:
        self.weight = weight

    def penalty(self, value: Array) -> float:
        return 0.0

    def gradient(self, value: Array, out: Array) -> None:
        """Adds nothing."""

    def decay(self, value: Array, lr: float) -> None:
        value *= 1 - lr * self.weight
