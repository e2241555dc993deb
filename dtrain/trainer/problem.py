"""What an optimizer with a step of its own sees: one global batch as a function of the trained parameters."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt
from typing import TYPE_CHECKING

import numpy as np

from dtrain.engine.replica import BLOCK

from .figures import Figures
from .products import Products, check_products
from .step import Step, inverse

if TYPE_CHECKING:
    from dtrain.contracts import Loss, Transform
    from dtrain.data import Batch
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .update import Update

LOSS, PRODUCT = 1 / 3, 4.0
"""Work in gradients, by the matrix products in it: a gradient is three (one forward, two backward) on real
numbers; a product is three on complex ones, four times as much."""


class BatchProblem:
    """See `dtrain.Problem`. One for a run; `begin` points it at a step."""

    def __init__(self, replica: Replica, loss: Loss, update: Update, transforms: Sequence[Transform]) -> None:
        self._replica, self._update = replica, update
        self._passes = Step(replica, Figures(loss, {}), update, transforms)
        self._products = Products(
            replica, loss, lambda batch: self._passes.transformed(batch, self._epoch, self.step - 1)
        )
        self._checked = False
        self._trained = [p for p in replica.network.parameters if p.trainable]
        self.slots = update.slots
        self.size = sum(p.size for p in self._trained)
        self.precision = float(np.finfo(replica.network.dtype).eps)
        self.work = 0.0
        """All evaluations of this process so far, in gradients."""

    def begin(
        self, batches: Iterable[Batch], epoch: int, step: int, loss: float, gradient: Array, plain: Array
    ) -> None:
        """Starts step `step` (from 1). gradient, plain: at the present values, with and without regularizers."""
        self._batches, self._epoch, self.step = batches, epoch, step
        self.value = _fixed(self._replica.exchange.values[self._replica.own].copy())
        self.loss, self.gradient, self._plain = loss, _fixed(gradient), plain
        self.work += 1

    # ------------------------------------------------------------------ evaluations elsewhere

    def loss_at(self, value: Array) -> float:
        self._update.put(value)
        sums = self._passes.losses(self._batches, self._epoch, self.step - 1)
        self._replica.context.rollback()
        self.work += LOSS
        return self.mean(sums)

    def loss_and_gradient(self, value: Array) -> tuple[float, Array]:
        self._update.put(value)
        sums, gradient, finite = self._passes.run(self._batches, self._epoch, self.step - 1)
        self._replica.context.rollback()
        self._update.prepare(gradient, finite)
        self.work += 1
        return self.mean(sums), gradient.copy()

    def mean(self, sums: Array) -> float:
        """Returns the loss of these totals at the present values, penalties included. A collective."""
        return float(sums[0]) * inverse(sums[1]) + self._update.penalty()

    # ------------------------------------------------------------------ products

    def hessian_product(self, v: Array) -> Array:
        return self._product(v, gauss_newton=False)

    def gauss_newton_product(self, v: Array) -> Array:
        return self._product(v, gauss_newton=True)

    def _product(self, v: Array, gauss_newton: bool) -> Array:
        if not self._checked:
            self._checked = True
            self._check()
        norm = self.norm(v)
        product, _ = self._plain_product(v, norm, gauss_newton)
        self._update.penalty_product(self.value, v, norm, product)
        return product

    def _plain_product(self, v: Array, norm: float, gauss_newton: bool = False) -> tuple[Array, float]:
        self.work += PRODUCT
        return self._products(self._batches, self.value, v, norm, gauss_newton)

    def _check(self) -> None:
        """Once a run: complex numbers give the derivative that backward gives, and H is symmetric."""
        a = self._plain
        b = a * np.where(np.arange(len(a)) % 3, 1, -1).astype(a.dtype)
        norm = self.norm(a)
        of_a, slope = self._plain_product(a, norm)
        of_b, _ = self._plain_product(b, norm)
        check_products(
            self._replica.network.dtype.char.upper(),
            slope,
            norm * norm,
            norm * norm,
            self.dot(a, of_b),
            self.dot(b, of_a),
            norm * max(self.norm(of_a), self.norm(of_b)),
        )

    # ------------------------------------------------------------------ across elements

    def dot(self, a: Array, b: Array) -> float:
        one, other = (x.astype(np.float64).reshape(-1, BLOCK) for x in (a, b))
        return self._update.total(np.einsum("ij,ij->i", one, other))

    def norm(self, a: Array) -> float:
        return sqrt(self.dot(a, a))

    def gather(self, a: Array) -> Array:
        flat = self._replica.gather(a)
        return np.concatenate([self._flat(flat, p) for p in self._trained]).astype(np.float64)

    def _flat(self, flat: Array, parameter: object) -> Array:
        return self._replica.layout.view(flat, parameter).reshape(-1)  # type: ignore[arg-type]

    def scatter(self, whole: Array) -> Array:
        flat = np.zeros(self._replica.layout.size, self._replica.network.dtype)
        start = 0
        for parameter in self._trained:
            self._flat(flat, parameter)[...] = whole[start : start + parameter.size]
            start += parameter.size
        return flat[self._replica.own].copy()


def _fixed(array: Array) -> Array:
    array.setflags(write=False)
    return array
