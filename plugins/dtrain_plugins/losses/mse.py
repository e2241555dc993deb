from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from dtrain import Array, Context, Loss


class Mse(Loss):
    """Mean squared error: a row's loss is the mean of (y − target)² over its outputs; no factor ½.

    y: (rows, …). target: numbers of the same shape, or (rows,) for a single output. values: (rows,).
    dy = 2·(y − target)/outputs, of y's shape.

    Gauss, "Theoria combinationis observationum erroribus minimis obnoxiae", 1823.
    """

    takes = ("number",)
    examples = [{"input": (3,), "target": "real"}]

    def forward(self, y: Array, target: Array, context: Context) -> tuple[Array, Callable[[], Array]]:
        outputs = prod(y.shape[1:])
        difference = np.subtract(y, target.reshape(y.shape), out=context.empty(y.shape, y.dtype))
        flat = difference.reshape(len(y), outputs)
        if y.dtype.kind == "c":
            values = np.einsum("ij,ij->i", flat, flat) / outputs  # no conjugates
        else:
            wide = flat  # float64: squares of float32 reach half as far
            if y.dtype != np.float64:
                wide = context.empty(flat.shape, np.dtype(np.float64))
                np.copyto(wide, flat)
            values = np.vecdot(wide, wide) / outputs

        def backward() -> Array:
            dy: Array = np.multiply(difference, y.dtype.type(2 / outputs), out=difference)
            return dy

        return values, backward
