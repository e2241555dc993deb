from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Context, Metric


class Accuracy(Metric):
    """The share of samples whose greatest output is at their class.

    y: (rows, …, K). target: (rows, …), classes. Where a sample has several places, the mean over them. With a
    single output (K = 1) the class is 1 where y > 0, a logit's threshold.
    """

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        classes = y.argmax(-1) if y.shape[-1] > 1 else (y[..., 0] > 0)
        hits = np.equal(classes if classes.shape == target.shape else classes.reshape(target.shape), target)
        return hits if hits.ndim == 1 else hits.reshape(len(hits), prod(hits.shape[1:])).mean(axis=1)
