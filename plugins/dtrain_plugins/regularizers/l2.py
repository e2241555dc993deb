from __future__ import annotations

import numpy as np

from dtrain import Array, Regularizer

from ..ranges import NotNegative


class L2(Regularizer):
    """Penalty weight·Σw², gradient 2·weight·w (no factor ½). weight: ≥ 0; otherwise a ValueError.

    Added to the gradient, so that an adaptive optimizer scales it: not the same as decoupled weight decay.
    Hoerl & Kennard, "Ridge regression: biased estimation for nonorthogonal problems", 1970.
    """

    examples = [{"weight": 0.1}]

    def __init__(self, weight: NotNegative = 1e-4) -> None:
        self.weight = weight

    def penalty(self, value: Array) -> float:
        wide = value.astype(np.float64)  # squares of float32 reach half as far
        return self.weight * float(np.dot(wide, wide))

    def gradient(self, value: Array, out: Array) -> None:
        out += (2 * self.weight) * value
