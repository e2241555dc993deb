"""A loss."""

from math import log, prod

import numpy as np

from dtrain import Loss


class LogCosh(Loss):
    """log cosh(y − target), the mean over a row's outputs: a parabola near zero, a line far from it.

    y: (rows, …). target: the same shape. dy = tanh(y − target)/outputs.
    """

    examples = [{"input": (3,), "target": "real"}]

    def check(self, target, shape):
        if target is None:
            raise ValueError("log_cosh needs a target for every sample; the data has none")
        if target.shape[1:] != shape:
            raise ValueError(f"the network gives {shape} a sample, but a target has shape {target.shape[1:]}")

    def forward(self, y, target, context):
        outputs = prod(y.shape[1:])
        far = y - target.astype(y.dtype)
        distance = np.abs(far)
        # cosh overflows; log cosh d = d − log 2 + log(1 + e^(−2d)) does not
        values = distance - y.dtype.type(log(2)) + np.log1p(np.exp(-2 * distance))

        def backward():
            return np.tanh(far) / outputs

        # A sum over one row's own outputs is no sum over rows.
        return values.reshape(len(y), outputs).mean(axis=1), backward
