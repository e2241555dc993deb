"""A regularizer's gradient that is not its penalty's, or takes the place of what was there."""

from __future__ import annotations

import numpy as np

from .right import SumOfSquares
from .table import broken


@broken("regularizers", "gradient_of_penalty")
class PenaltyWithoutFactor(SumOfSquares):
    def gradient(self, value, out):
        out += value


@broken("regularizers", "gradient_of_penalty")
class OverwritesTheGradient(SumOfSquares):
    def gradient(self, value, out):
        np.multiply(value, 2, out=out)
