from __future__ import annotations

import math

import numpy as np

from dtrain import Activation, Array, Backward, Context, Span

from .hyperbolic import tanh


class Tanh(Activation):
    """y = tanh(x), dx = dy·(1 − y²). x: (rows, …) → y: the same shape, in (−1, 1)."""

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).image(math.tanh)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        y = tanh(x, context.empty(x.shape, x.dtype))

        def backward(dy: Array) -> Array:
            dx = np.multiply(y, y, out=context.empty(x.shape, x.dtype))
            np.subtract(1, dx, out=dx)
            return np.multiply(dy, dx, out=dx)

        return y, backward
