from __future__ import annotations

import math

import numpy as np

from dtrain import Activation, Array, Backward, Context, Span


class Exp(Activation):
    """y = eˣ, dx = dy·y: the head of a Poisson regression. x: (rows, …) → y: the same shape, > 0.

    Above x = 88.7 in float32, 709.7 in float64, y is infinite, without a warning: the loss is not finite
    then, and the run says so. The `poisson` loss with `log_rates` needs no such head and goes further.
    """

    examples = [{"range": (-80.0, 80.0)}]

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).image(lambda x: math.exp(x) if x < 700 else math.inf)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        with np.errstate(over="ignore"):
            y = np.exp(x, context.empty(x.shape, x.dtype))

        def backward(dy: Array) -> Array:
            with np.errstate(over="ignore", invalid="ignore"):  # 0·∞
                return np.multiply(dy, y, context.empty(dy.shape, dy.dtype))

        return y, backward
