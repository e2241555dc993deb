"""Where the flat arrays of a run wait to be written, so that training need not wait for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain.engine import Replica
    from dtrain.types import Array


class Staging:
    """A second set of the flat arrays, allocated once: the values and every slot of the optimizer.

    replica, slots: whose arrays, and this rank's slice of each slot. Where ranks share memory, all of them share
    this set, too, and each copies its slice: of P parameters and S slots on N ranks, P·(1 + S)/N numbers. Elsewhere
    the slots travel to rank 0, P·S·(1 − 1/N) numbers into one host, and training waits for that; a set that is
    never filled, on the other ranks, takes no memory.
    """

    def __init__(self, replica: Replica, slots: Mapping[str, Array]) -> None:
        self._replica, self._own_slots = replica, slots
        self._communicator = communicator = replica.communicator
        size, dtype = replica.layout.size, replica.network.dtype
        self.values: Array = communicator.common(size, dtype)
        self.slots: dict[str, Array] = {name: communicator.common(size, dtype) for name in slots}
        if communicator.shares_memory or communicator.rank == 0:
            for flat in (self.values, *self.slots.values()):
                flat[replica.own] = 0  # the first checkpoint finds the pages in place

    def fill(self) -> None:
        """Copies the present values and slots. A collective; all of them are there after the next barrier."""
        if self._communicator.shares_memory:
            self._copy(self._replica.own)
        elif self._communicator.rank == 0:
            self._copy(slice(None))
            self._communicator.exchange([], self._from_others())
        else:
            self._communicator.exchange([(0, own) for own in self._own_slots.values()], [])

    def _copy(self, of_values: slice) -> None:
        np.copyto(self.values[of_values], self._replica.exchange.values[of_values])
        for name, own in self._own_slots.items():
            np.copyto(self.slots[name][self._replica.own], own)

    def _from_others(self) -> list[tuple[int, Array]]:
        others = range(1, self._communicator.size)
        return [(rank, flat[self._replica.slice_of(rank)]) for rank in others for flat in self.slots.values()]
