"""Ranks that train by themselves and meet now and then: their values become one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator.memory import private

from .exchange import is_finite
from .whole import Stretch, Whole

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.contracts import ValueExchange
    from dtrain.parameter import FlatLayout, State
    from dtrain.types import Array


class Apart(Whole):
    """Runs a `ValueExchange`. `apart`: whether this rank has taken a step since the last meeting.

    Gradients are of the mean over this rank's own rows.
    """

    alone = True

    def __init__(
        self, layout: FlatLayout, communicator: Communicator, dtype: Any, exchange: ValueExchange,
        step: Callable[[], int],
    ) -> None:  # fmt: skip
        super().__init__(layout, 1, communicator, dtype, exchange, step)
        self.interval = exchange.interval
        self.apart = False
        self._meet = exchange.meet
        self._frozen = [p for p in layout.parameters if not p.trainable]
        self._layout = layout
        self.start: Array = private(layout.size, dtype)
        self._meeting = Meeting(self, 0, slice(0, layout.size))

    def reduce(self, scale: float) -> tuple[Array, bool]:
        if not self.apart:
            self.apart = True
            np.copyto(self.start, self.values)
        np.multiply(self.nodes[0], scale, out=self.gradient)
        return self.gradient, is_finite(self.gradient)

    def publish(self) -> None:
        """Others see these values at the next meeting."""

    def meet(self, states: Sequence[State]) -> None:
        """Makes one of the ranks' values, as the part says, and the mean of running statistics. A collective."""
        self._meeting.begin()
        self.run(self._meet(self._meeting))
        self.keep()
        for p in self._frozen:  # a mean of equal numbers may be rounded
            self._layout.view(self.values, p)[...] = self._layout.view(self.start, p)
        for state in states:
            state.value = self._mean(state.value)
        self.apart = False

    def _mean(self, own: Array) -> Array:
        """Returns the mean over ranks, added in float64 in their order; of what is no real number, rank 0's."""
        every = np.empty((self.communicator.size, *own.shape), own.dtype)
        self.communicator.allgather(np.ascontiguousarray(own), every)
        if own.dtype.kind != "f":
            return every[0]
        mean: Array = np.add.reduce(every, axis=0, dtype=np.float64) / len(every)
        return mean.astype(own.dtype)


class Meeting(Stretch):
    """See `dtrain.ValuePart`."""

    whole: Apart

    @property
    def value(self) -> Array:
        return self.whole.values

    @value.setter
    def value(self, array: Array) -> None:
        if array is not self.whole.values:  # as it is after `part.value -= …`
            self.whole.values[...] = array

    @property
    def start(self) -> Array:
        return self.whole.start
