"""What the normalizations share whose statistics are those of one sample."""

from __future__ import annotations

from math import prod
from typing import ClassVar

import numpy as np

from dtrain import Array, Backward, Context, Maker, Shape, StatisticsOver

from .normalization import Normalization


class SampleNorm(Normalization):
    """y = γ·x̂ + β, x̂ = (x − μ)/√(σ² + ε), μ and σ² over a part of each sample, alike in training and inference.

    x: (rows, …, d), taken as (rows, places, groups, d/groups). Statistics are over a group's channels, and over
    the places where `over_places` is set. Without `centred`, μ = 0 and σ² is the mean of x². Over one value, x̂ is 0
    whatever x is (without `centred`, its sign); a line before the first step warns of that.
    """

    over_places: ClassVar[bool] = False
    centred: ClassVar[bool] = True
    groups = 1

    def build(self, shape: Shape, make: Maker) -> Shape:
        super().build(shape, make)
        places, channels = prod(shape[:-1]), shape[-1] // self.groups
        self.block = (places, self.groups, channels)
        values = places * channels if self.over_places else channels
        self.statistics_over = StatisticsOver("sample", values, centred=self.centred)
        return shape

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        shape, dtype = (len(x), *self.block), x.dtype
        hat = context.empty(shape, dtype)
        with np.errstate(over="ignore", invalid="ignore"):
            inverse = self._normalize(x.reshape(shape), self.epsilon, hat, context)
        if not (inverse.real > 0).all():  # squares, or a sum, beyond the dtype's range
            self._normalize_huge(x.reshape(shape), inverse, hat, context)
        x_hat = y = hat.reshape(x.shape)
        if self.has_scale:
            y = np.multiply(y, self.gamma.value, context.empty(x.shape, dtype))
        if self.has_offset:
            y = np.add(y, self.beta.value, context.empty(x.shape, dtype))
        places = tuple(range(x.ndim - 1))

        def backward(dy: Array) -> Array:
            if self.has_offset:
                context.gradient(self.beta, lambda rows, out: np.sum(dy[rows], axis=places, out=out))
            d = dy
            if self.has_scale:
                product = np.multiply(dy, x_hat, context.empty(x.shape, dtype))
                context.gradient(self.gamma, lambda rows, out: np.sum(product[rows], axis=places, out=out))
                d = np.multiply(dy, self.gamma.value, context.empty(x.shape, dtype))
            d = d.reshape(shape)
            dx = np.multiply(d, hat, context.empty(shape, dtype))
            np.multiply(hat, self._mean(dx), dx)
            np.subtract(d, dx, dx)
            if self.centred:
                dx -= self._mean(d)
            dx *= inverse
            return dx.reshape(x.shape)

        return y, backward

    def _normalize(self, x: Array, epsilon: Array | float, hat: Array, context: Context) -> Array:
        """Writes x̂ to `hat`, and returns 1/√(σ² + ε)."""
        if self.centred:
            x = np.subtract(x, self._mean(x), context.empty(x.shape, x.dtype))
            x -= self._mean(x)  # what rounding left: it matters where μ ≫ σ
        np.multiply(x, x, hat)
        inverse: Array = 1 / np.sqrt(self._mean(hat) + epsilon)
        np.multiply(x, inverse, hat)
        return inverse

    def _normalize_huge(self, x: Array, inverse: Array, hat: Array, context: Context) -> None:
        """Does the same where `inverse` is no use, with numbers made smaller by a power of two."""
        limits = np.finfo(x.dtype)
        rows = ~(inverse.real > 0).all(axis=(1, 2, 3))
        small = np.where(inverse[rows].real > 0, 1.0, 2.0 ** -(limits.maxexp * 5 // 8)).astype(x.real.dtype)
        epsilon = np.maximum(self.epsilon * small * small, limits.tiny)
        out = np.empty_like(x[rows])
        with np.errstate(all="ignore"):  # numbers that came as NaN or infinite stay so
            inverse[rows] = self._normalize(x[rows] * small, epsilon, out, context) * small
        hat[rows] = out

    def _mean(self, block: Array) -> Array:
        if self.over_places and block.shape[1] > 1:  # both at once would take three times as long
            block = block.mean(axis=1, keepdims=True)
        return block.mean(axis=3, keepdims=True)
