from __future__ import annotations

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape


class BatchNorm(Layer):
    """Batch normalization over the global batch, on all ranks: y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε).

    x: (rows, d) or channels-last (rows, …, d) → y: the same shape. In training μ and σ² (biased) are those of
    all rows of the global batch, and of all places where there are any; in inference they are the running
    statistics, new = (1 − momentum)·old + momentum·batch, whose variance is unbiased (n − 1).

    momentum: weight of the new batch in the running statistics, (0, 1]; of one row the variance is 0.
    epsilon: ε > 0. scale, offset: whether γ (d,) (1 at the start, role "scale") and β (d,) (0, role "bias")
    are learned; without, they are 1 and 0. Raises ValueError for momentum or epsilon out of range, and for
    samples without a dimension.

    Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", 2015; ε inside the root. One exchange forward (counts, sums, squares), one backward (Σdy, Σdy·x̂).
    With `accumulate`, the statistics are a micro-batch's.
    """

    examples = [{}, {"scale": False, "offset": False}, {"input": (3, 2, 4)}]
    absorbs_bias = True

    def __init__(
        self, momentum: float = 0.1, epsilon: float = 1e-5, scale: bool = True, offset: bool = True
    ) -> None:
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], got {momentum}")
        if epsilon <= 0:
            raise ValueError(f"epsilon must be positive, got {epsilon}")
        self.momentum, self.epsilon = momentum, epsilon
        self.has_scale, self.has_offset = scale, offset

    def build(self, shape: Shape, make: Maker) -> Shape:
        if not shape:
            raise ValueError("batch_norm takes samples of at least one dimension, got ()")
        d = shape[-1]
        self.axes = tuple(range(1, len(shape)))
        if self.has_scale:
            self.gamma = make.parameter("gamma", (d,), "ones", role="scale")
        if self.has_offset:
            self.beta = make.parameter("beta", (d,), "zeros", role="bias")
        self.mean = make.state("mean", (d,), 0.0)
        self.variance = make.state("variance", (d,), 1.0)
        return shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        if context.training:
            count, mean, variance = context.moments(x, axes=self.axes)
            self._observe(count, mean, variance, context)
        else:
            count, mean, variance = 0, self.mean.value, self.variance.value
        dtype = x.dtype
        inverse = np.add(variance, self.epsilon)
        np.sqrt(inverse, inverse)
        np.divide(1, inverse, inverse)
        centre = mean.astype(dtype)
        rest = mean - centre  # what rounding to x's dtype lost: it matters where mean ≫ standard deviation
        scale = inverse.astype(dtype)
        if self.has_scale:
            scale *= self.gamma.value
        offset = rest.astype(dtype)
        offset *= scale
        offset = np.subtract(self.beta.value if self.has_offset else 0, offset, offset)
        xc = np.subtract(x, centre, context.empty(x.shape, dtype))
        y = np.multiply(xc, scale, context.empty(x.shape, dtype))
        y += offset

        def backward(dy: Array) -> Array:
            dx: Array = np.multiply(dy, scale, context.empty(x.shape, dtype))
            if not count and not context.training:  # inference: μ and σ² are constants
                return dx
            product = np.multiply(dy, xc, context.empty(x.shape, dtype))
            sum_dy, sum_dy_xc = context.sum(dy, product, axes=self.axes)
            sum_dy_x_hat = rest * sum_dy  # float64 from here on
            np.subtract(sum_dy_xc, sum_dy_x_hat, sum_dy_x_hat)
            sum_dy_x_hat *= inverse
            if self.has_scale:
                context.gradient_total(self.gamma, sum_dy_x_hat)
            if self.has_offset:
                context.gradient_total(self.beta, sum_dy)
            # dx = scale·(dy − Σdy/n − x̂·Σ(dy·x̂)/n), x̂ = (xc − rest)·inverse
            by_count = scale * (-1 / max(count, 1))
            sum_dy_x_hat *= inverse
            sum_dy_x_hat *= by_count
            rest_part = rest * sum_dy_x_hat
            constant = np.multiply(sum_dy, by_count)
            constant -= rest_part.astype(dtype)
            dx += np.multiply(xc, sum_dy_x_hat.astype(dtype), product)
            dx += constant
            return dx

        return y, backward

    def _observe(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        if count:
            m, n = self.momentum, count / max(count - 1, 1)
            context.update(self.mean, self.mean.value * (1 - m) + mean.real * m)
            context.update(self.variance, self.variance.value * (1 - m) + variance.real * (m * n))
