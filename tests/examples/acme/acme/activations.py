"""An activation."""

import numpy as np

from dtrain import Activation, Span


class Swish(Activation):
    """y = x·σ(x), σ the logistic function. x: (rows, …) → y: the same shape.

    Ramachandran, Zoph & Le, "Searching for activation functions", 2017, with β = 1.
    """

    span = Span(low=-0.28)

    def forward(self, x, context):
        gate = 0.5 + 0.5 * np.tanh(0.5 * x)  # σ(x), which cannot overflow
        y = gate * x

        def backward(dy):
            return dy * (gate + y * (1 - gate))

        return y, backward
