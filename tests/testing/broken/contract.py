"""Typical slips of authors: what is returned, taken, named or waited for is not what the contract says."""

from __future__ import annotations

import numpy as np

from dtrain import (
    Activation,
    Callback,
    Dataset,
    GradientExchange,
    Initializer,
    Layer,
    Metric,
    Optimizer,
    Procedure,
    Regularizer,
    Schedule,
    Solver,
    Transform,
    ValueExchange,
)

from .right import Hits, Square, SteepestDescent, SumOfSquares
from .right_layers import Double, Shift
from .table import broken

_slip = "contract"


@broken("layers", _slip)
class BackwardForgotten(Layer):
    def forward(self, x, context):
        return 2 * x


@broken("activations", _slip)
class ReturnForgotten(Activation):
    def forward(self, x, context):
        y = 2 * x
        y, lambda dy: 2 * dy


@broken("layers", _slip)
class BackwardIsAnArray(Layer):
    def forward(self, x, context):
        return 2 * x, 2 * np.ones_like(x)


@broken("layers", _slip)
class BackwardTakesTwo(Layer):
    def forward(self, x, context):
        return 2 * x, lambda dy, context: 2 * dy


@broken("layers", _slip)
class BuildReturnsNothing(Shift):
    def build(self, shape, make):
        super().build(shape, make)


@broken("layers", _slip)
class GivesAList(Layer):
    def forward(self, x, context):
        return [2 * row for row in x], lambda dy: 2 * dy


@broken("layers", _slip)
class GivesTruths(Layer):
    def forward(self, x, context):
        return x > 0, lambda dy: np.zeros_like(dy)


@broken("layers", _slip)
class DropsRows(Layer):
    def forward(self, x, context):
        return x[:-1], lambda dy: np.vstack([dy, dy[:1]])


@broken("layers", _slip)
class ContextForgotten(Layer):
    def forward(self, x):
        return 2 * x, lambda dy: 2 * dy


@broken("layers", _slip)
class ParameterWithoutValue(Shift):
    def forward(self, x, context):
        return x + self.b, lambda dy: dy


@broken("layers", _slip)
class OneGradientOfTwo(Layer):
    examples = [{"input": [(3,), (3,)]}]

    def build(self, shape, make):
        return shape[0]

    def forward(self, x, context):
        return x[0] + x[1], lambda dy: dy


@broken("layers", _slip)
class GradientIsAnArray(Shift):
    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.b, dy.sum(axis=0))
            return dy

        return x + self.b.value, backward


@broken("layers", _slip)
class OutIsNotWritten(Shift):
    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.b, lambda rows, out: dy[rows].sum(axis=0))
            return dy

        return x + self.b.value, backward


class Base(Activation):
    def __init__(self) -> None:
        self.factor = 2


@broken("activations", _slip)
class SuperForgotten(Base):
    def __init__(self) -> None:
        self.other = 1

    def forward(self, x, context):
        return self.factor * x, lambda dy: self.factor * dy


@broken("activations", _slip)
class Yields(Double):
    def forward(self, x, context):
        yield super().forward(x, context)


@broken("losses", _slip)
class MeanOverRows(Square):
    def forward(self, y, target, context):
        d = y - target
        return np.mean(d * d), lambda: 2 * d / d.size


@broken("losses", _slip)
class NoSumOverPlaces(Square):
    def forward(self, y, target, context):
        d = y - target
        return d * d, lambda: 2 * d


@broken("losses", _slip)
class BackwardTakesDy(Square):
    def forward(self, y, target, context):
        d = y - target
        return (d * d).sum(axis=1), lambda dy: 2 * d * dy


@broken("metrics", _slip)
class MeanOfHits(Hits):
    def forward(self, y, target, context):
        return float(np.mean(y[:, 0] > 0))


@broken("metrics", _slip)
class ResultForgotten(Hits):
    def result(self, sums, count):
        sums[0] / count


@broken("metrics", _slip)
class ResultIsAnArray(Hits):
    def result(self, sums, count):
        return np.asarray(sums[0] / count)


@broken("metrics", _slip)
class Misspelt(Metric):
    """`result` is never asked for."""

    def forward(self, y, target, context):
        return y[:, 0] > 0

    def results(self, sums, count):
        return sums[0] ** 0.5


@broken("transforms", _slip)
class KeepsPositiveRows(Transform):
    def forward(self, x, y, context):
        return x[x[:, 0] > 0], y


@broken("transforms", _slip)
class YForgotten(Transform):
    def forward(self, x, y, context):
        return x + 1


@broken("initializers", _slip)
class GivesNested(Initializer):
    def __call__(self, shape, fans, random):
        return [0.0] * shape[0] if shape else 0.0


@broken("optimizers", _slip)
class SlotsAreAString(Optimizer):
    lr = 0.1
    slots = "m"

    def update(self, value, gradient, context, m):
        value -= self.lr * gradient


@broken("optimizers", _slip)
class SlotNotTaken(Optimizer):
    lr = 0.1
    slots = ("m",)

    def update(self, value, gradient, context):
        value -= self.lr * gradient


@broken("optimizers", _slip)
class SolvesNothing(Solver):
    lr = 1.0

    def solve(self, problem):
        SteepestDescent().solve(problem)


@broken("schedules", _slip)
class FactorForgotten(Schedule):
    def __call__(self, step, steps, epoch):
        min(1.0, step / steps)


@broken("schedules", _slip)
class StateForgotten(Schedule):
    def __call__(self, step, steps, epoch):
        return 1.0

    def state(self):
        pass


@broken("regularizers", _slip)
class GradientIsReturned(SumOfSquares):
    def gradient(self, value, out):
        return 2 * value


@broken("regularizers", _slip)
class PenaltyOfEach(Regularizer):
    def penalty(self, value):
        return value**2

    def gradient(self, value, out):
        out += 2 * value


@broken("datasets", _slip)
class ArraysAlone(Dataset):
    def __init__(self) -> None:
        self.train = np.ones((5, 2)), np.zeros(5)


@broken("datasets", _slip)
class NothingToTrainOn(Dataset):
    def __init__(self) -> None:
        self.rows = np.ones((5, 2))


class Lazy:
    shape, whole = (2,), True

    def rows(self, indices):
        return np.ones((len(indices), 2)), None


@broken("datasets", _slip)
class WithoutLength(Dataset):
    def __init__(self) -> None:
        self.train = Lazy()


@broken("callbacks", _slip)
class NeverCalled(Callback):
    def after_epochs(self, run):
        run.stop("enough")


@broken("callbacks", _slip)
class RunForgotten(Callback):
    def after_epoch(self):
        pass


@broken("procedures", _slip)
class NeverEnds(Procedure):
    def run(self, course):
        while True:
            course.take_step()


@broken("exchanges", _slip)
class FromForgotten(GradientExchange):
    def total(self, part):
        part.gradient[:] = np.add.reduce(part.gather(part.gradient), axis=0)
        yield from ()


@broken("exchanges", _slip)
class YieldFromForgotten(GradientExchange):
    def total(self, part):
        received = np.empty_like(part.gradient)
        part.swap([(1 - part.rank, part.gradient)], [(1 - part.rank, received)])
        part.gradient += received


@broken("exchanges", _slip)
class YieldsIt(ValueExchange):
    def meet(self, part):
        every = yield part.gather(part.value)
        part.value[:] = np.mean(every, axis=0)


@broken("exchanges", _slip)
class BucketIsNotKept(GradientExchange):
    examples = [{"bucket": 0.5}]

    def __init__(self, bucket: float = 1.0) -> None:
        pass

    def total(self, part):
        yield from part.exact()
