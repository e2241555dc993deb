from __future__ import annotations

import numpy as np

from dtrain import Array, Context, Metric


class Accuracy(Metric):
    """The share of samples whose greatest output is at their class.

    y: (rows, …, K). target: (rows, …), classes 0 … K−1. values: (rows,), 1 or 0; where a sample has several
    places, the mean over them. Of equal outputs the first counts. With a single output (K = 1) the class is 1
    where y > 0, the threshold of a logit, and 0 elsewhere.
    """

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        classes = y.argmax(-1) if y.shape[-1] > 1 else (y[..., 0] > 0)
        hits: Array = np.equal(classes.reshape(target.shape), target)
        return hits if hits.ndim == 1 else hits.mean(axis=tuple(range(1, hits.ndim)))
