"""What adds, averages or scales over its own rows, shard or slice, as if there were no other."""

from __future__ import annotations

import numpy as np

from dtrain import Layer, Optimizer

from .right import Asks, Hits, Line, Noise, Shrinks, Square, SteepestDescent, SumOfSquares
from .right_layers import Learned, Shift
from .table import broken


@broken("layers", "split", "same_bits")
class BareMean(Layer):
    """The mean of this rank's rows only."""

    def forward(self, x, context):
        if not context.training:
            return x, lambda dy: dy
        n = max(len(x), 1)
        return x - x.sum(axis=0) / n, lambda dy: dy - dy.sum(axis=0) / n


@broken("layers", "split", "same_bits")
class SumOfAllRowsForEachShard(Shift):
    """`rows` is not used: every shard adds the gradient of all of this rank's rows."""

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.b, lambda rows, out: np.sum(dy, axis=0, out=out))
            return dy

        return x + self.b.value, backward


@broken("layers", "split", "same_bits")
class BareProductAsTotal(Layer):
    """x.T @ dy over this rank's rows, called a total of all rows."""

    def build(self, shape, make):
        self.w = make.parameter("w", (shape[0], 3), "glorot_uniform")
        return (3,)

    def forward(self, x, context):
        def backward(dy):
            context.gradient_total(self.w, x.T @ dy)
            return context.matmul(dy, self.w.value.T)

        return context.matmul(x, self.w.value), backward


@broken("layers", "split", "same_bits", "state")
class StaysAwayWithoutRows(Layer):
    """A rank without rows skips the collective: the others wait, under MPI for ever."""

    def forward(self, x, context):
        if not context.training or not len(x):
            return x, lambda dy: dy
        n = context.rows
        return x - context.sum(x) / n, lambda dy: dy - context.sum(dy) / n


@broken("layers", "split")
class MeanOfEachShard(Layer):
    """A mean within each shard: the same on any ranks, but not that of the batch."""

    def forward(self, x, context):
        if not context.training:
            return x, lambda dy: dy
        return self.centred(x, context), lambda dy: self.centred(dy, context)

    def centred(self, x, context):
        y = x.copy()
        for rows in context.shards:
            y[rows] -= x[rows].sum(axis=0) / max(len(x[rows]), 1)
        return y


@broken("layers", "split", "same_bits", "state")
class LearnsFromItsOwnRows(Learned):
    """Every rank learns something else."""

    def total(self, x, context):
        return x.sum(axis=0)


@broken("losses", "split", "same_bits")
class DividesByTheRankSRows(Square):
    """The mean of means."""

    def forward(self, y, target, context):
        d, n = y - target, y.dtype.type(max(len(y), 1))
        return (d * d).sum(axis=1) / n, lambda: 2 * d / n


@broken("metrics", "split", "same_bits")
class CountsItsRows(Hits):
    def forward(self, y, target, context):
        return np.full(len(y), float(len(y)))


@broken("optimizers", "split", "same_bits")
class NormOfTheSlice(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context, *slots):
        value -= self.lr * gradient / (1 + np.linalg.norm(gradient))


@broken("optimizers", "split", "same_bits")
class MeasuresTheSlice(Asks):
    """The sum of what it divides by its slice's own norm."""

    def measure(self, value, gradient, context, *slots):
        gradient /= 1 + np.linalg.norm(gradient)
        return ((gradient, gradient),)


@broken("optimizers", "split", "same_bits")
class StepByTheSlice(SteepestDescent):
    """The longest step is measured on this rank's slice."""

    def solve(self, problem):
        step = super().solve(problem) - problem.value
        return problem.value + step / (1 + 1e-3 * np.linalg.norm(step))


@broken("regularizers", "split", "same_bits")
class ShrinksToTheNorm(Shrinks):
    def decay(self, value, lr):
        value /= 1 + lr * np.linalg.norm(value)


@broken("regularizers", "split")
class ConstantPerPiece(SumOfSquares):
    def penalty(self, value):
        return 1 + super().penalty(value)


@broken("datasets", "split")
class SortsTheIndices(Line):
    def __init__(self) -> None:
        super().__init__()
        rows = self.train.rows
        self.train.rows = lambda indices: rows(np.sort(indices))


@broken("transforms", "split", "same_bits")
class CentresItsRows(Noise):
    def forward(self, x, y, context):
        return x - x.sum(axis=0) / max(len(x), 1), y
