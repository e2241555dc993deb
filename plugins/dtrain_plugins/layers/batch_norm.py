from __future__ import annotations

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape

_ONE = np.array(1.0)


class BatchNorm(Layer):
    """Batch normalization over the global batch, on all ranks: y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε).

    x: (rows, d) or channels-last (rows, …, d) → y: the same shape. In training μ and σ² (biased) are those of
    all rows of the global batch, and of all places where there are any; in inference they are the running
    statistics, new = (1 − momentum)·old + momentum·batch, whose variance is unbiased (n − 1).

    momentum: weight of the new batch in the running statistics, (0, 1]. epsilon: ε > 0. scale, offset:
    whether γ (1 at the start) and β (0) are learned; without, they are 1 and 0.

    Ioffe & Szegedy, "Batch normalization: accelerating deep network training by reducing internal covariate
    shift", 2015; ε inside the root. One exchange forward (counts, sums, squares), one backward (Σdy, Σdy·x̂).
    With `accumulate`, the statistics are a micro-batch's.
    """

    examples = [{}, {"scale": False, "offset": False}, {"input": (3, 2, 4)}]

    def __init__(
        self, momentum: float = 0.1, epsilon: float = 1e-5, scale: bool = True, offset: bool = True
    ) -> None:
        if not 0 < momentum <= 1:
            raise ValueError(f"momentum must be in (0, 1], got {momentum}")
        if epsilon <= 0:
            raise ValueError(f"epsilon must be positive, got {epsilon}")
        self.momentum, self.epsilon = momentum, epsilon
        self.has_scale, self.has_offset = scale, offset
        # NumPy takes arrays without a dimension faster than Python's numbers.
        self._epsilon, self._momentum, self._keep = np.array(epsilon), np.array(momentum), np.array(1 - momentum)

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
            count, mean, variance = context.moments(x, self.axes)
            self._observe(count, mean, variance, context)
        else:
            count, mean, variance = 0, self.mean.value, self.variance.value
        dtype = x.dtype
        inverse = np.add(variance, self._epsilon)
        np.sqrt(inverse, inverse)
        np.divide(_ONE, inverse, inverse)
        centre = mean.astype(dtype)
        rest = np.subtract(mean, centre)  # what rounding to x's dtype lost: it matters where mean ≫ deviation
        wide = np.multiply(inverse, self.gamma.value) if self.has_scale else inverse
        scale = wide.astype(dtype)
        offset = np.multiply(rest, wide)
        offset = np.subtract(self.beta.value if self.has_offset else 0, offset, offset).astype(dtype)
        xc = np.subtract(x, centre, context.empty(x.shape, dtype))
        y = np.multiply(xc, scale, context.empty(x.shape, dtype))
        np.add(y, offset, y)

        def backward(dy: Array) -> Array:
            dx = np.multiply(dy, scale, context.empty(x.shape, dtype))
            if not count and not context.training:  # inference: μ and σ² are constants
                return dx
            product = np.multiply(dy, xc, context.empty(x.shape, dtype))
            sum_dy, sum_dy_xc = context.sum(dy, product, axes=self.axes)
            sum_dy_x_hat = np.multiply(rest, sum_dy)  # float64 from here on; x̂ = (xc − rest)·inverse
            np.subtract(sum_dy_xc, sum_dy_x_hat, sum_dy_x_hat)
            np.multiply(sum_dy_x_hat, inverse, sum_dy_x_hat)
            if self.has_scale:
                context.gradient_total(self.gamma, sum_dy_x_hat)
            if self.has_offset:
                context.gradient_total(self.beta, sum_dy)
            # dx = scale·(dy − Σdy/n − x̂·Σ(dy·x̂)/n) = scale·dy + slope·xc + constant
            by_count = np.divide(wide, self._minus(count))
            slope = np.multiply(sum_dy_x_hat, inverse, sum_dy_x_hat)
            np.multiply(slope, by_count, slope)
            constant = np.multiply(by_count, sum_dy, by_count)
            np.subtract(constant, np.multiply(slope, rest), constant)
            np.add(dx, np.multiply(xc, slope.astype(dtype), product), dx)
            return np.add(dx, constant.astype(dtype), dx)

        return y, backward

    def _minus(self, count: int) -> Array:
        return np.array(-float(max(count, 1)))

    def _observe(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        """Moves the running statistics towards those of this batch."""
        if count:
            fresh = np.array(self.momentum * count / max(count - 1, 1))
            for state, value, weight in ((self.mean, mean, self._momentum), (self.variance, variance, fresh)):
                new = np.multiply(state.value, self._keep)
                context.update(state, np.add(new, np.multiply(value.real, weight), new))
