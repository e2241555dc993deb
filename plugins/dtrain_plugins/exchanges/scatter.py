"""An array cut over the ranks: each gets everybody's numbers of its stretch, and gives back one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from dtrain import Array, GradientPart, Moves, ValuePart

    Part = GradientPart | ValuePart


def stretch(n: int, size: int, rank: int) -> slice:
    """Returns which of n numbers a rank adds up: ⌈n/size⌉, those of the last ranks maybe fewer, or none."""
    width = -(-n // size)
    return slice(min(rank * width, n), min((rank + 1) * width, n))


def scatter(part: Part, array: Array) -> Moves[Array]:
    """Returns every rank's numbers of this rank's stretch, in the order of ranks: (n,) → (size, stretch)."""
    own = array[stretch(len(array), part.size, part.rank)]
    received = np.empty((part.size, len(own)), array.dtype)
    received[part.rank] = own
    peers = [rank for rank in range(part.size) if rank != part.rank]
    yield from part.swap(
        [(peer, array[stretch(len(array), part.size, peer)]) for peer in peers],
        [(peer, received[peer]) for peer in peers],
    )
    return received


def collect(part: Part, own: Array, n: int) -> Moves[Array]:
    """Returns the n numbers of which `own` is this rank's stretch, on every rank."""
    padded = np.zeros(-(-n // part.size), own.dtype)
    padded[: len(own)] = own
    every = yield from part.gather(padded)
    return every.reshape(-1)[:n]
