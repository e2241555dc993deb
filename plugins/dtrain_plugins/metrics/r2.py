from __future__ import annotations

import numpy as np

from dtrain import Array, Context

from .errors import ErrorMetric


class R2(ErrorMetric):
    """The coefficient of determination, 1 − Σ(y − t)²/Σ(t − t̄)², the mean over the outputs.

    y: (rows, …), k outputs, taken as the loss's `predict` gives them: rates, not logarithms. target: numbers t
    of the same shape, or (rows,) for a single output; t̄ is the mean over all samples. values: (rows, 3·k): d, d²
    and (y − t)², d = t − c, c the metric's `reference`. 1 is perfect, 0 as good as t̄, below 0 worse.
    Of an output whose targets are all equal it is 1 when y is right everywhere, else 0. The sums are float64, and
    cancel by at most the number of samples, as c is a target: nothing is lost however far t̄ is from 0.

    Wright, "Correlation and causation", 1921.
    """

    examples = [{"input": (3,), "target": "real"}]

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        wrong = self.errors(y, target, context)
        rows, outputs = wrong.shape
        values = context.empty((rows, 3, outputs), wrong.dtype)
        d, squares, errors_squared = values[:, 0], values[:, 1], values[:, 2]
        np.subtract(target.reshape(wrong.shape), np.ravel(self.reference), out=d, dtype=np.float64)
        np.square(d, squares)
        np.square(wrong, errors_squared)
        return values.reshape(rows, 3 * outputs)

    def result(self, sums: Array, count: int) -> float:
        d, squares, wrong = sums.reshape(3, -1)
        total = squares - d * d / count
        constant = total <= count * np.finfo(np.float64).eps * squares  # but for the rounding of the sums
        share = np.where(constant, wrong > 0, wrong / np.where(constant, 1, total))
        return float(np.mean(1 - share))
