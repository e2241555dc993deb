from __future__ import annotations

from math import prod

import numpy as np

from dtrain import Array, Backward, Context, Maker, Shape, StatisticsOver

from ..ranges import AboveZero, Positive
from .normalization import Normalization
from .zca import Zca


class WhitenBatch(Normalization):
    """Decorrelated batch normalization: y = γ·x̂ + β, x̂ = (x − μ)·W, W = (Σ + εI)^(−½), symmetric (ZCA).

    x: (rows, d) or channels-last (rows, …, d), whose places count as rows → y: the same shape. In training μ and
    Σ (d, d) (biased) are the mean and the covariance of the whole global batch, on all ranks, and backward goes
    through both; in inference they are running statistics, new = (1 − momentum)·old + momentum·batch, with the
    unbiased Σ (n − 1), and W is made of them. A batch of one value per feature has none and leaves both as they are;
    for runs with such batches, see `batch_norm`.

    momentum: weight of the new batch, (0, 1]. epsilon: ε > 0, added to the variances: it bounds W where a batch
    has fewer rows than features, or features depend on each other. scale, offset: whether γ (d,) (1 at the
    start, role "scale") and β (d,) (0, role "bias") are learned; without, they are 1 and 0. Raises ValueError for
    momentum or epsilon out of range, and for samples without a dimension. Of complex numbers, imaginary parts
    count to first order, as a complex step takes them.

    Backward, with P = Σ x_cᵀ·dx̂ made symmetric and Σ + εI = U·diag(λ)·Uᵀ: dΣ = U·(K∘(Uᵀ·P·U))·Uᵀ. K holds the
    divided differences of λ^(−½), K_ij = −1/(√λ_i·√λ_j·(√λ_i + √λ_j)): finite for equal λ, where it is the
    derivative, and without the differences λ_i − λ_j of the eigenvectors' own derivatives.

    Everything within is float64 (complex128) in any run. Two exchanges forward (moments, d² numbers), one
    backward (d² + d); every rank computes the same eigenvectors, d³. With `accumulate`, the statistics are a
    micro-batch's.

    Huang, Yang, Lang & Deng, "Decorrelated batch normalization", 2018, one group of all features; there the
    running average is that of W, here that of Σ.
    """

    part = "whiten_batch"
    examples = [
        {"input": (3,)},
        {"momentum": 0.5, "epsilon": 0.1, "scale": False, "offset": False},
        {"input": (3, 2, 4)},
    ]
    absorbs_bias = True

    def __init__(
        self, momentum: AboveZero = 0.1, epsilon: Positive = 1e-5, scale: bool = True, offset: bool = True
    ) -> None:
        super().__init__(epsilon, scale, offset)
        self.momentum = momentum
        self._used: tuple[Array, Zca] | None = None

    def build(self, shape: Shape, make: Maker) -> Shape:
        super().build(shape, make)
        d = shape[-1]
        self.axes = tuple(range(1, len(shape)))
        self.statistics_over = StatisticsOver("batch", prod(shape[:-1]))
        self.mean = make.state("mean", (d,), 0.0)
        self.covariance = make.state("covariance", (d, d), 0.0)
        self.covariance.value[...] = np.eye(d)
        return shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        shape, training = x.shape, context.training
        wide = np.result_type(x.dtype, np.float64)
        gamma = self.gamma.value.astype(wide) if self.has_scale else np.ones(shape[-1])
        xc = context.empty(shape, wide)
        count, zca = self._of_batch(x, xc, context) if training else (0, self._of_running(x, xc))
        matrix = zca.matrix * gamma
        y = context.matmul(xc, matrix)
        if self.has_offset:
            y += self.beta.value

        def backward(dy: Array) -> Array:
            dyc = context.empty(shape, wide)
            np.copyto(dyc, dy)
            if not training:  # μ and Σ are constants
                return _narrow(context.matmul(dyc, matrix.T), x, context)
            total = _products(xc, dyc, context, 1)
            sum_xc_dy, sum_dy = total[:-1], total[-1]
            if self.has_scale:
                context.gradient_total(self.gamma, np.einsum("ij,ij->j", zca.matrix, sum_xc_dy))
            if self.has_offset:
                context.gradient_total(self.beta, sum_dy)
            dyc -= sum_dy / max(count, 1)
            through = zca.backward(sum_xc_dy * gamma) * (2 / max(count, 1))
            dx = context.matmul(dyc, matrix.T)
            dx += context.matmul(xc, through)
            return _narrow(dx, x, context)

        return _narrow(y, x, context), backward

    def _of_batch(self, x: Array, xc: Array, context: Context) -> tuple[int, Zca]:
        """Writes x − μ to xc; returns the count and what whitens the batch, and takes in its statistics."""
        count, mean, _ = context.moments(x, self.axes)
        np.subtract(x, mean, xc)
        covariance = _products(xc, xc, context) / max(count, 1)
        if count > 1:  # one value has no covariance, and its mean alone would describe another batch
            unbiased = covariance * (count / (count - 1))
            for state, value in ((self.mean, mean), (self.covariance, unbiased)):
                context.update(state, (1 - self.momentum) * state.value + self.momentum * value.real)
        return count, Zca(covariance, self.epsilon)

    def _of_running(self, x: Array, xc: Array) -> Zca:
        """Writes x − μ to xc; returns what whitens by the running covariance, made anew where that has changed."""
        np.subtract(x, self.mean.value, xc)
        covariance = self.covariance.value
        if self._used is None or not np.array_equal(self._used[0], covariance):
            self._used = covariance.copy(), Zca(covariance, self.epsilon)
        return self._used[1]


def _products(a: Array, b: Array, context: Context, more: int = 0) -> Array:
    """Returns Σ aᵀ·b over all rows and places of the global batch, (d, d); with `more`, and Σ b below."""
    d = a.shape[-1]

    def of(rows: slice, out: Array) -> None:
        left, right = a[rows].reshape(-1, d), b[rows].reshape(-1, d)
        np.matmul(left.T, right, out[:d])
        if more:
            np.sum(right, axis=0, out=out[d])

    return context.sum_of(of, (d + more, d), a.dtype)


def _narrow(wide: Array, x: Array, context: Context) -> Array:
    if wide.dtype == x.dtype:
        return wide
    narrow = context.empty(wide.shape, x.dtype)
    np.copyto(narrow, wide, casting="same_kind")
    return narrow
