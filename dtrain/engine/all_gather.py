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


def all_gather(rank: int, places: Sequence[slice], own: Array, out: Array) -> Moves[None]:
    """Puts every rank's stretch into `out`, 1-D, of one dtype.

    places: where each rank's lies. By doubling: after k rounds a rank holds its own stretch and those of the 2ᵏ−1 ranks
    behind it, ⌈log₂ N⌉ messages in all, each number once (Bruck, Ho, Kipnis, Upfal & Weathersby, "Efficient
    algorithms for all-to-all communications in multiport message-passing systems", 1997).
    """
    size = len(places)
    turned = [*places[rank:], *places[:rank]]
    ends = [0, *accumulate(place.stop - place.start for place in turned)]
    held = np.empty(ends[-1], own.dtype)
    held[: ends[1]] = own
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
