from __future__ import annotations

import numpy as np

from dtrain import Array, Regularizer

from ..ranges import NotNegative


class L1L2(Regularizer):
    """Penalty l1·Σ|w| + l2·Σw², gradient l1·sign(w) + 2·l2·w; the sign of 0 is 0.

    l1, l2: ≥ 0; otherwise a ValueError.

    Zou & Hastie, "Regularization and variable selection via the elastic net", 2005 (without their rescaling).
    """

    examples = [{}, {"l1": 0.1, "l2": 0.2}]

    def __init__(self, l1: NotNegative = 1e-4, l2: NotNegative = 1e-4) -> None:
        self.l1, self.l2 = l1, l2
        self.smooth = l1 == 0

    def penalty(self, value: Array) -> float:
        wide = value.astype(np.float64)  # squares of float32 reach half as far
        return self.l1 * float(np.abs(wide).sum()) + self.l2 * float(np.dot(wide, wide))

    def gradient(self, value: Array, out: Array) -> None:
        out += self.l1 * np.sign(value.real) + (2 * self.l2) * value
