"""A problem for optimizers with a step of their own: a parabola in twelve numbers, cut over any ranks."""

from __future__ import annotations

from math import nan, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator
from dtrain.contracts import Solver
from dtrain.engine.totals import Totals

from .failure import Failure

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

SIZE = 12
MOST = 2000  # evaluations in one step


class Parabola:
    """f(x) = 1 + ½·Σ aᵢ·(xᵢ − cᵢ)² + ½·(Σ uᵢ·(xᵢ − cᵢ))², a `Problem`: condition 100, coupled by u, lowest at c.

    radius: beyond it the loss is not a number. frozen: what the optimizer is given is read-only.
    """

    def __init__(
        self, solver: Solver, communicator: Communicator | None = None, dtype: Any = np.float64,
        radius: float | None = None, frozen: bool = False, start: float = 1.0,
    ) -> None:  # fmt: skip
        communicator = communicator or SerialCommunicator()
        n = communicator.size
        ranges = [(SIZE * r // n, SIZE * (r + 1) // n) for r in range(n)]
        self.own = slice(*ranges[communicator.rank])
        self._totals, self._communicator = Totals(SIZE, ranges, communicator), communicator
        self._a, self._u, self._c = (
            array.astype(dtype)[self.own]
            for array in (np.logspace(-1, 1, SIZE), np.cos(np.arange(SIZE)), np.sin(np.arange(SIZE)))
        )
        self._radius, self._frozen = radius, frozen
        self.size, self.precision = SIZE, float(np.finfo(dtype).eps)
        self.slots: dict[str, Array] = {name: np.zeros(len(self._a), dtype) for name in solver.slots}
        self.step, self._evaluations = 0, 0
        self.begin(self._c + start * np.ones(SIZE, dtype)[self.own])

    def begin(self, value: Array) -> None:
        """Starts the next step at this point."""
        self.step, self._evaluations = self.step + 1, 0
        radius, self._radius = self._radius, None  # a step begins where all is finite
        self.value = value.copy()
        self.loss, self.gradient = self.loss_and_gradient(value)
        self._radius = radius
        for array in (self.value, self.gradient):
            array.setflags(write=not self._frozen)

    def loss_at(self, value: Array) -> float:
        return self._loss(value)[0]

    def loss_and_gradient(self, value: Array) -> tuple[float, Array]:
        loss, along = self._loss(value)
        gradient = self._a * (value - self._c) + self._u * along
        return loss, gradient if loss == loss else np.full_like(gradient, nan)

    def _loss(self, value: Array) -> tuple[float, float]:
        self._count()
        d = value - self._c
        along = self.dot(self._u, d)
        if self._radius is not None and self.norm(value - self.value) > self._radius:
            return nan, nan
        return 1 + 0.5 * (self.dot(self._a * d, d) + along * along), along

    def hessian_product(self, v: Array) -> Array:
        self._count()
        return self._a * v + self._u * self.dot(self._u, v)

    gauss_newton_product = hessian_product

    def _count(self) -> None:
        self._evaluations += 1
        if self._evaluations > MOST:
            raise Failure(f"expected a step to end, got more than {MOST:,} evaluations; bound every loop")

    def dot(self, a: Array, b: Array) -> float:
        products = a.astype(np.float64) * b
        if not len(products) and self._communicator.size == 1:
            return 0.0
        return float(self._totals.add(products))

    def norm(self, a: Array) -> float:
        return sqrt(self.dot(a, a))

    def gather(self, a: Array) -> Array:
        parts = self._communicator.share([float(x) for x in a])
        return np.array([x for part in parts for x in part], np.float64)

    def scatter(self, whole: Array) -> Array:
        return whole[self.own].astype(self._a.dtype)
