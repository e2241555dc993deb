"""A parameter's gradient that is forgotten, or scaled."""

from __future__ import annotations

import numpy as np

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
