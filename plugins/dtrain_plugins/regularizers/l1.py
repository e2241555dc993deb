from __future__ import annotations

import numpy as np

from dtrain import Array, Regularizer

from ..ranges import NotNegative


class L1(Regularizer):
    """Penalty weight·Σ|w|, gradient weight·sign(w), 0 at w = 0. weight: ≥ 0; otherwise a ValueError.

    It pulls small weights towards 0; a gradient step goes past it and back, so that they come near, not to, 0.
    Tibshirani, "Regression shrinkage and selection via the lasso", 1996.
    """

    examples = [{"weight": 0.1}]
    smooth = False

    def __init__(self, weight: NotNegative = 1e-4) -> None:
        self.weight = weight

    def penalty(self, value: Array) -> float:
        return self.weight * float(np.abs(value).sum(dtype=np.float64))

    def gradient(self, value: Array, out: Array) -> None:
        out += self.weight * np.sign(value.real)
