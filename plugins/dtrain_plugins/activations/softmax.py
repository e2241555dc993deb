from __future__ import annotations

import math

import numpy as np

from dtrain import Activation, Array, Backward, Context, Maker, Shape, Span


class Softmax(Activation):
    """y_k = e^(x_k)/Σ_j e^(x_j) over the last dimension; a function of the vector: dx = y·(dy − Σ_j dy_j·y_j).

    x: (rows, …, K) → y: the same shape, in [0, 1], sums 1; the greatest x is taken off first, so that nothing
    overflows. In front of a loss, `softmax_cross_entropy` on the logits is the precise way to do both.

    Raises ValueError for samples without a dimension.

    Bridle, "Probabilistic interpretation of feedforward classification network outputs", 1990.
    """

    def build(self, shape: Shape, make: Maker) -> Shape:
        if not shape:
            raise ValueError("softmax takes samples of at least one dimension, got ()")
        self.outputs = shape[-1]
        return shape

    def output_span(self, taken: Span | None) -> Span | None:
        spread = 700.0 if taken is None else min(taken.high - taken.low, 700.0)
        return Span(0, 1 / (1 + (self.outputs - 1) * math.exp(-spread)), distribution=True)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        with np.errstate(over="ignore"):  # e^(−∞) = 0 is right
            y = np.subtract(x, x.real.max(axis=-1, keepdims=True), context.empty(x.shape, x.dtype))
        np.exp(y, out=y)
        y /= np.einsum("...k->...", y)[..., None]

        def backward(dy: Array) -> Array:
            dx = np.subtract(
                dy, np.einsum("...k,...k->...", dy, y)[..., None], context.empty(dy.shape, dy.dtype)
            )
            dx *= y
            return dx

        return y, backward
