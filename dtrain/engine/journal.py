"""What makes an update whole or not there: the old numbers, kept where the ranks that are left find them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.types import Array

WHOLE = -1
"""In the count of pieces: all of a rank's slice is kept."""


class Journal:
    """Keeps what flat arrays held at the last point, piece by piece, before a rank overwrites it.

    arrays: those that all ranks of a host share, each rank writing its own slice. pieces_of: the pieces of
    a rank's slice, in the order in which it changes them. slice_of: a rank's whole slice.

    A point is a moment to which the run can go back; its number grows, from 1. All ranks have passed it before
    any of them changes an array. A rank killed between two points leaves a slice half changed; `roll_back` mends
    it. How far each rank has come stands in the shared memory, too: what the others know of a dead one from
    MPI may be wrong.
    """

    def __init__(
        self, arrays: Sequence[Array], pieces_of: Callable[[int], Sequence[slice]],
        slice_of: Callable[[int], slice], communicator: Communicator,
    ) -> None:  # fmt: skip
        self._pieces_of, self._slice_of = pieces_of, slice_of
        before = [communicator.common(array.size, array.dtype) for array in arrays]
        self._size = communicator.size
        self._notes = communicator.common(3 * communicator.size, np.int64).reshape(-1, 3)
        self._note = self._notes[communicator.rank]
        self._pairs = list(zip(arrays, before, strict=True))
        self._rank = communicator.rank
        self._point = 0

    def pass_by(self, point: int) -> None:
        """Notes that this rank has passed a point: it can go back to what its arrays hold now."""
        self._point = point
        self._note[2] = point

    def passed(self) -> int:
        """Returns the number of the last point that all ranks have passed, also those that died; 0: none."""
        return int(self._notes[:, 2].min())

    def begin(self) -> None:
        """Starts to keep what this rank is about to change. An update is followed by a point."""
        self._note[1] = 0
        self._note[0] = self._point

    def keep(self, count: int, piece: slice) -> None:
        """Keeps one piece before it is changed. count: its place in `pieces_of`, from 1, in order."""
        for array, before in self._pairs:
            before[piece] = array[piece]
        self._note[1] = count

    def keep_all(self) -> None:
        """Keeps this rank's whole slice, unless that was done since the point."""
        if self._note[0] != self._point or self._note[1] != WHOLE:
            self.begin()
            self.keep(WHOLE, self._slice_of(self._rank))

    def roll_back(self, number: int) -> None:
        """Brings the arrays of all ranks back to the point of this number. One rank calls it, and may do so again."""
        for rank in range(self._size):
            point, count, _ = self._notes[rank].tolist()
            if point == number:
                kept = [self._slice_of(rank)] if count == WHOLE else self._pieces_of(rank)[:count]
                for piece in kept:
                    for array, before in self._pairs:
                        array[piece] = before[piece]
