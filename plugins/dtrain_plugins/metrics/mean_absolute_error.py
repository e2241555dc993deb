from __future__ import annotations

import numpy as np

from dtrain import Array, Context

from .errors import ErrorMetric


class MeanAbsoluteError(ErrorMetric):
    """The mean of |y − target| over all outputs of all samples, in units of the target.

    y: (rows, …), taken as the loss's `predict` gives it: a rate, not its logarithm. target: numbers of
    the same shape, or (rows,) for a single output. values: (rows,).
    """

    examples = [{"input": (3,), "target": "real"}]
    higher_is_better = False

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        wrong = self.errors(y, target, context)
        return np.abs(wrong, wrong).mean(axis=1)
