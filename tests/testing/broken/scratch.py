"""Right, but with new memory for every step."""

from __future__ import annotations

import numpy as np

from dtrain import Activation, Optimizer

from .right import Square
from .right_layers import Double
from .table import broken


@broken("layers", "scratch")
class Allocates(Activation):
    def forward(self, x, context):
        return x * 2, Double().forward(x, context)[1]


@broken("losses", "scratch")
class LossThatAllocates(Square):
    def forward(self, y, target, context):
        d = y - target
        return np.einsum("ij,ij->i", d, d), lambda: np.multiply(d, 2, out=d)


@broken("optimizers", "scratch")
class UpdateThatAllocates(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context, *slots):
        value -= self.lr * gradient
