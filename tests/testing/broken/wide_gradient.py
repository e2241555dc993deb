"""A gradient that is right near zero only."""

from __future__ import annotations

import numpy as np

from dtrain import Activation, Layer

from .right import Fourth, Square
from .right_layers import Double
from .table import broken


@broken("activations", "wide_gradient")
class WrongBelowMinusThree(Double):
    def forward(self, x, context):
        return super().forward(x, context)[0], lambda dy: np.where(x.real < -3, dy, 2 * dy)


@broken("activations", "wide_gradient")
class SlopeLostInSaturation(Activation):
    """tanh, whose slope is taken for 1 where it is 1e-8 and less."""

    def forward(self, x, context):
        y = np.tanh(x)
        return y, lambda dy: np.where(np.abs(x.real) < 9, dy * (1 - y * y), dy)


@broken("layers", "wide_gradient")
class ParameterOfLargeInputs(Layer):
    """A slope for negative numbers, whose gradient leaves those below −10 out."""

    def build(self, shape, make):
        self.a = make.parameter("a", shape, "ones", role="scale")
        return shape

    def forward(self, x, context):
        below = np.minimum(x.real, 0).astype(x.dtype)
        seen = np.where(x.real < -10, 0, below)

        def backward(dy):
            context.gradient(self.a, lambda rows, out: np.sum(seen[rows] * dy[rows], axis=0, out=out))
            return dy * np.where(x.real < 0, self.a.value, 1)

        return np.where(x.real < 0, x * self.a.value, x), backward


@broken("losses", "wide_gradient")
class ClippedSlope(Square):
    """A squared loss that is reported whole, with the slope of Huber's."""

    def forward(self, y, target, context):
        d = y - target
        return (d * d).sum(axis=1), lambda: 2 * np.clip(d.real, -10, 10)


@broken("regularizers", "wide_gradient")
class ForgetsLargeWeights(Fourth):
    def gradient(self, value, out):
        out += np.where(np.abs(value) < 5, 4 * value**3, 0)
