"""A dx, or a loss's dy, that is not the derivative."""

from __future__ import annotations

import numpy as np

from dtrain import Activation, Layer

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


@broken("activations", "gradient_of_input")
class SquaredByItsRealPart(Activation):
    """y = x·|x|, half of whose slope complex steps do not see, and backward gives the other half."""

    def forward(self, x, context):
        size = np.abs(x.real)
        return x * size, lambda dy: dy * size


@broken("layers", "gradient_of_input")
class ScaleTakenForConstant(Layer):
    """y = x/rms(x), as if the root mean square did not depend on x."""

    def forward(self, x, context):
        rms = np.sqrt(np.mean(x.real**2, axis=1, keepdims=True) + 1e-6)
        return x / rms, lambda dy: dy / rms


@broken("losses", "gradient_of_input")
class HalfOfASquare(Square):
    """d·d, in which one d is taken for constant."""

    def forward(self, y, target, context):
        d = y - target
        return (d * d.real).sum(axis=1), lambda: d.real.astype(y.dtype)


@broken("layers", "gradient_of_input")
class SlightlyOff(Double):
    """By less than differences see: complex steps do."""

    def forward(self, x, context):
        return super().forward(x, context)[0], lambda dy: dy * (2 * (1 + 1e-9))


class StopsItsGradient(ScaleTakenForConstant):
    """Right, for it says so."""

    surrogate = "whose scale is taken for constant"
