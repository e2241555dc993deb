"""What the losses share whose targets are classes, or distributions over classes."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, prod
from typing import TypeAlias

import numpy as np

from dtrain import Array, ConfigError, Context, Output, Target

from ..ranges import BelowOne
from .pointwise import Points, Rowwise

Surprise: TypeAlias = tuple[Array, Callable[[Array], Array]]
"""(−log p, slope): of each output; slope(q) returns the gradient of Σ q·(−log p) in an array of its own."""


class ClassLoss(Rowwise):
    """−Σ_j q_j·log p_j over the K outputs of a place, q the target's distribution; a row's loss is the sum over its
    places.

    With label smoothing ε, q becomes (1 − ε)·q + ε/K. With class weights w the values are −Σ_j w_j·q_j·log p_j;
    a row of classes k then counts w_k, the mean over its places, and a row of distributions counts 1.
    """

    takes = ("class", "distribution")
    answers = "class"

    def __init__(self, label_smoothing: BelowOne = 0.0, class_weights: list[float] | None = None) -> None:
        weights = class_weights or []
        if class_weights is not None and not (all(0 <= w < inf for w in weights) and any(weights)):
            raise ValueError(f"class_weights must be at least 0, not all of them 0, got {class_weights}")
        self.label_smoothing, self.class_weights = label_smoothing, class_weights
        self.plain = not label_smoothing and class_weights is None

    def check(self, target: Target, output: Output) -> None:
        outputs = output.shape[-1]
        if self.class_weights is not None and len(self.class_weights) != outputs:
            raise ValueError(
                f"expected as many class_weights as the network has outputs, {outputs}, "
                f"got {len(self.class_weights)}"
            )
        if self.label_smoothing and outputs < 2:
            raise ValueError("expected at least two outputs, one a class, with label_smoothing, got one")

    def surprise(self, y: Array) -> Surprise:
        """Returns −log p of all outputs of these rows, finite, and what computes a gradient."""
        raise NotImplementedError(f"{type(self).__name__} has no surprise")

    def some(self, y: Array, target: Array) -> Points:
        q = self._aims(y, target)
        each, slope = self.surprise(y)
        width = prod(y.shape[1:])
        with np.errstate(over="ignore"):  # beyond the dtype's range a value is infinite
            values = np.einsum("ij,ij->i", q.reshape(len(y), width), each.reshape(len(y), width))
        return values, lambda: slope(q)

    def forward(
        self, y: Array, target: Array, context: Context
    ) -> tuple[Array | tuple[Array, Array], Callable[[], Array]]:
        # `check` saw the targets of the data; these may be a transform's.
        if target.ndim == y.ndim and target.shape != y.shape:
            raise ConfigError(
                f"[loss]: expected distributions of the network's shape {y.shape[1:]}, got {target.shape[1:]}; "
                "give the transform that makes them as many classes as the network has outputs"
            )
        return super().forward(y, target, context)

    def weights(self, y: Array, target: Array) -> Array | None:
        """Returns the mean weight of the classes of each row's places."""
        if self.class_weights is None or target.ndim == y.ndim:
            return None
        places = prod(target.shape[1:])
        each = np.array(self.class_weights, y.dtype)[target.reshape(len(target), places).astype(np.intp)]
        mean: Array = np.einsum("ij->i", each) / places
        return mean

    def _aims(self, y: Array, target: Array) -> Array:
        """Returns q of each output, smoothed, times its class's weight."""
        if target.ndim == y.ndim:
            q = target.astype(y.dtype)
        else:
            q = np.zeros_like(y)
            np.put_along_axis(q, target[..., None].astype(np.int64), 1, axis=-1)
        if self.label_smoothing:
            q *= 1 - self.label_smoothing
            q += self.label_smoothing / y.shape[-1]
        if self.class_weights is not None:
            q *= np.array(self.class_weights, y.real.dtype)
        return q
