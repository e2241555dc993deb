"""Parts that are wrong on purpose, each in one way, and which checks must say so: BROKEN and nothing else.

`np.random` and the like are what is forbidden; here they are used.
"""

from __future__ import annotations

import time

import numpy as np
from numpy.random import default_rng, rand

from dtrain import (
    Activation,
    ArrayRows,
    Callback,
    Dataset,
    Initializer,
    Layer,
    Loss,
    Metric,
    Optimizer,
    Procedure,
    Regularizer,
    Schedule,
    Solver,
    Transform,
)

BROKEN: list[tuple[str, type, set[str]]] = []
"""(kind, class, ids of the checks that must fail)."""


def broken(kind, *ids):
    def note(part):
        BROKEN.append((kind, part, set(ids)))
        return part

    return note


class Double(Activation):
    """y = 2x: right, and what the broken ones are made from."""

    def forward(self, x, context):
        y = np.multiply(x, 2, out=context.empty(x.shape, x.dtype))
        return y, lambda dy: np.multiply(dy, 2, out=context.empty(dy.shape, dy.dtype))


class Shift(Layer):
    """y = x + b: right, with a parameter."""

    def build(self, shape, make):
        self.b = make.parameter("b", shape, "zeros", role="bias")
        return shape

    def forward(self, x, context):
        y = np.add(x, self.b.value, out=context.empty(x.shape, x.dtype))

        def backward(dy):
            context.gradient(self.b, lambda rows, out: np.sum(dy[rows], axis=0, out=out))
            return dy

        return y, backward


# ---------------------------------------------------------------------- layers: what crosses rows


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


@broken("layers", "same_bits")
class OwnRowsFirst(Layer):
    """Adds this rank's rows up, and hands one total to context.sum: right but for rounding."""

    def forward(self, x, context):
        if not context.training:
            return x, lambda dy: dy
        return x - self.mean(x, context), lambda dy: dy - self.mean(dy, context)

    def mean(self, x, context):
        one = np.zeros_like(x)
        if len(x):
            one[0] = x.sum(axis=0)
        return context.sum(one) / max(context.rows, 1)


@broken("layers", "same_bits")
class BareProduct(BareProductAsTotal):
    """Right but for rounding: the bits of a row change with the number of rows in the product."""

    examples = [{"input": (64,)}]

    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.w, lambda rows, out: np.matmul(x[rows].T, dy[rows], out=out))
            return dy @ self.w.value.T

        return x @ self.w.value, backward


# ---------------------------------------------------------------------- layers: what they learn in a fit


class Learned(Layer):
    """y = x − μ, μ the mean over the training set: right."""

    fits = "start"

    def build(self, shape, make):
        self.mean = make.state("mean", shape)
        return shape

    def fit(self, batches, context):
        total, count = np.zeros(self.mean.value.shape), 0
        for x in batches:
            total = total + self.total(x.astype(np.float64), context)
            count += context.rows
        self.mean.value = total / count

    def total(self, x, context):
        return context.sum(x)

    def forward(self, x, context):
        mean = self.mean.value.astype(x.dtype)
        return np.subtract(x, mean, out=context.empty(x.shape, x.dtype)), lambda dy: dy


class LearnedAtTheEnd(Learned):
    """Right, too."""

    fits = "end"


@broken("layers", "split", "same_bits", "state")
class LearnsFromItsOwnRows(Learned):
    """Every rank learns something else."""

    def total(self, x, context):
        return x.sum(axis=0)


@broken("layers", "same_bits")
class LearnsFromItsOwnRowsFirst(Learned):
    """Adds this rank's rows up, and hands one total to context.sum: right but for rounding."""

    def total(self, x, context):
        one = np.zeros_like(x)
        if len(x):
            one[0] = x.sum(axis=0)
        return context.sum(one)


@broken("layers", "state")
class LearnsIntoAnAttribute(Learned):
    """A run that is resumed does not fit again, and knows nothing of it."""

    learned = 0.0

    def fit(self, batches, context):
        super().fit(batches, context)
        self.learned, self.mean.value = self.mean.value, np.zeros_like(self.mean.value)

    def forward(self, x, context):
        return x - np.asarray(self.learned, x.dtype), lambda dy: dy


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


@broken("layers", "repeatable")
class LearnsFromAGeneratorOfItsOwn(Learned):
    def fit(self, batches, context):
        self.mean.value = default_rng(0).random(self.mean.value.shape)


# ---------------------------------------------------------------------- layers: gradients


@broken("layers", "gradient_of_input")
class FactorLost(Double):
    def forward(self, x, context):
        return super().forward(x, context)[0], lambda dy: dy * 1


@broken("layers", "gradient_of_input")
class FactorLostWithoutComplexNumbers(Layer):
    """np.abs loses the imaginary part; differences do not."""

    def forward(self, x, context):
        return np.abs(x), lambda dy: 1.001 * dy * np.sign(x)


@broken("layers", "gradient_of_parameters")
class ParameterForgotten(Shift):
    def forward(self, x, context):
        y, _ = super().forward(x, context)
        return y, lambda dy: dy


@broken("layers", "gradient_of_parameters")
class ParameterHalf(Shift):
    def forward(self, x, context):
        def backward(dy):
            context.gradient(self.b, lambda rows, out: np.multiply(0.5, dy[rows].sum(axis=0), out=out))
            return dy

        return x + self.b.value, backward


# ---------------------------------------------------------------------- layers: randomness


@broken("layers", "global_random")
class SeedsEverybody(Double):
    def __init__(self) -> None:
        np.random.seed(0)


@broken("layers", "global_random")
class DrawsByAnotherName(Double):
    """From the global state, under a name that was imported before anybody looked."""

    def forward(self, x, context):
        rand()
        return super().forward(x, context)


@broken("layers", "repeatable")
class GeneratorByAnotherName(Layer):
    def forward(self, x, context):
        scale = default_rng(0).random(x.shape[1:]).astype(x.real.dtype)
        return x * scale, lambda dy: dy * scale


@broken("layers", "repeatable")
class GeneratorOfItsOwn(Layer):
    def forward(self, x, context):
        scale = np.random.default_rng(0).random(x.shape[1:]).astype(x.real.dtype)
        return x * scale, lambda dy: dy * scale


@broken("layers", "sampling")
class DrawsInTrainingOnly(Layer):
    """Monte-Carlo dropout would leave it out."""

    def forward(self, x, context):
        if not context.training:
            return x, lambda dy: dy
        mask = context.bernoulli(x.shape, 0.5).astype(x.dtype)
        return x * mask, lambda dy: dy * mask


# ---------------------------------------------------------------------- layers: arrays


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


@broken("layers", "dtype")
class Float64(Double):
    def forward(self, x, context):
        two = np.full(1, 2.0)
        return x * two, lambda dy: dy * 2


@broken("layers", "dtype")
class Float64Gradient(Double):
    def forward(self, x, context):
        y, _ = super().forward(x, context)
        return y, lambda dy: dy * np.float64(2)


@broken("layers", "contiguous")
class Fortran(Double):
    def forward(self, x, context):
        y, _ = super().forward(x, context)
        return y, lambda dy: np.asfortranarray(dy * 2)


@broken("layers", "shape")
class Twice(Layer):
    """Gives twice what it promised."""

    def forward(self, x, context):
        return np.concatenate((x, x), axis=-1), lambda dy: dy[:, : x.shape[1]] + dy[:, x.shape[1] :]


@broken("activations", "shape")
class NoActivation(Activation):
    """Honest about its shape, which no activation changes."""

    def build(self, shape, make):
        return (2 * shape[0],)

    forward = Twice.forward


# ---------------------------------------------------------------------- layers: the rest


@broken("layers", "options")
class TupleWithoutAnnotation(Double):
    examples = [{"scales": (1, 2)}]

    def __init__(self, scales) -> None:
        self.scales = scales


@broken("layers", "options")
class NoneIsNotTheDefault(Double):
    """TOML has no None: left out, it comes back as 0.5."""

    examples = [{"rate": None}]

    def __init__(self, rate: float | None = 0.5) -> None:
        self.rate = rate


@broken("layers", "state")
class HiddenState(Layer):
    """A running mean that no checkpoint sees."""

    def __init__(self) -> None:
        self.mean = np.zeros(8)

    def forward(self, x, context):
        if context.training and context.rows:
            self.mean = 0.5 * self.mean + 0.5 * context.sum(x.real.astype(np.float64)) / context.rows
            return x, lambda dy: dy
        return x - self.mean.astype(x.dtype), lambda dy: dy


@broken("layers", "inference")
class DrawsInInference(Double):
    def forward(self, x, context):
        context.uniform(x.shape)
        return super().forward(x, context)


@broken("layers", "inference")
class DrawsForTheBatchInInference(Double):
    def forward(self, x, context):
        context.stream("mask")
        return super().forward(x, context)


@broken("layers", "inference")
class BatchStatisticsInInference(Layer):
    def forward(self, x, context):
        n = max(context.rows, 1)
        return x - context.sum(x) / n, lambda dy: dy - context.sum(dy) / n


@broken("layers", "inference")
class ChangesStateInInference(Double):
    def build(self, shape, make):
        self.count = make.state("count", ())
        return shape

    def forward(self, x, context):
        if not context.training:
            self.count.value += 1
        return super().forward(x, context)


@broken("layers", "no_mpi")
class ImportsMpiWhenUsed(Double):
    def forward(self, x, context):
        __import__("mpi4py")
        return super().forward(x, context)


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


@broken("layers", "scratch")
class Allocates(Activation):
    def forward(self, x, context):
        return x * 2, Double().forward(x, context)[1]


# ---------------------------------------------------------------------- losses


class Square(Loss):
    """Σ (y − target)² over a row: right."""

    def forward(self, y, target, context):
        d = np.subtract(y, target, out=context.empty(y.shape, y.dtype))
        return np.einsum("ij,ij->i", d, d), lambda: np.multiply(d, 2, out=d)


@broken("losses", "gradient_of_input")
class NoFactorTwo(Square):
    def forward(self, y, target, context):
        d = y - target
        return (d * d).sum(axis=1), lambda: d


@broken("losses", "split", "same_bits")
class DividesByTheRankSRows(Square):
    """The mean of means."""

    def forward(self, y, target, context):
        d, n = y - target, y.dtype.type(max(len(y), 1))
        return (d * d).sum(axis=1) / n, lambda: 2 * d / n


@broken("losses", "inputs_not_written")
class WritesY(Square):
    def forward(self, y, target, context):
        y -= target
        return (y * y).sum(axis=1), lambda: 2 * y


@broken("losses", "dtype")
class Float64Loss(Square):
    def forward(self, y, target, context):
        d = y - target
        return (d * d).sum(axis=1), lambda: d * np.float64(2)


@broken("losses", "contiguous")
class FortranLoss(Square):
    def forward(self, y, target, context):
        values, backward = super().forward(y, target, context)
        return values, lambda: np.asfortranarray(backward())


@broken("losses", "shape")
class PredictsTooFew(Square):
    def predict(self, y):
        return y[:1]


@broken("losses", "finite")
class CrossEntropyAsWritten(Square):
    """−Σ target·log softmax(y), without taking the largest away."""

    examples = [{"target": "distribution", "input": (3,)}]

    def forward(self, y, target, context):
        e = np.exp(y)
        p = e / e.sum(axis=1, keepdims=True)
        return -(target * np.log(p)).sum(axis=1), lambda: p - target


@broken("losses", "inference")
class LossThatDraws(Square):
    def forward(self, y, target, context):
        context.normal(y.shape)
        return super().forward(y, target, context)


@broken("losses", "state")
class LossWithMemory(Square):
    """Scales with the number of steps that it has seen."""

    steps = 0.0

    def forward(self, y, target, context):
        if context.training:
            self.steps += 1
        d, scale = y - target, y.dtype.type(1 + 0.1 * max(self.steps - 1, 0))
        return scale * (d * d).sum(axis=1), lambda: 2 * scale * d


@broken("losses", "scratch")
class LossThatAllocates(Square):
    def forward(self, y, target, context):
        d = y - target
        return np.einsum("ij,ij->i", d, d), lambda: np.multiply(d, 2, out=d)


# ---------------------------------------------------------------------- metrics


class Hits(Metric):
    """Whether the first output is positive: right."""

    def forward(self, y, target, context):
        return y[:, 0] > 0


@broken("metrics", "split", "same_bits")
class CountsItsRows(Hits):
    def forward(self, y, target, context):
        return np.full(len(y), float(len(y)))


@broken("metrics", "shape")
class ResultIsAnArray(Hits):
    def result(self, sums, count):
        return np.asarray(sums[0] / count)


@broken("metrics", "inputs_not_written")
class SortsTheOutputs(Hits):
    def forward(self, y, target, context):
        y.sort(axis=1)
        return y[:, -1] > 0


@broken("metrics", "inference")
class MetricThatDraws(Hits):
    def forward(self, y, target, context):
        context.bernoulli(y.shape, 0.5)
        return super().forward(y, target, context)


@broken("metrics", "finite")
class Ratio(Hits):
    def forward(self, y, target, context):
        return y[:, 0] / np.abs(y).max(axis=1)


# ---------------------------------------------------------------------- optimizers


@broken("optimizers", "split", "same_bits")
class NormOfTheSlice(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context, *slots):
        value -= self.lr * gradient / (1 + np.linalg.norm(gradient))


class Asks(Optimizer):
    """w ← w − lr·g/(1 + ‖g‖): right, and what the broken ones are made from."""

    sums_over = "parameter"
    lr = 0.1

    def sums(self):
        return 1

    def measure(self, value, gradient, context, *slots):
        return ((gradient, gradient),)

    def update(self, value, gradient, context, *slots):
        gradient *= self.lr / (1 + context.sums[0] ** 0.5)
        value -= gradient


@broken("optimizers", "split", "same_bits")
class MeasuresTheSlice(Asks):
    """The sum of what it divides by its slice's own norm."""

    def measure(self, value, gradient, context, *slots):
        gradient /= 1 + np.linalg.norm(gradient)
        return ((gradient, gradient),)


@broken("optimizers", "state")
class KeepsNoState(Asks):
    """What it decided is lost when the run is resumed."""

    sums_over = "all"

    def __init__(self) -> None:
        self.largest = 0.0

    def decide(self, step, sums):
        self.largest = max(self.largest, sums[0])

    def update(self, value, gradient, context, *slots):
        gradient *= self.lr / (1 + self.largest**0.5)
        value -= gradient


@broken("optimizers", "state")
class HiddenCounter(Optimizer):
    """Its rate falls with the updates that it has counted itself."""

    lr = 0.1

    def __init__(self) -> None:
        self.last = self.count = 0

    def update(self, value, gradient, context, *slots):
        if context.step != self.last:
            self.last, self.count = context.step, self.count + 1
        value -= self.lr / self.count * gradient


@broken("optimizers", "driven")
class RateKeptApart(Optimizer):
    """A schedule changes `lr`, and nothing happens."""

    def __init__(self, lr: float = 0.1) -> None:
        self.lr = lr
        self.rate = -lr

    def update(self, value, gradient, context, *slots):
        value += self.rate * gradient


@broken("optimizers", "driven")
class NoRate(Optimizer):
    def update(self, value, gradient, context, *slots):
        value -= gradient * 0.1


@broken("optimizers", "dtype")
class Float64Update(Optimizer):
    def __init__(self, lr: float = 0.1) -> None:
        self.lr = np.float64(lr)

    def update(self, value, gradient, context, *slots):
        value -= self.lr * gradient


@broken("optimizers", "finite")
class SignByDivision(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context, *slots):
        value -= self.lr * (gradient / np.abs(gradient))


@broken("optimizers", "scratch")
class UpdateThatAllocates(Optimizer):
    lr = 0.1

    def update(self, value, gradient, context, *slots):
        value -= self.lr * gradient


class SteepestDescent(Solver):
    """θ ← θ − α·g with the α of the model's least point: right, and what the broken ones are made from."""

    lr = 1.0

    def solve(self, problem):
        gradient = problem.gradient
        bend = problem.dot(gradient, problem.gauss_newton_product(gradient))
        if not bend > 0:
            return problem.value
        return problem.value - self.lr * problem.dot(gradient, gradient) / bend * gradient


@broken("optimizers", "decreases")
class HardlyMoves(SteepestDescent):
    lr = 1e-6


@broken("optimizers", "split", "same_bits")
class StepByTheSlice(SteepestDescent):
    """The longest step is measured on this rank's slice."""

    def solve(self, problem):
        step = super().solve(problem) - problem.value
        return problem.value + step / (1 + 1e-3 * np.linalg.norm(step))


@broken("optimizers", "state")
class HiddenStep(SteepestDescent):
    """Its rate falls with the steps that it has counted itself."""

    count = 0

    def solve(self, problem):
        self.count += 1
        self.lr = 1 / self.count
        return super().solve(problem)


@broken("optimizers", "dtype")
class WideStep(SteepestDescent):
    def solve(self, problem):
        return super().solve(problem).astype(np.float64)


@broken("optimizers", "finite")
class NormalizedGradient(SteepestDescent):
    def solve(self, problem):
        unit = problem.gradient / np.float64(problem.norm(problem.gradient)).astype(problem.gradient.dtype)
        bend = problem.dot(unit, problem.gauss_newton_product(unit))
        return problem.value - problem.dot(unit, problem.gradient) / bend * unit


@broken("optimizers", "inputs_not_written", "same_bits", "state")
class WritesTheGradient(SteepestDescent):
    def solve(self, problem):
        value = super().solve(problem)
        problem.gradient *= 0
        return value


@broken("optimizers", "driven")
class StepKeptApart(SteepestDescent):
    def __init__(self, lr: float = 1.0) -> None:
        self.lr = self.rate = lr

    def solve(self, problem):
        return problem.value + self.rate * (super().solve(problem) - problem.value) / self.lr


# ---------------------------------------------------------------------- regularizers


class SumOfSquares(Regularizer):
    """Σ w²: right."""

    def penalty(self, value):
        return float(np.dot(value, value))

    def gradient(self, value, out):
        out += 2 * value


class Shrinks(SumOfSquares):
    """Towards zero, beside the optimizer's step: right."""

    decoupled = True

    def penalty(self, value):
        return 0.0

    def gradient(self, value, out):
        pass

    def decay(self, value, lr):
        value *= 1 - lr


@broken("regularizers", "split", "same_bits")
class ShrinksToTheNorm(Shrinks):
    def decay(self, value, lr):
        value /= 1 + lr * np.linalg.norm(value)


@broken("regularizers", "gradient_of_penalty")
class PenaltyWithoutFactor(SumOfSquares):
    def gradient(self, value, out):
        out += value


@broken("regularizers", "gradient_of_penalty")
class OverwritesTheGradient(SumOfSquares):
    def gradient(self, value, out):
        np.multiply(value, 2, out=out)


@broken("regularizers", "split")
class ConstantPerPiece(SumOfSquares):
    def penalty(self, value):
        return 1 + super().penalty(value)


@broken("regularizers", "inputs_not_written")
class WritesTheWeights(SumOfSquares):
    def penalty(self, value):
        value *= 1
        return super().penalty(value)


@broken("regularizers", "dtype")
class Float64Penalty(SumOfSquares):
    def gradient(self, value, out):
        out += np.float64(2) * value


@broken("regularizers", "finite")
class LogOfSquares(SumOfSquares):
    def penalty(self, value):
        return float(np.log(value * value).sum())

    def gradient(self, value, out):
        out += 2 / value


# ---------------------------------------------------------------------- initializers


@broken("initializers", "shape")
class Transposed(Initializer):
    examples = [{"input": (3, 4)}]

    def __call__(self, shape, fans, random):
        return np.zeros(shape[::-1] if shape == (3, 4) else shape)


@broken("initializers", "dtype")
class Single(Initializer):
    def __call__(self, shape, fans, random):
        return random.uniform(shape).astype(np.float32)


@broken("initializers", "finite")
class NotANumber(Initializer):
    def __call__(self, shape, fans, random):
        return np.full(shape, np.nan)


@broken("initializers", "repeatable")
class SeededByItself(Initializer):
    def __call__(self, shape, fans, random):
        return np.random.default_rng(3).normal(size=shape)


@broken("initializers", "global_random")
class GlobalState(Initializer):
    """Draws, but gives nothing of it."""

    def __call__(self, shape, fans, random):
        np.random.rand()
        return random.uniform(shape)


class Unit(Initializer):
    """Scales until the mean square of the output is one: right."""

    calibrations = 2

    def __call__(self, shape, fans, random):
        return random.normal(shape)

    def calibrate(self, y, context):
        mean = self.total(y.astype(np.float64) ** 2, context) / max(context.rows, 1)
        return 1.0 if mean == 0 else float(mean**-0.5)

    def total(self, squares, context):
        return context.sum(squares.mean(axis=1))


@broken("initializers", "same_bits")
class CalibratesByItsOwnRows(Unit):
    def total(self, squares, context):
        return squares.mean(axis=1).sum()


@broken("initializers", "finite")
class CalibratesByAnInverseOfZero(Unit):
    def calibrate(self, y, context):
        return float(np.divide(1, context.sum(y * y).mean() / max(context.rows, 1)) ** 0.5)


# ---------------------------------------------------------------------- schedules


@broken("schedules", "dtype")
class NumpyFactor(Schedule):
    def __call__(self, step, steps, epoch):
        return np.sqrt(1 / (1 + step))


@broken("schedules", "state")
class CountsCalls(Schedule):
    count = 0

    def __call__(self, step, steps, epoch):
        self.count += 1
        return 1 / self.count


@broken("schedules", "state")
class StateThatIsNoJson(Schedule):
    def __call__(self, step, steps, epoch):
        return 1.0

    def state(self):
        return {"best": np.zeros(3)}


@broken("schedules", "finite")
class InfiniteAtFirst(Schedule):
    def __call__(self, step, steps, epoch):
        return 1 / step if step else float("inf")


# ---------------------------------------------------------------------- datasets


class Line(Dataset):
    """Twenty points: right."""

    examples = [{}]

    def __init__(self) -> None:
        self.train = ArrayRows(np.linspace(0, 1, 20)[:, None], np.arange(20))


@broken("datasets", "split")
class SortsTheIndices(Line):
    def __init__(self) -> None:
        super().__init__()
        rows = self.train.rows
        self.train.rows = lambda indices: rows(np.sort(indices))


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


@broken("datasets", "shape")
class ShapeIsAnother(Line):
    def __init__(self) -> None:
        super().__init__()
        self.train.shape = (2,)


@broken("datasets", "repeatable")
class Unseeded(Dataset):
    examples = [{}]

    def __init__(self) -> None:
        self.train = ArrayRows(np.random.default_rng().normal(size=(20, 2)))


@broken("datasets", "finite")
class MissingValues(Dataset):
    examples = [{}]

    def __init__(self) -> None:
        self.train = ArrayRows(np.array([[np.nan], [1.0], [2.0]]))


# ---------------------------------------------------------------------- transforms


class Noise(Transform):
    """x + N(0, 1): right."""

    def forward(self, x, y, context):
        noise = context.normal(x.shape, x.dtype)
        return np.add(x, noise, out=context.empty(x.shape, x.dtype)), y


@broken("transforms", "split", "same_bits")
class CentresItsRows(Noise):
    def forward(self, x, y, context):
        return x - x.sum(axis=0) / max(len(x), 1), y


@broken("transforms", "inputs_not_written")
class AddsInPlace(Noise):
    def forward(self, x, y, context):
        x += context.normal(x.shape, x.dtype)
        return x, y


@broken("transforms", "dtype")
class Float64Noise(Noise):
    def forward(self, x, y, context):
        return x + context.normal(x.shape, np.float64), y


@broken("transforms", "shape", "same_bits", "state")
class OneColumnLess(Transform):
    """The network was built for the shape of the data, and cannot train."""

    def forward(self, x, y, context):
        return np.ascontiguousarray(x[:, :-1]), y


@broken("transforms", "repeatable", "same_bits", "split", "state")
class OwnNoise(Transform):
    """Each rank, and each run, with noise of its own."""

    def __init__(self) -> None:
        self.random = np.random.default_rng()

    def forward(self, x, y, context):
        return x + self.random.normal(size=x.shape).astype(x.dtype), y


# ---------------------------------------------------------------------- callbacks


@broken("callbacks", "state")
class ForgetsHowLongItWaited(Callback):
    count = 0

    def after_epoch(self, run):
        self.count += 1
        if self.count == 9:
            run.stop("nine epochs")


@broken("callbacks", "global_random")
class StopsAtRandom(Callback):
    def after_step(self, run):
        np.random.random()


@broken("callbacks", "options")
class NeedsAFunction(Callback):
    examples = [{"when": abs}]

    def __init__(self, when) -> None:
        self.when = when


# ---------------------------------------------------------------------- procedures


@broken("procedures", "global_random", "repeatable")
class StepsAtRandom(Procedure):
    def run(self, course):
        course.take_step({"lr": float(np.random.random())})


@broken("procedures", "repeatable")
class StepsByTheClock(Procedure):
    def run(self, course):
        course.take_step({"lr": 1 / time.perf_counter_ns()})


@broken("procedures", "options")
class NeedsALeader(Procedure):
    examples = [{"by": abs}]

    def __init__(self, by) -> None:
        self.by = by

    def run(self, course):
        course.train_on()


class Add(Layer):
    """y = a + 2b, of two inputs: right."""

    examples = [{"input": [(3,), (3,)]}]

    def build(self, shape, make):
        first, second = shape
        assert first == second
        return first

    def forward(self, x, context):
        a, b = x
        return a + 2 * b, lambda dy: (dy, 2 * dy)


class Embedding(Layer):
    """A row of W for each whole number: right; it has no dx."""

    examples = [{"input": (3,), "range": (0, 5), "whole": True}]

    def build(self, shape, make):
        self.w = make.parameter("w", (5, 2), "glorot_uniform")
        return (*shape, 2)

    def forward(self, x, context):
        index = x.real.astype(np.int64)

        def backward(dy):
            def of(rows, out):
                out.fill(0)
                np.add.at(out, index[rows], dy[rows])

            context.gradient(self.w, of)
            return np.zeros_like(x)

        return self.w.value[index], backward


class LogLoss(Loss):
    """−t·log y − (1 − t)·log(1 − y), weighted: right, on probabilities."""

    examples = [{"input": (1,), "target": "binary", "range": (0.01, 0.99)}]

    def forward(self, y, target, context):
        p, t = y[:, 0], target[:, 0].astype(y.real.dtype)
        weights = 1 + t
        values = -weights * (t * np.log(p) + (1 - t) * np.log(1 - p))
        return (values, weights), lambda: (weights * ((1 - t) / (1 - p) - t / p))[:, None]


RIGHT = [
    ("layers", Add),
    ("layers", Embedding),
    ("losses", LogLoss),
    ("activations", Double),
    ("layers", Shift),
    ("layers", Learned),
    ("layers", LearnedAtTheEnd),
    ("initializers", Unit),
    ("losses", Square),
    ("metrics", Hits),
    ("optimizers", Asks),
    ("optimizers", SteepestDescent),
    ("regularizers", SumOfSquares),
    ("regularizers", Shrinks),
    ("datasets", Line),
    ("transforms", Noise),
]
"""What the broken parts are made from: nothing is wrong with these."""
