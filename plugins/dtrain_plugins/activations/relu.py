from __future__ import annotations

import numpy as np

from dtrain import Activation, Array, Backward, Context, Span

_BOOL = np.dtype(np.bool_)


class Relu(Activation):
    """y = max(x, 0); the derivative at 0 is 0. x: (rows, …) → y: the same shape.

    Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
    """

    def output_span(self, taken: Span | None) -> Span | None:
        return (taken or Span()).rectified(lambda _: 0.0)

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        positive = context.empty(x.shape, x.dtype)  # 1 or 0: one product forward, one backward
        over = np.greater(x.real if x.dtype.kind == "c" else x, 0, context.empty(x.shape, _BOOL))
        np.copyto(positive, over)
        y = np.multiply(x, positive, context.empty(x.shape, x.dtype))

        def backward(dy: Array) -> Array:
            return np.multiply(dy, positive, context.empty(x.shape, x.dtype))

        return y, backward
