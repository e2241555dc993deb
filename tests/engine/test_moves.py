"""Several generators at a time: each goes on when its own messages are done, whatever the others do."""

from __future__ import annotations

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.contracts import Messages
from dtrain.engine.all_gather import all_gather
from dtrain.engine.moves import Traffic
from dtrain.errors import CollectiveMismatch, PeerFailed, RankLost
from tests.engine.delays import Delays, Untold
from tests.support import RANKS

COUNT = 6


def gathering(rank, ranks, number, found):
    """Two all-gathers, the second of what the first has brought."""
    every = np.zeros((ranks, 2))
    every[rank] = 100 * number + rank, number
    yield from all_gather(rank, [slice(2 * r, 2 * r + 2) for r in range(ranks)], every.reshape(-1))
    again = np.zeros(2 * ranks * ranks)
    places = [slice(2 * ranks * r, 2 * ranks * (r + 1)) for r in range(ranks)]
    again[places[rank]] = every.reshape(-1) + rank
    yield from all_gather(rank, places, again)
    found[number] = again


def expected(ranks):
    return {
        number: np.concatenate(
            [
                np.array([(100.0 * number + r, number) for r in range(ranks)]).reshape(-1) + k
                for k in range(ranks)
            ]
        )
        for number in range(COUNT)
    }


def gather(wrap, seed=0):
    """A body: all of them on every rank, started in an order of its own, with pokes in between."""

    def body(communicator):
        rank, ranks = communicator.rank, communicator.size
        traffic, found = Traffic(wrap(communicator, seed)), {}
        for number in np.random.default_rng((seed, rank)).permutation(COUNT).tolist():
            traffic.start(number, gathering(rank, ranks, number, found))
            traffic.poke()
        traffic.finish()
        return found

    return body


@pytest.mark.parametrize("ranks", RANKS)
@pytest.mark.parametrize("seed", range(3))
def test_delays_and_the_order_of_starting_change_nothing(ranks, seed):
    for found in run_ranks(ranks, gather(Delays, seed)):
        assert found.keys() == expected(ranks).keys()
        for number, every in expected(ranks).items():
            np.testing.assert_array_equal(found[number], every)


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_without_tags_messages_are_taken_for_others(ranks):
    try:
        every = run_ranks(ranks, gather(Untold))
    except CollectiveMismatch:  # of another length
        return
    right = [(found[number] == expected(ranks)[number]).all() for found in every for number in found]
    assert not all(right)


def test_one_rank_has_nobody_to_wait_for():
    found = {}
    traffic = Traffic(SerialCommunicator())
    traffic.start(0, gathering(0, 1, 0, found))
    np.testing.assert_array_equal(found[0], expected(1)[0])
    traffic.poke()
    traffic.finish()


def test_a_rank_that_raises_takes_the_others_out_of_what_they_wait_for():
    seen = {}

    def stops(rank):
        yield Messages([((rank + 1) % 3, np.zeros(2))], [((rank - 1) % 3, np.zeros(2))])
        if rank == 1:
            raise ValueError("boom")
        yield Messages([], [(1, np.zeros(2))])

    def body(communicator):
        traffic = Traffic(communicator)
        traffic.start(0, stops(communicator.rank))
        try:
            traffic.finish()
        except PeerFailed as error:
            seen[communicator.rank] = str(error)
            raise

    with pytest.raises(ValueError, match="boom") as caught:
        run_ranks(3, body)
    assert caught.value.__notes__ == ["on rank 1 of 3"]
    assert len(seen) == 2
    assert all("rank 1 of 3 failed with ValueError" in text for text in seen.values())


def until_lost(act):
    while True:
        act()


@pytest.mark.parametrize("how", ["poke", "finish"])
def test_a_rank_that_is_killed_is_a_loss_to_the_others(how):
    def body(communicator):
        traffic = Traffic(communicator)
        if communicator.rank == 2:
            communicator.die()
        traffic.start(0, gathering(communicator.rank, 3, 0, {}))
        with pytest.raises(RankLost):
            until_lost(getattr(traffic, how))
        communicator.shrink()
        fresh, found = Traffic(communicator), {}
        fresh.start(0, gathering(communicator.rank, 2, 0, found))
        fresh.finish()
        return found[0]

    for found in run_ranks(3, body, deaths={}):
        np.testing.assert_array_equal(found, expected(2)[0])
