from __future__ import annotations

import math

import numpy as np

from dtrain import Activation, Array, Backward, Context, Span

from .hyperbolic import tanh


class Sigmoid(Activation):
    """y = 1/(1 + e^(−x)), computed as (1 + tanh(x/2))/2, which cannot overflow; dx = dy·y·(1 − y).

    x: (rows, …) → y: the same shape, in [0, 1], as precise as numbers near 1 are: of a y near 0 the last
    digits are rounding.
    """

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).image(lambda x: 0.5 + 0.5 * math.tanh(0.5 * x))

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y = np.multiply(x, 0.5, out=context.empty(x.shape, x.dtype))
        tanh(y, y)
        y += 1
        y *= 0.5

        def backward(dy: Array) -> Array:
            dx = np.subtract(1, y, out=context.empty(x.shape, x.dtype))
            dx *= y
            return np.multiply(dy, dx, out=dx)

        return y, backward
