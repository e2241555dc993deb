from __future__ import annotations

from math import sqrt

import numpy as np

from dtrain import Array, Context

from .errors import ErrorMetric


class RootMeanSquaredError(ErrorMetric):
    """√ of the mean of (y − target)² over all outputs of all samples, in units of the target.

    y: (rows, …), taken as the loss's `predict` gives it: a rate, not its logarithm. target: numbers of
    the same shape, or (rows,) for a single output. values: (rows,), the mean square of each
    row; the root is taken once, of the mean over all.
    """

    examples = [{"input": (3,), "target": "real"}]
    higher_is_better = False

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        wrong = self.errors(y, target, context)
        return np.square(wrong, wrong).mean(axis=1)

    def result(self, sums: Array, count: int) -> float:
        return sqrt(sums[0] / count)
