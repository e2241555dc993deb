"""Where the flat arrays of a run wait to be written, so that training need not wait for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .ranks_own import ranks_own

if TYPE_CHECKING:
    from dtrain.engine import Replica
    from dtrain.types import Array

    from .update import Update


class Staging:
    """A second set of the flat arrays, allocated once: the values, every slot, and what each rank keeps for itself.

    replica, update: whose arrays. Where ranks share memory, all of them share this set, too, and each copies its
    slice: of P parameters and S slots on N ranks, P·(1 + S)/N numbers. Elsewhere the slots travel to rank 0,
    P·S·(1 − 1/N) numbers into one host, and training waits for that; a set that is never filled, on the other
    ranks, takes no memory. Where every rank updates everything, rank 0 has it all. What ranks keep for themselves,
    K flat arrays each, is N·K·P numbers: `own`, of shape (N, P) each.
    """

    def __init__(self, replica: Replica, update: Update) -> None:
        self._replica, self._update = replica, update
        self._communicator = communicator = replica.communicator
        rank, ranks, size, dtype = (
            communicator.rank,
            communicator.size,
            replica.layout.size,
            replica.network.dtype,
        )
        self._slice = replica.own
        if replica.exchange.whole:  # all have the same
            self._slice = slice(size * rank // ranks, size * (rank + 1) // ranks)
        names = [] if replica.exchange.alone else list(update.slots)
        self.values: Array = communicator.common(size, dtype)
        self.slots: dict[str, Array] = {name: communicator.common(size, dtype) for name in names}
        self.own: dict[str, Array] = {
            name: communicator.common(ranks * size, dtype).reshape(ranks, size)
            for name in ranks_own(replica, update)
        }
        if communicator.shares_memory or rank == 0:  # the first checkpoint finds the pages in place
            for flat in (self.values, *self.slots.values()):
                flat[self._slice] = 0
            for rows in self.own.values():
                rows[rank] = 0

    def fill(self) -> None:
        """Copies the present values and slots. A collective; all of them are there after the next barrier."""
        if self._communicator.shares_memory:
            self._copy(self._slice)
        elif self._communicator.rank == 0:
            self._copy(slice(None))
            self._communicator.exchange([], self._from_others())
        else:
            own = ranks_own(self._replica, self._update).values()
            self._communicator.exchange([(0, array) for array in (*self._sliced(), *own)], [])

    def _copy(self, of_values: slice) -> None:
        np.copyto(self.values[of_values], self._replica.exchange.values[of_values])
        for name, flat in self.slots.items():
            if self._replica.exchange.whole:
                np.copyto(flat[of_values], self._update.slots[name][of_values])
            else:
                np.copyto(flat[self._slice], self._update.slots[name])
        for name, own in ranks_own(self._replica, self._update).items():
            np.copyto(self.own[name][self._communicator.rank], own)

    def _sliced(self) -> list[Array]:
        """Returns the slices of slots of which rank 0 has others."""
        return [] if self._replica.exchange.whole else [self._update.slots[name] for name in self.slots]

    def _from_others(self) -> list[tuple[int, Array]]:
        flats = [] if self._replica.exchange.whole else list(self.slots.values())
        return [
            (rank, array)
            for rank in range(1, self._communicator.size)
            for array in (
                *(flat[self._replica.slice_of(rank)] for flat in flats),
                *(rows[rank] for rows in self.own.values()),
            )
        ]
