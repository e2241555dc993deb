"""What the broken parts are made from: nothing is wrong with these."""

from __future__ import annotations

import numpy as np

from dtrain import ArrayRows, Dataset, Initializer, Loss, Metric, Optimizer, Regularizer, Solver, Transform

from .right_exchanges import InRankOrder, Largest, Mean, Plain
from .right_layers import Add, Double, Embedding, Learned, LearnedAtTheEnd, Shift


class Square(Loss):
    """Σ (y − target)² over a row: right."""

    def forward(self, y, target, context):
        d = np.subtract(y, target, out=context.empty(y.shape, y.dtype))
        return np.einsum("ij,ij->i", d, d), lambda: np.multiply(d, 2, out=d)


class Hits(Metric):
    """Whether the first output is positive: right."""

    def forward(self, y, target, context):
        return y[:, 0] > 0


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


class SteepestDescent(Solver):
    """θ ← θ − α·g with the α of the model's least point: right, and what the broken ones are made from."""

    lr = 1.0

    def solve(self, problem):
        gradient = problem.gradient
        bend = problem.dot(gradient, problem.gauss_newton_product(gradient))
        if not bend > 0:
            return problem.value
        return problem.value - self.lr * problem.dot(gradient, gradient) / bend * gradient


class SumOfSquares(Regularizer):
    """Σ w²: right."""

    def penalty(self, value):
        return float(np.dot(value, value))

    def gradient(self, value, out):
        out += 2 * value


class Fourth(Regularizer):
    """Σ w⁴: right."""

    def penalty(self, value):
        return float(np.sum(value**4))

    def gradient(self, value, out):
        out += 4 * value**3


class Shrinks(SumOfSquares):
    """Towards zero, beside the optimizer's step: right."""

    decoupled = True

    def penalty(self, value):
        return 0.0

    def gradient(self, value, out):
        pass

    def decay(self, value, lr):
        value *= 1 - lr


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


class Line(Dataset):
    """Twenty points: right."""

    examples = [{}]

    def __init__(self) -> None:
        self.train = ArrayRows(np.linspace(0, 1, 20)[:, None], np.arange(20))


class Noise(Transform):
    """x + N(0, 1): right."""

    def forward(self, x, y, context):
        noise = context.normal(x.shape, x.dtype)
        return np.add(x, noise, out=context.empty(x.shape, x.dtype)), y


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
    ("regularizers", Fourth),
    ("regularizers", Shrinks),
    ("datasets", Line),
    ("transforms", Noise),
    ("exchanges", Plain),
    ("exchanges", InRankOrder),
    ("exchanges", Largest),
    ("exchanges", Mean),
]
