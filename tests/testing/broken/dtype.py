"""Float64, or float32, where the other one came."""

from __future__ import annotations

import numpy as np

from dtrain import Initializer, Optimizer, Schedule

from .right import Noise, Square, SteepestDescent, SumOfSquares
from .right_layers import Double
from .table import broken


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


@broken("losses", "dtype")
class Float64Loss(Square):
    def forward(self, y, target, context):
        d = y - target
        return (d * d).sum(axis=1), lambda: d * np.float64(2)


@broken("optimizers", "dtype")
class Float64Update(Optimizer):
    def __init__(self, lr: float = 0.1) -> None:
        self.lr = np.float64(lr)

    def update(self, value, gradient, context, *slots):
        value -= self.lr * gradient


@broken("optimizers", "dtype")
class WideStep(SteepestDescent):
    def solve(self, problem):
        return super().solve(problem).astype(np.float64)


@broken("regularizers", "dtype")
class Float64Penalty(SumOfSquares):
    def gradient(self, value, out):
        out += np.float64(2) * value


@broken("initializers", "dtype")
class Single(Initializer):
    def __call__(self, shape, fans, random):
        return random.uniform(shape).astype(np.float32)


@broken("schedules", "dtype")
class NumpyFactor(Schedule):
    def __call__(self, step, steps, epoch):
        return np.sqrt(1 / (1 + step))


@broken("transforms", "dtype")
class Float64Noise(Noise):
    def forward(self, x, y, context):
        return x + context.normal(x.shape, np.float64), y
