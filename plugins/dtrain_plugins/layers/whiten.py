from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np

from dtrain import Array, Backward, Context, Layer, Maker, Shape, Span, StatisticsOver

from ..ranges import Count, Positive


class Whiten(Layer):
    """Decorrelates the features over the training set: y = (x − μ)·W, so that y's covariance is the identity.

    x: (rows, d) → y: (rows, d), or (rows, components). With the covariance C = U·Λ·Uᵀ of all training samples
    as they reach this layer, W is U·(Λ + ε)^−½·Uᵀ for "zca", the whitening that changes x least, and
    U·(Λ + ε)^−½ for "pca", largest eigenvalue first. μ (d,) and W are learned in two passes before the first
    step and stay; until then μ = 0 and W is the identity. dx = dy·Wᵀ.

    mode: "zca" (default) or "pca". epsilon: ε > 0, added to the eigenvalues: directions of less variance are
    damped, and one of none becomes 0 instead of noise. components: how many of the largest eigenvalues "pca"
    keeps, 1 … d; default: all.

    C is biased (divided by n; scikit-learn's PCA divides by n − 1). An eigenvector's sign makes its largest
    component positive. The decomposition is LAPACK's: as for matrix products, the bits hold for one build of
    it. Samples are vectors: put a flatten layer before it; a set of one sample is refused. Raises ValueError for
    samples of other shapes, and for options out of range.

    Bell & Sejnowski, "The 'independent components' of natural scenes are edge filters", 1997 (zca).
    """

    examples = [{}, {"mode": "pca", "epsilon": 0.01}, {"mode": "pca", "components": 3}]
    fits = "start"

    def __init__(
        self, mode: Literal["zca", "pca"] = "zca", epsilon: Positive = 1e-5, components: Count | None = None
    ) -> None:
        if components is not None and mode != "pca":
            raise ValueError(f'components is an option of mode "pca", got {components} with mode "{mode}"')
        self.mode, self.epsilon, self.components = mode, epsilon, components

    def build(self, shape: Shape, make: Maker) -> Shape:
        if len(shape) != 1:
            raise ValueError(
                f"whiten takes samples of one dimension, got {shape}; put a flatten layer before it"
            )
        (d,) = shape
        self.width = d if self.components is None else self.components
        if self.width > d:
            raise ValueError(f"components must be at most the {d} features of a sample, got {self.width}")
        self.statistics_over = StatisticsOver("training set", 1)
        self.mean = make.state("mean", (d,))
        self.matrix = make.state("matrix", (d, self.width))
        self.matrix.value = np.eye(d, self.width)
        return (self.width,)

    def fit(self, batches: Iterable[Array], context: Context) -> None:
        count, total = 0, np.zeros_like(self.mean.value)
        for x in batches:
            count += context.rows
            total = total + context.sum(x.astype(np.float64))
        mean = total / max(count, 1)
        covariance = np.zeros((len(mean), len(mean)))
        for x in batches:
            covariance += _outer(x - mean, context)
        self.mean.value = mean
        self.matrix.value = self._matrix(covariance / max(count, 1))

    def _matrix(self, covariance: Array) -> Array:
        values, vectors = np.linalg.eigh(covariance)
        values, vectors = np.maximum(values[::-1], 0), _signed(vectors[:, ::-1])
        scaled = vectors / np.sqrt(values + self.epsilon)
        return np.ascontiguousarray(scaled[:, : self.width]) if self.mode == "pca" else scaled @ vectors.T

    def output_span(self, taken: Span | None) -> Span | None:
        return Span()

    def forward(self, x: Array, context: Context) -> tuple[Array, Backward]:
        mean, matrix = self.mean.value, self.matrix.value
        centre = mean.astype(x.dtype)
        offset = ((mean - centre.real) @ matrix).astype(x.dtype)  # what rounding lost: matters far from 0
        w = context.empty(matrix.shape, x.dtype)
        np.copyto(w, matrix, casting="same_kind")
        y = context.matmul(np.subtract(x, centre, context.empty(x.shape, x.dtype)), w)
        np.subtract(y, offset, y)

        def backward(dy: Array) -> Array | None:
            return context.matmul(dy, w.T) if self.needs_dx else None

        return y, backward


def _outer(x: Array, context: Context) -> Array:
    """Returns xᵀ·x over all rows of the global batch."""
    shape = (x.shape[1], x.shape[1])
    return context.sum_of(lambda rows, out: np.matmul(x[rows].T, x[rows], out=out), shape, x.dtype)


def _signed(vectors: Array) -> Array:
    """Returns the columns with signs that make the largest component positive; of equal ones, the first."""
    sizes = np.abs(vectors)
    first = np.argmax(sizes >= (1 - 1e-6) * sizes.max(axis=0), axis=0)
    return vectors * np.copysign(1.0, np.take_along_axis(vectors, first[None], axis=0))
