"""What the metrics of errors share."""

from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Context, Metric, Output, Target

from .targets import of_shape


class ErrorMetric(Metric):
    """A metric of y − target, y as the loss's `predict` gives it.

    For a loss of classes the errors are those of probabilities, and the targets distributions. Raises ValueError for
    other targets, and for a loss of scores, which are not on the scale of any target.
    """

    takes = ("number", "distribution")

    def check(self, target: Target, output: Output) -> None:
        if self.loss.expects == "scores":
            raise ValueError(
                "expected a loss whose predictions are on the scale of the target, got one of scores; "
                "take the metric accuracy"
            )
        target.read(("distribution",) if self.loss.answers == "class" else ("number",), output)

    def errors(self, y: Array, target: Array, context: Context) -> Array:
        """Return y − target, (rows, outputs), float64; targets may be (rows,) for a single output."""
        y = self.loss.predict(y)
        difference = context.empty(y.shape, np.dtype(np.float64))
        np.subtract(y, of_shape(target, y), out=difference, dtype=np.float64)
        return difference.reshape(len(y), prod(y.shape[1:]))
