"""A loss."""

from math import log, prod

import numpy as np

from dtrain import Loss


class LogCosh(Loss):
    """log cosh(y − target), the mean over a row's outputs: a parabola near zero, a line far from it.

    y: (rows, …). target: the same shape, or (rows,) for a single output. dy = tanh(y − target)/outputs.
    """

    takes = ("number",)
    examples = [{"input": (3,), "target": "real"}]

    def forward(self, y, target, context):
        outputs = prod(y.shape[1:])
        far = y - target.reshape(y.shape).astype(y.dtype)
        distance = np.abs(far)
        # cosh overflows; log cosh d = d − log 2 + log(1 + e^(−2d)) does not
        values = distance - y.dtype.type(log(2)) + np.log1p(np.exp(-2 * distance))

        def backward():
            return np.tanh(far) / outputs

        # A sum over one row's own outputs is no sum over rows.
        return values.reshape(len(y), outputs).mean(axis=1), backward
