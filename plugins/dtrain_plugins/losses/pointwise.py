"""What the losses share whose rows are taken a few at a time, and those that add up one number an output."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import ClassVar, TypeAlias

import numpy as np

from dtrain import Array, Context, Loss

Points: TypeAlias = tuple[Array, Callable[[], Array]]
"""(values, slope), and slope returns the derivatives in an array of its own."""


_PIECE = 1 << 14
"""Outputs that are taken at a time: what comes up on the way stays in the cache."""


class Rowwise(Loss):
    """A loss of each row on its own; a subclass writes `some`, for a few rows, and `weights` where they differ."""

    def some(self, y: Array, target: Array) -> Points:
        """Returns the values of these rows, float64 or of y's dtype, and what computes their dy, of y's dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no some")

    def weights(self, y: Array, target: Array) -> Array | None:
        """Returns what each row counts for, (rows,), of y's dtype; None: all count 1."""
        return None

    def forward(
        self, y: Array, target: Array, context: Context
    ) -> tuple[Array | tuple[Array, Array], Callable[[], Array]]:
        values, slopes = np.empty(len(y), np.result_type(y.dtype, np.float64)), []
        step = max(1, _PIECE // max(1, prod(y.shape[1:])))
        pieces = [slice(start, start + step) for start in range(0, len(y), step)]
        for rows in pieces:
            values[rows], slope = self.some(y[rows], target[rows])
            slopes.append(slope)

        def backward() -> Array:
            dy = context.empty(y.shape, y.dtype)
            for rows, slope in zip(pieces, slopes, strict=True):
                dy[rows] = slope()
            return dy

        weights = self.weights(y, target)
        return values if weights is None else (values, weights), backward


class Pointwise(Rowwise):
    """A row's loss is the mean, or the sum, of f(y, target) over its outputs; a subclass writes `points`."""

    mean: ClassVar[bool] = True

    def points(self, y: Array, target: Array) -> Points:
        """Returns f(y, target) of each output, float64 or of y's dtype, and what computes ∂f/∂y, of y's dtype."""
        raise NotImplementedError(f"{type(self).__name__} has no points")

    def some(self, y: Array, target: Array) -> Points:
        each, slope = self.points(y, target.reshape(y.shape).astype(y.dtype, copy=False))
        outputs = prod(y.shape[1:])
        values = np.einsum("ij->i", each.reshape(len(y), outputs))
        if not self.mean:
            return values, slope

        def backward() -> Array:
            dy = slope()
            dy *= 1 / outputs
            return dy

        return values / outputs, backward


LEAST = {"f": 1e-14, "d": 1e-20}
"""dtype → the least probability or rate: logarithms are finite, and squares of a gradient of 1/p, which optimizers
take, keep to the dtype's range."""


def floored(p: Array, least: float | None = None) -> Array:
    """Returns p, or `least` where p is below it; by default 1e-14 (float32) or 1e-20 (float64)."""
    if least is None:
        least = LEAST[np.finfo(p.dtype).dtype.char]
    if p.dtype.kind == "c":
        return np.where(p.real < least, least + 1j * p.imag, p)
    return np.maximum(p, least)


def magnitude(d: Array) -> tuple[Array, Array]:
    """Returns |d| and its derivative, −1, 0 or 1; for complex d by the sign of its real part."""
    sign = np.sign(d.real).astype(d.dtype, copy=False)
    return d * sign, sign
