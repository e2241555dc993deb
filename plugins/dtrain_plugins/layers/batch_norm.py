from __future__ import annotations

from typing import Any

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, State

from ..ranges import above_zero, positive

_ONE = np.array(1.0)


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
        above_zero(momentum=momentum)
        positive(epsilon=epsilon)
        self.momentum, self.epsilon = momentum, epsilon
        self.has_scale, self.has_offset = scale, offset
        # NumPy takes arrays without a dimension faster than Python's numbers.
        self._epsilon, self._momentum = np.array(epsilon), np.array(momentum)
        self._keep = np.array(1 - momentum)
        self._weights: dict[tuple[int, str], tuple[Array, Array]] = {}

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
        shape, dtype = x.shape, x.dtype
        if context.training:
            count, mean, variance = context.moments(x, self.axes)
            fresh, minus = self._weights_of(count, dtype)
            if count:
                self._observe(self.mean, mean, self._momentum, context)
                self._observe(self.variance, variance, fresh, context)
        else:
            count, mean, variance = 0, self.mean.value, self.variance.value
        root = np.add(variance, self._epsilon)
        inverse = np.divide(_ONE, np.sqrt(root, root), root).astype(dtype)
        centre = mean.astype(dtype)
        rest = np.subtract(mean, centre).astype(dtype)  # what rounding lost: matters at mean ≫ deviation
        scale = np.multiply(inverse, self.gamma.value) if self.has_scale else inverse
        offset = np.multiply(rest, scale)
        np.subtract(self.beta.value if self.has_offset else 0, offset, offset)
        xc = np.subtract(x, centre, context.empty(shape, dtype))
        y = np.multiply(xc, scale, context.empty(shape, dtype))
        np.add(y, offset, y)

        def backward(dy: Array) -> Array:
            dx: Array = np.multiply(dy, scale, context.empty(shape, dtype))
            if not count and not context.training:  # inference: μ and σ² are constants
                return dx
            product = np.multiply(dy, xc, context.empty(shape, dtype))
            sum_dy, sum_dy_xc = context.sum(dy, product, axes=self.axes)
            sum_dy_x_hat = np.multiply(rest, sum_dy)  # x̂ = (xc − rest)·inverse
            np.subtract(sum_dy_xc, sum_dy_x_hat, sum_dy_x_hat)
            np.multiply(sum_dy_x_hat, inverse, sum_dy_x_hat)
            if self.has_scale:
                context.gradient_total(self.gamma, sum_dy_x_hat)
            if self.has_offset:
                context.gradient_total(self.beta, sum_dy)
            # dx = scale·(dy − Σdy/n − x̂·Σ(dy·x̂)/n) = scale·dy + slope·xc + constant
            by_count = np.multiply(scale, minus)
            slope = np.multiply(sum_dy_x_hat, inverse)
            np.multiply(slope, by_count, slope)
            constant = np.multiply(by_count, sum_dy, by_count)
            np.subtract(constant, np.multiply(slope, rest), constant)
            np.add(dx, np.multiply(xc, slope, product), dx)
            np.add(dx, constant, dx)
            return dx

        return y, backward

    def _weights_of(self, count: int, dtype: np.dtype[Any]) -> tuple[Array, Array]:
        """Returns the weight of a batch's variance in the running one, unbiased, and −1/count."""
        weights = self._weights.get((count, dtype.char))
        if weights is None:
            fresh = np.array(self.momentum * count / max(count - 1, 1))
            weights = self._weights[count, dtype.char] = fresh, np.array(-1 / max(count, 1), dtype)
        return weights

    def _observe(self, state: State, value: Array, weight: Array, context: Context) -> None:
        """Moves a running statistic towards that of this batch."""
        new = np.multiply(state.value, self._keep)
        context.update(state, np.add(new, np.multiply(value.real, weight), new))
