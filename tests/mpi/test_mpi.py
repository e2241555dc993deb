"""What only MPI has: pieces of large messages, its own check, the switches of sharing."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from dtrain.errors import CollectiveMismatch, RankLost, RunError

pytestmark = pytest.mark.mpi


@pytest.fixture
def job():
    """Makes MpiCommunicators and closes them."""
    from dtrain.communicator import MpiCommunicator

    made = []

    def make(*arguments, **options):
        made.append(MpiCommunicator(*arguments, **options))
        return made[-1]

    yield make
    for communicator in made:
        communicator.close()


@pytest.mark.parametrize("count", [124, 125, 126, 1000])
def test_large_arrays_go_in_pieces(job, monkeypatch, count):
    monkeypatch.setattr("dtrain.communicator.mpi.LARGEST", 1000)
    monkeypatch.setattr("dtrain.communicator.requests.LARGEST", 1000)
    communicator = job()
    me, size = communicator.rank, communicator.size
    receive = np.zeros((size, count))
    communicator.allgather(np.arange(count) + 1000.0 * me, receive)
    np.testing.assert_array_equal(receive, 1000.0 * np.arange(size)[:, None] + np.arange(count))
    receives = [(peer, np.zeros(count)) for peer in range(size)]
    communicator.exchange([(peer, np.arange(count) + 10.0 * me + peer) for peer in range(size)], receives)
    for peer, array in receives:
        np.testing.assert_array_equal(array, np.arange(count) + 10.0 * peer + me)
    after, before, begun = (me + 1) % size, (me - 1) % size, np.zeros(count)
    pending = communicator.begin([(after, np.arange(count) + 10.0 * me)], [(before, begun)], 0)
    while not pending.done():
        communicator.wait([pending])
    np.testing.assert_array_equal(begun, np.arange(count) + 10.0 * before)


def test_what_is_done_at_an_uncaught_error_is_undone_by_close():
    from dtrain.communicator import MpiCommunicator

    before = sys.excepthook
    communicator = MpiCommunicator()
    assert sys.excepthook != before
    communicator.close()
    assert sys.excepthook == before


def test_ranks_of_one_host_share_memory(job):
    assert job().shares_memory


def test_the_environment_turns_sharing_off(job, monkeypatch):
    monkeypatch.setenv("DTRAIN_SHARED_MEMORY", "0")
    assert not job().shares_memory


def test_all_ranks_share_or_none(job):
    assert job(share_memory=True).share(1)
    unwilling = job(share_memory=False)
    mixed = job(share_memory=unwilling.rank > 0)
    assert not mixed.shares_memory


def test_a_host_without_memory_is_an_error_on_all_ranks(job, monkeypatch):
    communicator = job()

    def full(*_):
        raise OSError(28, "No space left on device")

    if communicator.rank == communicator.size - 1:
        monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(RunError) as caught:
        communicator.allocate(1000, "float32")
    last = communicator.size - 1
    assert str(caught.value) == (
        f"cannot allocate 1000 float32 a rank, shared by {last + 1} ranks: "
        f"rank {last}: [Errno 28] No space left on device ({4096 * (last + 1)} bytes); "
        "DTRAIN_SHARED_MEMORY=0 turns sharing off"
    )


def test_a_host_where_nothing_can_be_mapped_is_found_at_the_start(job, monkeypatch):
    monkeypatch.delattr("os.memfd_create")
    communicator = job()
    assert not communicator.shares_memory
    own = communicator.allocate(3, "float32")[communicator.rank]
    assert own.tolist() == [0, 0, 0]


@pytest.mark.mpi(min_size=2)
def test_the_check_names_different_collectives(job):
    communicator = job(check=True)
    size = communicator.size

    def meet():
        if communicator.rank == 1:
            communicator.share("elsewhere")
        else:
            communicator.allgather(np.zeros(3), np.zeros((size, 3)))

    with pytest.raises(CollectiveMismatch) as caught:
        meet()
    others = "".join(f"; rank {k} in allgather #1 of (3,) float64" for k in range(2, size))
    assert str(caught.value) == (
        "ranks met in different collectives: rank 0 in allgather #1 of (3,) float64; rank 1 in share #1"
        + others
    )
    communicator.barrier()


@pytest.mark.mpi(min_size=2)
def test_the_environment_asks_for_the_check(job, monkeypatch):
    monkeypatch.setenv("DTRAIN_CHECK", "1")
    communicator = job()
    dtype = "float32" if communicator.rank == 0 else "float64"
    with pytest.raises(
        CollectiveMismatch, match=r"rank 0 in allgather #1 of \(2,\) float32; rank 1 in .*float64"
    ):
        communicator.allgather(np.zeros(2, dtype), np.zeros((communicator.size, 2), dtype))


@pytest.mark.mpi(min_size=2)
def test_the_check_names_an_unmatched_message(job):
    communicator = job(check=True)
    me = communicator.rank
    sends = [(1, np.zeros(3))] if me == 0 else []
    receives = [(0, np.zeros(4))] if me == 1 else []
    with pytest.raises(CollectiveMismatch) as caught:
        communicator.exchange(sends, receives)
    assert str(caught.value) == (
        "exchange #1: message 0 from rank 0 to rank 1: rank 0 sends 3 float64, rank 1 receives 4 float64"
    )


@pytest.mark.mpi(min_size=2)
def test_the_check_names_different_announcements(job):
    communicator = job(check=True)
    count = 3 + (communicator.rank == 1)
    with pytest.raises(CollectiveMismatch) as caught:
        communicator.announce("finish", (count, 10), "float32")
    others = "".join(f"; rank {k} in finish #1 of (3, 10) float32" for k in range(2, communicator.size))
    assert str(caught.value) == (
        "ranks met in different collectives: rank 0 in finish #1 of (3, 10) float32; "
        "rank 1 in finish #1 of (4, 10) float32" + others
    )


class Forgetful:
    """An MPI communicator that returns from a collective without what the last rank sent."""

    def __init__(self, comm, forgets):
        self._comm, self._forgets = comm, forgets

    def __getattr__(self, name):
        return getattr(self._comm, name)

    def Allgather(self, send, receive):  # noqa: N802
        self._comm.Allgather(send, receive)
        if self._forgets == "length":
            receive[-1] = 0

    def Allgatherv(self, send, receive):  # noqa: N802
        self._comm.Allgatherv(send, receive)
        if self._forgets == "text":
            receive[0][-2:] = 0


@pytest.mark.parametrize("forgets", ["length", "text"])
@pytest.mark.parametrize("recovers", [True, False])
def test_words_that_came_wrong_are_an_error_and_not_taken_for_good(job, forgets, recovers):
    communicator = job()
    communicator.recovers = recovers
    communicator._comm = Forgetful(communicator._comm, forgets)
    communicator._revoked = lambda: communicator._comm
    with pytest.raises(RankLost if recovers else RunError) as caught:
        communicator.share("words")
    assert str(caught.value) == "share #1 brought something else than what was sent"


def test_a_part_of_the_job_can_have_a_communicator(job):
    from mpi4py import MPI

    world = MPI.COMM_WORLD
    half = world.Split(world.rank % 2)
    communicator = job(half)
    assert communicator.share(world.rank) == list(range(world.rank % 2, world.size, 2))
    half.Free()
