"""A parameter's gradient that is forgotten, or scaled."""

from __future__ import annotations

import numpy as np

from dtrain import Layer

from .right_layers import Shift
from .table import broken


@broken("layers", "gradient_of_parameters")
class ParameterForgotten(Shift):
    def forward(self, x, context):
        y, _ = super().forward(x, context)
        return y, lambda dy: dy


@broken("layers", "gradient_of_parameters")
class ParameterHalf(Shift):
    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.b, lambda rows, out: np.multiply(0.5, dy[rows].sum(axis=0), out=out))
            return dy

        return x + self.b.value, backward


@broken("layers", "gradient_of_parameters")
class GainTakenForConstant(Layer):
    """y = x·a·|a|, whose gradient of a is that of one factor; complex steps see no more."""

    def build(self, shape, make):
        self.a = make.parameter("a", shape, "ones", role="scale")
        return shape

    def forward(self, x, context):
        a, size = self.a.value, np.abs(self.a.value.real)

        def backward(dy):
            context.gradient(self.a, lambda rows, out: np.sum((x * size)[rows] * dy[rows], axis=0, out=out))
            return dy * a * size

        return x * a * size, backward
