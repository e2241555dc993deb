"""The whitening matrix of a covariance, and its derivative."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from dtrain import Array


class Zca:
    """Of a covariance Σ (d, d), float64: `matrix` is (Σ + εI)^(−½), symmetric; NaN where Σ is not finite."""

    def __init__(self, covariance: Array, epsilon: float) -> None:
        if np.isfinite(covariance).all():
            values, self._vectors = np.linalg.eigh(covariance)
        else:  # for the step to see, on all ranks: eigh would raise
            values, self._vectors = np.full(len(covariance), np.nan), np.eye(len(covariance))
        self._roots = np.sqrt(np.maximum(values, 0) + epsilon)  # rounding makes small ones negative

    @cached_property
    def matrix(self) -> Array:
        half = self._vectors / np.sqrt(self._roots)
        product: Array = half @ half.T  # symmetric to the bit
        return product

    def backward(self, of_matrix: Array) -> Array:
        """Returns the derivative by the covariance, symmetric, of a number whose derivative by the matrix is given."""
        u, root = self._vectors, self._roots
        differences = -1 / (np.multiply.outer(root, root) * np.add.outer(root, root))
        inner = u.T @ ((of_matrix + of_matrix.T) / 2) @ u
        product: Array = u @ (differences * inner) @ u.T
        return product
