"""What threads that began an exchange owe each other when one of them goes wrong, and what a message promises."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from dtrain.communicator import SerialCommunicator, run_ranks
from dtrain.errors import CollectiveMismatch, PeerFailed, RankLost


def poll(communicator, pending):
    while not pending.done():
        time.sleep(0.001)


def wait(communicator, pending):
    communicator.wait([pending])


@pytest.mark.parametrize("until_done", [poll, wait])
def test_a_rank_that_raises_takes_out_those_that_wait_for_it(until_done):
    seen = {}

    def body(communicator):
        communicator.announce("finish", (2,), "int8")
        if communicator.rank == 2:
            raise KeyError("weight")
        try:
            until_done(communicator, communicator.begin([], [(2, np.zeros(3))], 0))
        except PeerFailed as error:
            seen[communicator.rank] = str(error)
            raise

    with pytest.raises(KeyError) as caught:
        run_ranks(3, body)
    assert caught.value.__notes__ == ["on rank 2 of 3"]
    text = "rank 2 of 3 failed with KeyError while this rank was in finish #1 of (2,) int8"
    assert seen == {0: text, 1: text}


@pytest.mark.parametrize("until_done", [poll, wait])
def test_a_rank_that_is_killed_takes_out_those_that_wait_for_it_and_the_others_begin_anew(until_done):
    """What was under way with the lost one is not what comes afterwards under the same tag."""

    def body(communicator):
        communicator.barrier()
        if communicator.rank == 1:
            communicator.begin([(0, np.full(3, -1.0))], [], 4)
            communicator.die()
        peer = 2 - communicator.rank
        stale = communicator.begin([(peer, np.full(3, 8.0))], [(1, np.zeros(3))], 5)
        with pytest.raises(RankLost) as caught:
            until_done(communicator, communicator.begin([], [(1, np.zeros(3))], 9))
        assert str(caught.value) == "rank 1 of 3 died while this rank was in barrier #1"
        assert stale is not None
        communicator.shrink()
        assert communicator.size == 2
        peer, array = 1 - communicator.rank, np.zeros(3)
        pendings = [communicator.begin([(peer, np.full(3, 5.0 + communicator.rank))], [(peer, array)], 5)]
        while not pendings[0].done():
            communicator.wait(pendings)
        return array.tolist()

    assert run_ranks(3, body, deaths={}) == [[6.0] * 3, [5.0] * 3]


def test_ranks_that_all_wait_for_what_nobody_sends_are_named():
    def body(communicator):
        if communicator.rank == 0:
            communicator.wait([communicator.begin([], [(1, np.zeros(3))], 0)])
        elif communicator.rank == 1:
            communicator.wait([communicator.begin([(2, np.zeros(3))], [], 1)])
        else:
            communicator.barrier()

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(3, body)
    assert str(caught.value) == (
        "nobody sends what ranks wait for: rank 0 waits for messages, after no collective yet; "
        "rank 1 waits for messages, after no collective yet; rank 2 is in barrier #1"
    )


def test_a_rank_that_returned_is_named():
    def body(communicator):
        communicator.barrier()
        if communicator.rank == 0:
            time.sleep(0.02)
            communicator.wait([communicator.begin([], [(1, np.zeros(3))], 0)])

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(2, body)
    assert str(caught.value) == (
        "nobody sends what ranks wait for: rank 0 waits for messages, after barrier #1; rank 1 has returned"
    )


def test_the_only_rank_does_not_wait_for_itself():
    communicator = SerialCommunicator()
    communicator.barrier()
    with pytest.raises(CollectiveMismatch) as caught:
        communicator.wait([communicator.begin([(0, np.zeros(3))], [], 0)])
    assert str(caught.value) == "the only rank waits for itself, after barrier #1"


@pytest.mark.parametrize(
    ("sent", "received", "told"),
    [
        (np.zeros(3), np.zeros(4), "rank 0 sends 3 float64, rank 1 receives 4 float64"),
        (np.zeros(3, "f4"), np.zeros(3), "rank 0 sends 3 float32, rank 1 receives 3 float64"),
    ],
    ids=["length", "dtype"],
)
def test_an_unmatched_message_is_named(sent, received, told):
    def body(communicator):
        pending = (
            communicator.begin([(1, sent)], [], 6)
            if communicator.rank == 0
            else communicator.begin([], [(0, received)], 6)
        )
        communicator.wait([pending])

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(2, body)
    assert str(caught.value) == f"a message with tag 6 from rank 0 to rank 1: {told}"


@pytest.mark.parametrize(
    ("peer", "array", "told"),
    [
        (2, np.zeros(2), "begin: expected a peer from 0 to 1, got 2"),
        (0, np.zeros(6)[::2], "begin: expected C-contiguous arrays, got strides (16,)"),
    ],
    ids=["peer", "strides"],
)
def test_what_cannot_be_sent_is_refused(peer, array, told):
    with pytest.raises(ValueError, match=r"^begin: ") as caught:
        run_ranks(2, lambda communicator: communicator.begin([(peer, array)], [], 0))
    assert str(caught.value) == told


def test_ranks_that_announce_different_things_are_named():
    def body(communicator):
        communicator.announce("finish", (4 + communicator.rank, 10), "float32")

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(2, body)
    assert str(caught.value) == (
        "ranks met in different collectives: rank 0 in finish #1 of (4, 10) float32; "
        "rank 1 in finish #1 of (5, 10) float32"
    )


def test_what_is_written_before_it_is_sent_is_seen_by_the_other_side():
    """So a test in which an array is written too early fails, as a run under MPI may."""
    begun = threading.Event()

    def body(communicator):
        array = np.full(3, 1.0)
        if communicator.rank == 0:
            pending = communicator.begin([(1, array)], [], 0)
            assert not pending.done()
            array[:] = 2
            begun.set()
        else:
            begun.wait()
            pending = communicator.begin([], [(0, array)], 0)
        communicator.wait([pending])
        return array.tolist()

    assert run_ranks(2, body) == [[2.0] * 3, [2.0] * 3]
