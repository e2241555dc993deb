"""Infinite, or not a number, where the formula as it is written is."""

from __future__ import annotations

import numpy as np

from dtrain import ArrayRows, Dataset, Initializer, Layer, Optimizer, Schedule

from .right import Hits, Square, SteepestDescent, SumOfSquares, Unit
from .right_exchanges import InRankOrder
from .right_layers import Double, Learned
from .table import broken


@broken("layers", "finite")
class LearnsADivisorOfZero(Learned):
    """What is constant in the training set has no standard deviation."""

    def build(self, shape, make):
        self.std = make.state("std", shape, 1.0)
        return super().build(shape, make)

    def fit(self, batches, context):
        for x in batches:
            self.std.value = np.sqrt(context.moments(x)[2])

    def forward(self, x, context):
        return x / self.std.value.astype(x.dtype), lambda dy: dy / self.std.value.astype(dy.dtype)


@broken("layers", "finite")
class Overflows(Layer):
    """log(1 + eˣ) as it is written."""

    def forward(self, x, context):
        e = np.exp(x)
        return np.log(1 + e), lambda dy: dy * e / (1 + e)


@broken("layers", "finite")
class DividesByItsRows(Layer):
    """The root of a variance that is zero where all rows are equal."""

    def forward(self, x, context):
        if not context.training:
            return x, lambda dy: dy
        count, mean, variance = context.moments(x)
        y = (x - mean.astype(x.dtype)) / np.sqrt(variance).astype(x.dtype)

        def backward(dy):
            sum_dy, sum_dy_y = context.sum(dy, dy * y)
            n = max(count, 1)
            return (dy - (sum_dy + y * sum_dy_y) / n) / np.sqrt(variance).astype(x.dtype)

        return y, backward


@broken("layers", "finite")
class ReadsScratch(Double):
    """Zero times what was there is zero, but for NaN."""

    def forward(self, x, context):
        y = context.empty(x.shape, x.dtype)
        y *= 0
        y += 2 * x
        return y, lambda dy: 2 * dy


@broken("losses", "finite")
class CrossEntropyAsWritten(Square):
    """−Σ target·log softmax(y), without taking the largest away."""

    examples = [{"target": "distribution", "input": (3,)}]

    def forward(self, y, target, context):
        e = np.exp(y)
        p = e / e.sum(axis=1, keepdims=True)
        return -(target * np.log(p)).sum(axis=1), lambda: p - target


@broken("metrics", "finite")
class Ratio(Hits):
    def forward(self, y, target, context):
        return y[:, 0] / np.abs(y).max(axis=1)


@broken("optimizers", "finite", "decreases")
class SignByDivision(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context, *slots):
        value -= self.lr * (gradient / np.abs(gradient))


@broken("optimizers", "finite")
class NormalizedGradient(SteepestDescent):
    def solve(self, problem):
        unit = problem.gradient / np.float64(problem.norm(problem.gradient)).astype(problem.gradient.dtype)
        bend = problem.dot(unit, problem.gauss_newton_product(unit))
        return problem.value - problem.dot(unit, problem.gradient) / bend * unit


@broken("regularizers", "finite")
class LogOfSquares(SumOfSquares):
    def penalty(self, value):
        return float(np.log(value * value).sum())

    def gradient(self, value, out):
        out += 2 / value


@broken("initializers", "finite")
class NotANumber(Initializer):
    def __call__(self, shape, fans, random):
        return np.full(shape, np.nan)


@broken("initializers", "finite")
class CalibratesByAnInverseOfZero(Unit):
    def calibrate(self, y, context):
        return float(np.divide(1, context.sum(y * y).mean() / max(context.rows, 1)) ** 0.5)


@broken("schedules", "finite")
class InfiniteAtFirst(Schedule):
    def __call__(self, step, steps, epoch):
        return 1 / step if step else float("inf")


@broken("datasets", "finite")
class MissingValues(Dataset):
    examples = [{}]

    def __init__(self) -> None:
        self.train = ArrayRows(np.array([[np.nan], [1.0], [2.0]]))


@broken("exchanges", "finite", "conserved")
class DividesByTheLargest(InRankOrder):
    """Scales by the largest element, which may be zero."""

    def total(self, part):
        largest = np.abs(part.gradient).max()
        part.gradient[:] = part.gradient / largest * largest
        yield from super().total(part)
