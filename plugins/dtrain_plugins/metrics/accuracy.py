from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Context, Metric, Output, Target

from .targets import check_threshold, classes_of, is_threshold, sides


class Accuracy(Metric):
    """The share of samples whose greatest output is at their class.

    y: (rows, …, K). target: (rows, …), classes 0 … K−1; or (rows, …, K), distributions, one-hot rows among them,
    whose first greatest is the class. values: (rows,), 1 or 0; where a sample has several places, the mean over
    them. Of equal outputs the first counts. With a single output (K = 1), unless the loss takes it for the one
    class that there is, as `softmax_cross_entropy` does, y says class 1 above the threshold, and 0 elsewhere;
    target: class 1 where it is above ½, so that 0 and 1, −1 and 1, and probabilities will do. Several labels a
    sample are for `binary_accuracy`.

    threshold: of a single output; by default the loss's: ½ of `binary_cross_entropy` on probabilities and of
    losses of numbers, 0 of `binary_cross_entropy` on logits, `perceptron` and `hinge`. A `tanh` head with
    another loss and targets −1 and 1 needs 0.

    Raises ValueError for other targets, and for targets −1 and 1 with a threshold of ½ by default.
    """

    takes = ("class", "distribution", "labels")

    examples = [{}, {"input": (1,)}, {"threshold": 0.0, "input": (1,), "target": "signs"}]

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold

    def check(self, target: Target, output: Output) -> None:
        if is_threshold(self.loss, output.shape):
            target.read(("labels",), output)
            check_threshold(target, self.loss, self.threshold)
        else:
            target.read(("class", "distribution"), output)

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        if is_threshold(self.loss, y.shape[1:]):
            hits = sides(y, target, self.loss.threshold if self.threshold is None else self.threshold)
        else:
            hits = np.equal(y.argmax(-1), classes_of(y, target))
        return hits if hits.ndim == 1 else hits.reshape(len(y), prod(hits.shape[1:])).mean(axis=1)
