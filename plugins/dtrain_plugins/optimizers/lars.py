from __future__ import annotations

from math import sqrt

import numpy as np

from dtrain import Array, Optimizer, UpdateContext

from ..ranges import BelowOne, NotNegative, Positive


class Lars(Optimizer):
    """A rate for each parameter by its norms: v ← m·v + η·λ·(g + β·w); w ← w − v; λ = trust·‖w‖/(‖g‖ + β·‖w‖).

    w, g, v: of one parameter, such as a layer's whole weight matrix. λ = 1 where ‖w‖ or ‖g‖ is 0.
    Biases and scales (γ, β of a normalization) take plain momentum, v ← m·v + η·g, as is usual; the paper gives
    each its own λ, and decay.

    lr: η > 0; with λ = trust·…, it is much larger than that of `momentum`. trust: > 0, the paper's η. momentum: m in
    [0, 1). weight_decay: β ≥ 0. all_roles: biases and scales like weights, as in the paper. One slot, v:
    `velocity`, which holds the rates. Raises ValueError for an option out of range.

    You, Gitman & Ginsburg, "Large batch training of convolutional networks", 2017, algorithm 1.
    """

    slots = ("velocity",)
    by_role = True
    sums_over = "parameter"
    examples = [{}, {"lr": 2.0, "trust": 0.1, "momentum": 0.5, "weight_decay": 0.1, "all_roles": True}]

    def __init__(
        self,
        lr: Positive = 1.0,
        trust: Positive = 0.001,
        momentum: BelowOne = 0.9,
        weight_decay: NotNegative = 0.0005,
        all_roles: bool = False,
    ) -> None:
        self.lr, self.trust, self.momentum = lr, trust, momentum
        self.weight_decay, self.all_roles = weight_decay, all_roles

    def sums(self) -> int:
        return 2

    def measure(
        self, value: Array, gradient: Array, context: UpdateContext, *slots: Array
    ) -> tuple[tuple[Array, Array], ...]:
        return (value, value), (gradient, gradient)

    def update(self, value: Array, gradient: Array, context: UpdateContext, *slots: Array) -> None:
        (velocity,) = slots
        rate = self.lr
        if self.all_roles or context.role == "weight":
            rate *= self._local_rate(*map(sqrt, context.sums))
            gradient += np.multiply(value, self.weight_decay, out=context.empty(len(value)))
        velocity *= self.momentum
        scale(gradient, rate)
        velocity += gradient
        value -= velocity

    def _local_rate(self, value: float, gradient: float) -> float:
        if not (value and gradient):
            return 1.0
        return self.trust * value / (gradient + self.weight_decay * value)


def scale(array: Array, factor: float) -> None:
    """Multiplies in place, also by what is beyond the array's dtype: an inverse of a tiny norm."""
    wide = factor > float(np.finfo(array.dtype).max)
    np.multiply(array, np.float64(factor) if wide else factor, out=array)
