"""A dx, or a loss's dy, that is not the derivative."""

from __future__ import annotations

import numpy as np

from dtrain import Layer

from .right import Square
from .right_layers import Double
from .table import broken


@broken("layers", "gradient_of_input")
class FactorLost(Double):
    def forward(self, x, context):
        return super().forward(x, context)[0], lambda dy: dy * 1


@broken("layers", "gradient_of_input")
class FactorLostWithoutComplexNumbers(Layer):
    """np.abs loses the imaginary part; differences do not."""

    def forward(self, x, context):
        return np.abs(x), lambda dy: 1.001 * dy * np.sign(x)


@broken("losses", "gradient_of_input")
class NoFactorTwo(Square):
    def forward(self, y, target, context):
        d = y - target
        return (d * d).sum(axis=1), lambda: d
