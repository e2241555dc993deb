"""Products with second derivatives, exact: one pass on complex numbers each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import numpy as np

from dtrain.engine.twin import Twin, step_along
from dtrain.errors import ConfigError, on_all_ranks

from .step import inverse

if TYPE_CHECKING:
    from dtrain.contracts import Loss
    from dtrain.data import Batch
    from dtrain.engine import Replica
    from dtrain.types import Array

TOLERANCE = {"F": 1e-3, "D": 1e-7}
"""By how much, relatively, two ways to one number may differ; what loses an imaginary part is far off."""


class Products:
    """Products of one replica's loss. They are of the plain mean; regularizers are the caller's business.

    H·v = Im ∇L(θ + i·h·v)/h (Pearlmutter, "Fast exact multiplication by the Hessian", 1994, has the same product
    by a code of its own). Jᵀ·Hₗ·J·v: the outputs' imaginary part is h·J·v; the loss's backward makes h·Hₗ·J·v of
    it, which goes back through the network as a real dy (Schraudolph, "Fast curvature matrix-vector products
    for second-order gradient descent", 2002).
    """

    def __init__(self, replica: Replica, loss: Loss, begin: Callable[[Batch], Batch]) -> None:
        self._replica, self._loss, self._begin = replica, loss, begin
        self._twin: Twin | None = None

    def __call__(
        self, batches: Iterable[Batch], value: Array, v: Array, norm: float, gauss_newton: bool
    ) -> tuple[Array, float]:
        """Returns this rank's slice of the product, and the derivative of the mean loss along v.

        norm: of v. The point is that of the step in hand, in the same epoch and at the same places. A collective.
        """
        if self._twin is None:
            self._twin = Twin(self._replica)
        twin = self._twin
        h = step_along(norm, twin.dtype)
        total: Array = np.zeros(len(value), value.dtype)
        slope = weight = 0.0
        with twin.at(value, v, h):
            for batch in batches:
                sums = self._pass(self._begin(batch), h, gauss_newton)
                part = twin.reduce(1.0)
                total += part.real if gauss_newton else part.imag / h
                slope += float(sums[0]) / h
                weight += float(sums[1])
        total *= inverse(weight)
        return total, slope * inverse(weight)

    def _pass(self, batch: Batch, h: float, gauss_newton: bool) -> Array:
        """Leaves the gradients of one micro-batch; returns the totals of Im values and of weights."""
        assert self._twin is not None
        context, network = self._twin.context, self._replica.network
        real = self._replica.context
        context.begin(batch.layout, training=True, step=real.step, epoch=real.epoch, place=batch.place)
        try:
            y, backward = network.forward(batch.x.astype(self._twin.dtype), context)
            context.layer = "loss"
            values, loss_backward = self._loss.forward(y, batch.y, context)  # type: ignore[arg-type]
            parts = self._sums(values)
            dy = loss_backward()
            if gauss_newton:
                dy = (dy.imag / h).astype(dy.dtype)
            self._twin.gradients.begin(batch.layout.slices)
            backward(dy)
            self._twin.gradients.end()
        except Exception as error:
            error.add_note("on complex numbers, with which second derivatives are computed")
            raise
        context.rollback()
        return self._replica.totals.add(parts)

    def _sums(self, values: Array | tuple[Array, Array]) -> Array:
        context = self._twin.context  # type: ignore[union-attr]
        values, weights = values if isinstance(values, tuple) else (values, np.ones(len(values)))
        parts = np.empty((context.layout.shards, 2))
        context.shard_sums(np.stack([values.imag, weights.real], axis=1).astype(np.float64), parts)
        return parts


def check_products(
    dtype_char: str, slope: float, expected: float, scale: float, one: float, other: float, both: float
) -> None:
    """Raises ConfigError, on all ranks, where a part of the network loses imaginary parts.

    slope, expected: the derivative of the loss along its gradient, by complex numbers and by backward; scale: of
    both. one, other: a·Hb and b·Ha; both: their scale.
    """
    tolerance = TOLERANCE[dtype_char]
    for what, a, b, size in (
        ("the derivative of the loss along its gradient", expected, slope, scale),
        ("a·Hb, as large as b·Ha", one, other, both),
    ):
        if not abs(a - b) <= tolerance * size:
            raise on_all_ranks(
                ConfigError(
                    f"[optimizer]: expected layers and a loss that pass complex numbers on, from which products with "
                    f"second derivatives are computed, got ones that lose them ({what}: expected {a:.6g}, got "
                    f"{b:.6g}); take an optimizer without products, such as lbfgs"
                )
            )
