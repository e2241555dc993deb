from __future__ import annotations

import numpy as np

from dtrain import Array, Backward, Context, Layer, Span

from ..ranges import NotNegative


class ActivityRegularizer(Layer):
    """A penalty on activations, l1·Σ|x| + l2·Σx² for each row: y = x, dx = dy + l1·sign(x) + 2·l2·x.

    x: (rows, …) → y: the same array. The penalty is added to each row's own loss, so that the mean over the
    global batch is taken of both. It acts through its gradient alone: the loss that is reported does not
    contain it.

    l1, l2: ≥ 0, per row and unit, 0 by default (as in Keras's `ActivityRegularization`: at least one is wanted
    for an effect); otherwise a ValueError.

    Glorot, Bordes & Bengio, "Deep sparse rectifier neural networks", 2011 (l1, for sparse activations).
    """

    examples = [{}, {"l1": 0.01, "l2": 0.1}]

    def __init__(self, l1: NotNegative = 0.0, l2: NotNegative = 0.0) -> None:
        self.l1, self.l2 = l1, l2
        if l1 or l2:
            self.surrogate = "whose penalty is in no loss"

    def output_span(self, taken: Span | None) -> Span | None:
        return taken

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        def backward(dy: Array) -> Array:
            dx = np.multiply(x, 2 * self.l2, context.empty(x.shape, x.dtype))
            dx += dy
            sign = np.sign(x.real, context.empty(x.shape, x.real.dtype))
            sign *= self.l1
            return np.add(dx, sign, dx)

        return x, backward
