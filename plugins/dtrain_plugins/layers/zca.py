"""The whitening matrix of a covariance, and its derivative."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from dtrain import Array


class Zca:
    """Of a covariance Σ (d, d), symmetric, float64: `matrix` is (Σ + εI)^(−½); NaN where Σ is not finite.

    Of a complex128 one, the imaginary part to first order, as a complex step takes it. In the basis of the
    eigenvectors of Re Σ, with r = √(λ + ε): Z = (Σ + εI)^½ has the derivative dΣ_ij/(r_i + r_j), and the matrix
    −dΣ_ij/(r_i·r_j·(r_i + r_j)): divided differences, finite for equal λ.
    """

    def __init__(self, covariance: Array, epsilon: float) -> None:
        if np.isfinite(covariance).all():
            values, self._vectors = np.linalg.eigh(covariance.real)
        else:  # for the step to see, on all ranks: eigh would raise
            values, self._vectors = np.full(len(covariance), np.nan), np.eye(len(covariance))
        root = np.sqrt(np.maximum(values, 0) + epsilon)  # rounding makes small ones negative
        self._inverse, self._sums = 1 / root, np.add.outer(root, root)
        self._slope = self._turned(covariance.imag) if covariance.dtype.kind == "c" else None

    @cached_property
    def matrix(self) -> Array:
        half = self._vectors * np.sqrt(self._inverse)
        product: Array = half @ half.T  # symmetric to the bit
        return product if self._slope is None else product + 1j * self._back(self._first_order(self._slope))

    def backward(self, of_matrix: Array) -> Array:
        """Returns the derivative by the covariance, symmetric, of a number whose derivative by the matrix is given."""
        g = self._turned((of_matrix + of_matrix.T) / 2)
        if self._slope is None:
            return self._back(self._first_order(g))
        # −W·Y·W with Y·Z + Z·Y = G, and its change along the slope
        w, dw, dz = np.diag(self._inverse), self._first_order(self._slope), self._slope / self._sums
        y = g.real / self._sums
        dy = (g.imag - y @ dz - dz @ y) / self._sums
        change = dw @ y @ w + w @ dy @ w + w @ y @ dw
        return self._back(-w @ y @ w) - 1j * self._back(change)

    def _first_order(self, change: Array) -> Array:
        product: Array = -change * np.multiply.outer(self._inverse, self._inverse) / self._sums
        return product

    def _turned(self, matrix: Array) -> Array:
        product: Array = self._vectors.T @ matrix @ self._vectors
        return product

    def _back(self, matrix: Array) -> Array:
        product: Array = self._vectors @ matrix @ self._vectors.T
        return product
