from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import Any

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span, StatisticsOver

from ..ranges import NotNegative


class Standardize(Layer):
    """Zero mean and unit variance of each feature over the training set: y = (x − μ)/√(σ² + ε).

    x: (rows, d) or channels-last (rows, …, d) → y: the same shape. μ and σ (d,) are those of all training
    samples, and of all places where there are any, as they reach this layer; they are learned in one pass
    before the first step and stay. Until then μ = 0 and σ = 1. A feature that is constant in the training set
    becomes 0, whatever it is later; a set of one value per feature is refused. dx = dy/√(σ² + ε).

    epsilon: ε ≥ 0; it keeps features of tiny variance from being blown up. Raises ValueError for a negative
    one, and for samples without a dimension.

    σ² is biased (divided by n), as in scikit-learn's StandardScaler. Means and sums of squares of the batches
    are joined about their means, so that nothing is lost at μ ≫ σ: Chan, Golub & LeVeque, "Algorithms for
    computing the sample variance", 1983. A feature is constant where σ is at most the rounding of μ in float64.
    """

    examples = [{}, {"epsilon": 0.1}, {"input": (3, 2, 4)}]
    fits = "start"

    def __init__(self, epsilon: NotNegative = 0.0) -> None:
        self.epsilon = epsilon

    def build(self, shape: Shape, make: Maker) -> Shape:
        if not shape:
            raise ValueError("standardize takes samples of at least one dimension, got ()")
        self.axes = tuple(range(1, len(shape)))
        self.statistics_over = StatisticsOver("training set", prod(shape[:-1]))
        self.mean = make.state("mean", shape[-1:], 0.0)
        self.std = make.state("std", shape[-1:], 1.0)
        return shape

    def fit(self, batches: Iterable[Array], context: Context) -> None:
        centre: Array | None = None  # near all of them, so that squares about it lose nothing
        total, mean, squares = 0, np.zeros_like(self.mean.value), np.zeros_like(self.std.value)
        for x in batches:
            wide = x.astype(np.float64)
            if centre is None:
                _, centre, _ = context.moments(wide, self.axes)
            count, batch_mean, variance = context.moments(np.subtract(wide, centre, wide), self.axes)
            total += count
            delta = batch_mean - mean
            mean = mean + delta * (count / total)
            squares = squares + variance * count + delta * delta * (count * (total - count) / total)
        if centre is not None:
            self.mean.value = mean = centre + mean
            self.std.value = _std(squares / total, mean, x.dtype)

    def output_span(self, taken: Span | None) -> Span | None:
        return Span()

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        mean, std = self.mean.value, self.std.value
        scale = np.zeros_like(std)
        np.divide(1.0, np.sqrt(std * std + self.epsilon), where=std > 0, out=scale)
        centre = mean.astype(x.dtype)
        offset = ((mean - centre.real) * scale).astype(x.dtype)  # what rounding lost: matters at μ ≫ σ
        scale = scale.astype(x.dtype)
        y = np.subtract(x, centre, context.empty(x.shape, x.dtype))
        np.multiply(y, scale, y)
        np.subtract(y, offset, y)

        def backward(dy: Array) -> Array:
            dx: Array = np.multiply(dy, scale, context.empty(dy.shape, dy.dtype))
            return dx

        return y, backward


def _std(variance: Array, mean: Array, dtype: Any) -> Array:
    """Returns σ; 0 where it is rounding, or its inverse would overflow."""
    std = np.sqrt(variance)
    return np.where((std > np.finfo(np.float64).eps * np.abs(mean)) & (std > np.finfo(dtype).tiny), std, 0.0)
