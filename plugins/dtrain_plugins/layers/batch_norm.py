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
        inverse = 1 / np.sqrt(variance + self.epsilon)
        scale = inverse * self.gamma.value if self.has_scale else inverse
        centre = mean.astype(x.dtype)
        rest = mean - centre  # what rounding to x's dtype lost: it matters where mean ≫ standard deviation
        offset = -rest * scale
        if self.has_offset:
            offset += self.beta.value
        xc = np.subtract(x, centre, out=context.empty(x.shape, x.dtype))
        y = np.multiply(xc, scale.astype(x.dtype), out=context.empty(x.shape, x.dtype))
        y += offset.astype(x.dtype)

        def backward(dy: Array) -> Array:
            dy_xc = np.multiply(dy, xc, out=context.empty(x.shape, x.dtype))
            self._gradients(dy, dy_xc, rest, inverse, context)
            dx: Array = np.multiply(dy, scale.astype(x.dtype), out=context.empty(x.shape, x.dtype))
            if not count:  # inference: μ and σ² are constants
                return dx
            sum_dy, sum_dy_xc = context.sum(dy, dy_xc, axes=self.axes)
            slope = scale * inverse * inverse * (rest * sum_dy - sum_dy_xc) / count
            constant = -scale * sum_dy / count - slope * rest
            np.multiply(xc, slope.astype(x.dtype), out=dy_xc)
            dx += dy_xc
            dx += constant.astype(x.dtype)
            return dx

        return y, backward

    def _observe(self, count: int, mean: Array, variance: Array, context: Context) -> None:
        if not count:
            return
        m = self.momentum
        unbiased = variance.real * (m * count / max(count - 1, 1))
        context.update(self.mean, (1 - m) * self.mean.value + m * mean.real)
        context.update(self.variance, (1 - m) * self.variance.value + unbiased)

    def _gradients(self, dy: Array, dy_xc: Array, rest: Array, inverse: Array, context: Context) -> None:
        """γ and β get sums over this rank's shards; the ordinary reduction adds them up over ranks."""
        d = dy.shape[-1]

        def of_gamma(rows: slice, out: Array) -> None:
            sums = _sum(dy_xc[rows].reshape(-1, d)) - rest * _sum(dy[rows].reshape(-1, d))
            np.multiply(sums, inverse, out=out, casting="same_kind")

        def of_beta(rows: slice, out: Array) -> None:
            np.copyto(out, _sum(dy[rows].reshape(-1, d)))

        if self.has_scale:
            context.gradient(self.gamma, of_gamma)
        if self.has_offset:
            context.gradient(self.beta, of_beta)


def _sum(x: Array) -> Array:
    """Σ over rows, (n, d) → (d,): a product with ones is twice as fast as add.reduce."""
    total: Array = np.ones(len(x), x.dtype).dot(x)
    return total
