from __future__ import annotations

from math import prod

from dtrain import Array, Context, Metric, Output, Target

from .targets import check_threshold, sides


class BinaryAccuracy(Metric):
    """The share of outputs on the right side of a threshold, each a question of two classes.

    y: (rows, …). target: the same shape, or (rows,) for a single output; class 1 where it is above ½, so that
    0 and 1, −1 and 1, and probabilities will do. values: (rows,), the mean over a row's outputs.

    threshold: an output above it says class 1; by default the loss's: ½ of `binary_cross_entropy` on
    probabilities and of losses of numbers, 0 of `binary_cross_entropy` on logits, `perceptron` and `hinge`.

    Raises ValueError for other targets, for a loss whose outputs are one a class, such as `softmax_cross_entropy`,
    and for targets −1 and 1 with a threshold of ½ by default.
    """

    takes = ("labels",)

    examples = [{"target": "binary"}, {"threshold": 0.0, "target": "binary"}]

    def __init__(self, threshold: float | None = None) -> None:
        self.threshold = threshold

    def check(self, target: Target, output: Output) -> None:
        if self.loss.answers == "class":
            raise ValueError(
                "expected a loss whose outputs are a question of two classes each, got one with an output a class; "
                "take the metric accuracy"
            )
        check_threshold(target, self.loss, self.threshold)

    def forward(self, y: Array, target: Array, context: Context) -> Array:
        hits = sides(y, target, self.loss.threshold if self.threshold is None else self.threshold)
        return hits.reshape(len(y), prod(y.shape[1:])).mean(axis=1)
