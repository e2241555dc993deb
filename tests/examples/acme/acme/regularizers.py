"""A regularizer."""

import numpy as np

from dtrain import Regularizer


class LogSquare(Regularizer):
    """Penalty weight·Σ log(1 + w²): hardly more for a large weight than for a middling one. weight: ≥ 0."""

    examples = [{}, {"weight": 0.5}]

    def __init__(self, weight: float = 1e-4):
        if weight < 0:
            raise ValueError(f"weight must be at least 0, got {weight}")
        self.weight = weight

    def penalty(self, value):
        return self.weight * float(np.log1p(value * value).sum())

    def gradient(self, value, out):
        out += 2 * self.weight * value / (1 + value * value)
