"""Every rank gets every rank's stretch, in order: few at once, many in ⌈log₂ N⌉ rounds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, run_ranks
from dtrain.engine.all_gather import DIRECT, all_gather
from dtrain.engine.moves import drive
from tests.support import assert_same_bits, rough


@pytest.mark.parametrize("ranks", [1, 2, 3, 5, 8, 9, 12, 16])
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
        out[places[rank]] = whole[places[rank]]
        assert drive(all_gather(rank, places, out), counting) is None
        return out, counting.calls["exchange"], counting.messages["exchange"], counting.bytes["exchange"]

    for rank, (out, rounds, messages, sent) in enumerate(run_ranks(ranks, body)):
        assert_same_bits(out, whole)
        if ranks <= DIRECT:
            assert rounds == (ranks > 1)
            assert messages == (ranks - 1 if places[rank].stop > places[rank].start else 0)
        else:
            assert rounds == messages == (ranks - 1).bit_length()
        if lengths == "equal":
            assert sent == 4 * 6 * (ranks - 1), rank
