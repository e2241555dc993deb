"""An exchange that was begun under MPI."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

if TYPE_CHECKING:
    from mpi4py import MPI

    from dtrain.types import Array

LARGEST = 1 << 30
"""Bytes in one message. Open MPI 5 counts in 32-bit integers; what is larger goes in pieces."""


EAGER = 60 << 10
"""Bytes that every MPI sends over a network without asking the other side first (Open MPI: 64 KiB, with its header).
Whoever asks gets on by one question or answer each time that both sides are in a call, which is not often where
they compute meanwhile: on a slow link this hid 60 % of an exchange instead of 45."""


def requests_of(
    comm: MPI.Comm, byte: Any, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]],
    tag: int, largest: int,
) -> list[MPI.Request]:  # fmt: skip
    """Posts messages, and returns their requests. largest: bytes in one; both sides say the same."""
    requests = [
        comm.Irecv((piece, byte), source, tag)
        for source, array in receives
        for piece in _pieces(array, largest)
    ]
    requests += [
        comm.Isend((piece, byte), target, tag) for target, array in sends for piece in _pieces(array, largest)
    ]
    return requests


class Requests:
    """The requests of one exchange; they keep their arrays alive.

    unfinished: those of the communicator, among which this is until it is done: after a loss, MPI may yet write
    to its arrays. fail: raises what an error of MPI means.
    """

    def __init__(
        self, mpi: Any, requests: list[MPI.Request], unfinished: set[Any],
        fail: Callable[[MPI.Exception], NoReturn],
    ) -> None:  # fmt: skip
        self.list = requests
        self._mpi, self._unfinished, self._fail = mpi, unfinished, fail
        unfinished.add(self)

    def done(self) -> bool:
        """Tells whether all have ended; MPI gets on with every message meanwhile."""
        try:
            done: bool = self._mpi.Request.Testall(self.list)
        except self._mpi.Exception as error:
            self._fail(error)
        if done:
            self.list = []
            self._unfinished.discard(self)
        return done


def _pieces(array: Array, largest: int) -> list[Array]:
    """The array itself, or consecutive parts of it."""
    if array.nbytes <= largest:
        return [array]
    raw = array.reshape(-1).view(np.uint8)
    return [raw[start : start + largest] for start in range(0, raw.size, largest)]
