from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Backward, Context, Maker, Shape, StatisticsOver

from ..ranges import AboveZero, Positive
from .normalization import Normalization
from .running import Exponential


class ScalarNorm(Normalization):
    """One mean and one variance for all features of the global batch: y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε).

    x: (rows, d) or channels-last (rows, …, d) → y: the same shape. In training μ and σ² (biased) are two numbers,
    over all rows of the global batch, on all ranks, and all numbers of each row: the features keep their sizes
    relative to each other, which `batch_norm` takes away. In inference they are running statistics, new =
    (1 − momentum)·old + momentum·batch, whose variance is unbiased (n − 1); a batch of one number leaves them as they
    are.

    momentum: weight of the new batch, (0, 1]. epsilon: ε > 0. scale, offset: whether γ (d,) (1 at the start,
    role "scale") and β (d,) (0, role "bias") are learned, one a feature; without, they are 1 and 0. Raises
    ValueError for momentum or epsilon out of range, and for samples without a dimension.

    With `accumulate`, the statistics are a micro-batch's. One exchange forward, one backward, and the range of x, as
    in `batch_norm`: the moments of the features are sent, and merged, so that features of any size keep their digits.
    After Ioffe & Szegedy, "Batch normalization", 2015, with the statistics of Ba, Kiros & Hinton, "Layer
    normalization", 2016, taken over all rows instead of each.
    """

    part = "scalar_norm"
    examples = [{}, {"momentum": 0.5, "epsilon": 0.1, "scale": False, "offset": False}, {"input": (3, 2, 4)}]

    def __init__(
        self, momentum: AboveZero = 0.1, epsilon: Positive = 1e-5, scale: bool = True, offset: bool = True
    ) -> None:
        super().__init__(epsilon, scale, offset)
        self.momentum = momentum

    def build(self, shape: Shape, make: Maker) -> Shape:
        super().build(shape, make)
        self.width = shape[-1]
        self.axes = tuple(range(1, len(shape)))
        self.statistics_over = StatisticsOver("batch", prod(shape))
        self.running = Exponential(make, (1,), self.momentum)
        return shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        shape, dtype, training = x.shape, x.dtype, context.training
        count, mean, variance = self._statistics(x, context)
        inverse = (1 / np.sqrt(variance + self.epsilon)).astype(dtype)
        centre = mean.astype(dtype)
        rest = (mean - centre).astype(dtype)  # what rounding lost: matters at mean ≫ deviation
        gamma = self.gamma.value if self.has_scale else np.ones(self.width, dtype)
        scale = inverse * gamma
        xc = np.subtract(x, centre, context.empty(shape, dtype))
        xc -= rest
        y = np.multiply(xc, scale, context.empty(shape, dtype))
        if self.has_offset:
            y += self.beta.value

        def backward(dy: Array) -> Array:
            dx = np.multiply(dy, scale, context.empty(shape, dtype))
            if not training:  # μ and σ² are constants
                return dx
            product = np.multiply(dy, xc, context.empty(shape, dtype))
            sum_dy, sum_dy_xc = context.sum(dy, product, axes=self.axes)
            sum_dy_x_hat = sum_dy_xc * inverse
            if self.has_scale:
                context.gradient_total(self.gamma, sum_dy_x_hat)
            if self.has_offset:
                context.gradient_total(self.beta, sum_dy)
            # dx = (γ·dy − Σγ·dy/n − x̂·Σγ·dy·x̂/n)·inverse, both sums over rows and features
            by_count = -inverse / max(count, 1)
            dx += np.multiply(xc, by_count * inverse * (gamma * sum_dy_x_hat).sum(), product)
            dx += by_count * (gamma * sum_dy).sum()
            return dx

        return y, backward

    def _statistics(self, x: Array, context: Context) -> tuple[int, Array, Array]:
        """Returns the count, mean (1,) and variance (1,) to normalize by; takes in those of a training batch."""
        if not context.training:
            return 0, self.running.mean.value, self.running.variance.value
        count, means, variances = context.moments(x, self.axes)
        mean = means.mean(keepdims=True)
        off = means - mean
        variance = (variances + off * off).mean(keepdims=True)
        self.running.observe(count * self.width, mean, variance, context)
        return count * self.width, mean, variance
