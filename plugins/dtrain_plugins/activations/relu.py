from __future__ import annotations

import numpy as np

from dtrain import Activation, Array, Backward, Context


class Relu(Activation):
    """y = max(x, 0); the derivative at 0 is 0. x: (rows, …) → y: the same shape.

    Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", 2010.
    """

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        positive = context.empty(x.shape, x.dtype)  # 1 or 0: one product forward, one backward
        np.copyto(positive, np.greater(x.real, 0, out=context.empty(x.shape, np.bool_)))
        y = np.multiply(x, positive, out=context.empty(x.shape, x.dtype))

        def backward(dy: Array) -> Array:
            return np.multiply(dy, positive, out=context.empty(x.shape, x.dtype))

        return y, backward
