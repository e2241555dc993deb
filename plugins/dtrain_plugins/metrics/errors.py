"""What the metrics of errors share."""

from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Context


def errors(y: Array, target: Array, context: Context) -> Array:
    """Returns y − target, (rows, outputs), float64; targets may be (rows,) for a single output."""
    difference = context.empty(y.shape, np.dtype(np.float64))
    np.subtract(y, target.reshape(y.shape), out=difference, dtype=np.float64)
    return difference.reshape(len(y), prod(y.shape[1:]))
