"""A network on complex numbers: the same layers, with parameters and gradients of another dtype in their place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import frexp
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.random import SampleStreams

from .context import Context
from .exchange import make_exchange
from .gradients import Gradients

if TYPE_CHECKING:
    from dtrain.types import Array

    from .replica import Replica

EXPONENT = {"F": -40, "D": -160}
"""dtype → log₂ of |h·v|. What an exact derivative must not lose lies between two ends: h² has to vanish beside 1
(2⁻²⁴ and 2⁻⁵³), however a network amplifies it, and h times the smallest number of interest must not be
subnormal (2⁻¹²⁶ and 2⁻¹⁰²²). Both have decades to spare on either side."""


def step_along(norm: float, dtype: np.dtype[Any]) -> float:
    """Returns h for a direction of this norm, on numbers of this complex dtype: a power of two."""
    return 2.0 ** max(EXPONENT[dtype.char] - frexp(norm)[1], -1000)


class Twin:
    """The complex twin of a replica, made once; a collective, as is everything but `context`.

    At θ + i·h·v every layer computes in its imaginary part h times the derivative along v, with no difference
    of two numbers in it (Squire & Trapp, "Using complex variables to estimate derivatives of real functions",
    1998). h is a power of two, so that it rounds nothing.
    """

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self.dtype: np.dtype[Any] = np.result_type(replica.network.dtype, np.complex64)
        self._parameters = replica.network.parameters
        layout = replica.layout
        own = self._pointers()
        self._exchange = make_exchange(
            layout, replica.shards, replica.ranges, replica.communicator, self.dtype
        )
        self.gradients = Gradients(layout, self._exchange.nodes, replica.first, replica.last, replica.shards)
        for parameter in self._parameters:
            parameter._value = layout.view(self._exchange.values, parameter)
        self._mine = self._pointers()
        self._point(own)
        self.context = Context(replica.totals, SampleStreams(replica.seed), self.gradients)

    def _pointers(self) -> list[tuple[Array | None, list[Array], int]]:
        return [(p._value, p._grads, p._stamp) for p in self._parameters]

    def _point(self, pointers: list[tuple[Array | None, list[Array], int]]) -> None:
        for parameter, (value, grads, stamp) in zip(self._parameters, pointers, strict=True):
            parameter._value, parameter._grads, parameter._stamp = value, grads, stamp

    @contextmanager
    def at(self, value: Array, v: Array, h: float) -> Iterator[None]:
        """The network is at value + i·h·v, this rank's slices, while the block runs."""
        mine = self._exchange.values[self._replica.own]
        mine.real = value
        mine.imag = v
        mine.imag *= h
        self._exchange.publish()
        real = self._pointers()
        self._point(self._mine)
        try:
            yield
        finally:
            self._mine = self._pointers()
            self._point(real)

    def reduce(self, scale: float) -> Array:
        """Returns a copy of this rank's slice of the total gradient, complex, times scale.

        Every rank has passed a barrier since it wrote its gradients; ends with another.
        """
        gradient = self._exchange.reduce(scale)[0].copy()
        self._replica.communicator.barrier()
        return gradient
