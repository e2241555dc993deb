from __future__ import annotations

import numpy as np

from dtrain import Array, Context, Metric

from .errors import errors


class R2(Metric):
    """The coefficient of determination, 1 − Σ(y − t)²/Σ(t − t̄)², the mean over the outputs.

    y: (rows, …), k outputs, taken as the loss's `predict` gives them: rates, not logarithms. target: numbers t
    of the same shape, or (rows,) for a single output; t̄ is the mean over all samples. values: (rows, 3·k): t, t²
    and (y − t)². 1 is perfect, 0 as good as t̄, below 0 worse.
    Of an output whose targets are all equal it is 1 when y is right everywhere, else 0. The sums are float64:
    targets whose mean is 10⁵ times their spread leave six digits.

    Wright, "Correlation and causation", 1921.
    """

    examples = [{"input": (3,), "target": "real"}]

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        wrong = errors(self.loss.predict(y), target, context)
        rows, outputs = wrong.shape
        values = context.empty((rows, 3, outputs), wrong.dtype)
        t, squares, errors_squared = values[:, 0], values[:, 1], values[:, 2]
        np.copyto(t, target.reshape(wrong.shape))
        np.square(t, squares)
        np.square(wrong, errors_squared)
        return values.reshape(rows, 3 * outputs)

    def result(self, sums: Array, count: int) -> float:
        t, squares, wrong = sums.reshape(3, -1)
        total = squares - t * t / count
        constant = total <= 1e-13 * squares  # but for the rounding of the sums
        share = np.where(constant, wrong > 0, wrong / np.where(constant, 1, total))
        return float(np.mean(1 - share))
