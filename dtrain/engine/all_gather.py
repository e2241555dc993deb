"""Every rank's stretch of an array to everyone, by messages between two ranks."""

from __future__ import annotations

from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np

from dtrain.contracts import Messages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dtrain.contracts import Moves
    from dtrain.types import Array


DIRECT = 8
"""Ranks up to which each sends its stretch to every other at once: nothing is copied, and nobody waits for a second
round. With more, so many small messages would take longer than the copies."""


def all_gather(rank: int, places: Sequence[slice], out: Array) -> Moves[None]:
    """Brings every rank's stretch of `out`, 1-D, to all; this rank's own is there already.

    places: where each rank's lies. Every number goes to every rank once, whatever their number is.
    """
    if len(places) > DIRECT:
        yield from _by_doubling(rank, places, out)
    elif len(places) > 1:
        others = [peer for peer in range(len(places)) if peer != rank]
        own, parts = out[places[rank]], [(peer, out[places[peer]]) for peer in others]
        yield Messages(
            [(peer, own) for peer in others if len(own)], [(peer, part) for peer, part in parts if len(part)]
        )


def _by_doubling(rank: int, places: Sequence[slice], out: Array) -> Moves[None]:
    """After k rounds a rank holds its own stretch and those of the 2ᵏ−1 ranks behind it: ⌈log₂ N⌉ messages in all.

    Bruck, Ho, Kipnis, Upfal & Weathersby, "Efficient algorithms for all-to-all communications in multiport
    message-passing systems", 1997.
    """
    size = len(places)
    turned = [*places[rank:], *places[:rank]]
    ends = [0, *accumulate(place.stop - place.start for place in turned)]
    held = np.empty(ends[-1], out.dtype)
    held[: ends[1]] = out[places[rank]]
    have = 1
    while have < size:
        more = min(have, size - have)
        yield Messages(
            [((rank - have) % size, held[: ends[more]])],
            [((rank + have) % size, held[ends[have] : ends[have + more]])],
        )
        have += more
    for place, (start, stop) in zip(turned, pairwise(ends), strict=True):
        out[place] = held[start:stop]
