"""Every rank gets every rank's stretch, in order, in ⌈log₂ N⌉ messages."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.engine.all_gather import all_gather
from dtrain.engine.moves import drive
from tests.support import assert_same_bits, rough


@pytest.mark.parametrize("ranks", [1, 2, 3, 4, 5, 7, 8])
@pytest.mark.parametrize("lengths", ["equal", "turned", "unequal", "some empty"])
def test_every_rank_has_all_stretches_in_the_order_of_ranks(ranks, lengths):
    sizes = {
        "equal": [6] * ranks,
        "turned": [6] * ranks,
        "unequal": [3 + r for r in range(ranks)],
        "some empty": [5 * (r % 2) for r in range(ranks)],
    }[lengths]
    whole = rough(sum(sizes))
    starts = np.cumsum([0, *sizes]).tolist()
    places = [slice(a, b) for a, b in pairwise(starts)]
    if lengths == "turned":
        places = [*places[1:], places[0]]

    def body(communicator):
        counting = CountingCommunicator(communicator)
        out, rank = np.zeros_like(whole), communicator.rank
        assert drive(all_gather(rank, places, whole[places[rank]].copy(), out), counting) is None
        return out, counting.calls["exchange"], counting.bytes["exchange"]

    for rank, (out, rounds, sent) in enumerate(run_ranks(ranks, body)):
        assert_same_bits(out, whole)
        assert rounds == (ranks - 1).bit_length()
        if lengths == "equal":
            assert sent == 4 * 6 * (ranks - 1), rank
