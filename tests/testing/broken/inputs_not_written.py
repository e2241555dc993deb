"""Writes to what it was only lent."""

from __future__ import annotations

from dtrain import Layer

from .right import Hits, Line, Noise, Square, SteepestDescent, SumOfSquares
from .right_layers import Double, Shift
from .table import broken


@broken("layers", "inputs_not_written")
class InPlace(Layer):
    def forward(self, x, context):
        x *= 2
        return x, lambda dy: 2 * dy


@broken("layers", "inputs_not_written")
class WritesUpstreamGradient(Double):
    def forward(self, x, context):
        y, _ = super().forward(x, context)

        def backward(dy):
            dy *= 2
            return dy

        return y, backward


@broken("layers", "inputs_not_written")
class ClipsItsWeights(Shift):
    """A parameter changed in forward."""

    def forward(self, x, context):
        b = self.b.value
        b[...] = b * 1
        return super().forward(x, context)


@broken("losses", "inputs_not_written")
class WritesY(Square):
    def forward(self, y, target, context):
        y -= target
        return (y * y).sum(axis=1), lambda: 2 * y


@broken("metrics", "inputs_not_written")
class SortsTheOutputs(Hits):
    def forward(self, y, target, context):
        y.sort(axis=1)
        return y[:, -1] > 0


@broken("optimizers", "inputs_not_written", "same_bits", "state")
class WritesTheGradient(SteepestDescent):
    def solve(self, problem):
        value = super().solve(problem)
        problem.gradient *= 0
        return value


@broken("regularizers", "inputs_not_written")
class WritesTheWeights(SumOfSquares):
    def penalty(self, value):
        value *= 1
        return super().penalty(value)


@broken("datasets", "inputs_not_written")
class WritesTheIndices(Line):
    def __init__(self) -> None:
        super().__init__()
        rows = self.train.rows

        def counted(indices):
            if len(indices) == 4:
                indices += 0
            return rows(indices)

        self.train.rows = counted


@broken("transforms", "inputs_not_written")
class AddsInPlace(Noise):
    def forward(self, x, y, context):
        x += context.normal(x.shape, x.dtype)
        return x, y
