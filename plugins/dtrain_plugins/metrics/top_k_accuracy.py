from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Context, Metric, Output, Target

from ..ranges import Count
from .targets import classes_of, is_threshold


class TopKAccuracy(Metric):
    """The share of samples whose class is among those of the k greatest outputs.

    y: (rows, …, K). target: (rows, …), classes 0 … K−1; or (rows, …, K), distributions, one-hot rows among them,
    whose first greatest is the class. values: (rows,), 1 or 0; where a sample has several places, the mean over
    them. Of equal outputs the first counts more, as in `accuracy`, which is k = 1.

    k: ≥ 1; otherwise a ValueError. With k ≥ K every sample counts 1. Raises ValueError for other targets, and for a
    single output that is a question of two classes.
    """

    takes = ("class", "distribution")

    examples = [{}, {"k": 2}, {"k": 2, "target": "distribution"}]

    def __init__(self, k: Count = 5) -> None:
        self.k = k

    def check(self, target: Target, output: Output) -> None:
        if is_threshold(self.loss, output.shape):
            raise ValueError(
                "expected one output a class, got a single one, a question of two classes; take the metric accuracy"
            )

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        target = classes_of(y, target).astype(np.int64, copy=False)
        index = target[..., None]
        own = np.take_along_axis(y, index, axis=-1)
        # "Not below" instead of "above": what is not a number stands in front of everything.
        ahead = np.where(np.arange(y.shape[-1]) < index, ~(y < own), ~(y <= own))
        hits = ahead.sum(axis=-1) < self.k
        return hits.reshape(len(y), prod(target.shape[1:])).mean(axis=1)
