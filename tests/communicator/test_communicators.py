"""What every communicator does: serial and threads in a plain `pytest`, MPI under mpirun."""

from __future__ import annotations

import gc
import time

import numpy as np
import pytest

from dtrain.communicator import CountingCommunicator, SerialCommunicator, run_ranks
from dtrain.communicator.environment import launched

DTYPES = ["bool", "int8", "uint16", "int64", "float16", "float32", "float64", "complex64", "complex128"]
SHAPES = [(), (1,), (7,), (2, 3), (0,), (0, 4), (3, 0)]


def serial(function):
    return [function(SerialCommunicator())]


def threads(ranks, share_memory):
    return lambda function: run_ranks(ranks, function, share_memory)


def mpi(**options):
    def run(function):
        from dtrain.communicator import MpiCommunicator

        communicator = MpiCommunicator(**options)
        try:
            return [function(communicator)]
        finally:
            communicator.close()

    return run


if launched() is None:
    JOBS = [pytest.param(serial, id="serial")] + [
        pytest.param(threads(ranks, shared), id=f"threads-{ranks}-{'shared' if shared else 'private'}")
        for ranks in (1, 2, 3, 5)
        for shared in (True, False)
    ]
else:
    JOBS = [
        pytest.param(mpi(), id="mpi-shared", marks=pytest.mark.mpi),
        pytest.param(mpi(share_memory=False), id="mpi-private", marks=pytest.mark.mpi),
        pytest.param(mpi(check=True), id="mpi-checked", marks=pytest.mark.mpi),
    ]


@pytest.fixture(params=JOBS)
def run(request):
    """Runs a function(communicator) on every rank; returns the results of the ranks of this process."""
    return request.param


def sample(shape, dtype, seed):
    """Numbers that differ from rank to rank, in every dtype."""
    count = int(np.prod(shape))
    numbers = ((np.arange(count) * 3 + seed * 7 + 1) % 100).astype(dtype)
    if numbers.dtype.kind == "c":
        numbers += 1j * seed
    return numbers.reshape(shape)


def test_knows_its_rank(run):
    ranks = run(lambda communicator: (communicator.rank, communicator.size))
    job = launched()
    expected = [(job.rank, job.size)] if job else [(k, len(ranks)) for k in range(len(ranks))]
    assert ranks == expected


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_allgather_puts_every_rank_in_its_row(run, shape, dtype):
    def body(communicator):
        send = sample(shape, dtype, communicator.rank)
        receive = np.full((communicator.size, *shape), 99, dtype)
        communicator.allgather(send, receive)
        for rank in range(communicator.size):
            np.testing.assert_array_equal(receive[rank], sample(shape, dtype, rank))
        np.testing.assert_array_equal(send, sample(shape, dtype, communicator.rank))

    run(body)


def test_allgather_takes_the_same_buffers_again_and_again(run):
    def body(communicator):
        send, receive = np.empty(5), np.empty((communicator.size, 5))
        for turn in range(30):
            send[:] = 100 * turn + communicator.rank
            communicator.allgather(send, receive)
            send[:] = -1  # what was gathered is a copy
            expected = 100 * turn + np.arange(communicator.size)
            np.testing.assert_array_equal(receive, expected[:, None] + np.zeros(5))

    run(body)


@pytest.mark.parametrize("meet", ["barrier", "allgather", "allgather of nothing"])
def test_what_was_written_before_is_visible_after(run, meet):
    def body(communicator):
        arrays = communicator.allocate(3, np.int64)
        if not communicator.shares_memory:
            return
        length = 0 if meet == "allgather of nothing" else 2
        send, receive = np.zeros(length), np.zeros((communicator.size, length))
        for late in range(communicator.size):
            if communicator.rank == late:
                time.sleep(0.02)
            arrays[communicator.rank][:] = late + 1
            if meet == "barrier":
                communicator.barrier()
            else:
                communicator.allgather(send, receive)
            assert [array.tolist() for array in arrays] == [[late + 1] * 3] * communicator.size
            communicator.barrier()

    run(body)


@pytest.mark.parametrize("dtype", DTYPES)
def test_exchange_between_all_pairs_and_with_itself(run, dtype):
    """Every pair has a length of its own, nothing among them."""

    def body(communicator):
        me, everyone = communicator.rank, range(communicator.size)
        sends = [(peer, sample((3 * me + peer,), dtype, 10 * me + peer)) for peer in everyone]
        receives = [(peer, np.full(3 * peer + me, 99, dtype)) for peer in reversed(everyone)]
        communicator.exchange(sends, receives)
        for peer, array in receives:
            np.testing.assert_array_equal(array, sample((3 * peer + me,), dtype, 10 * peer + me))

    run(body)


def test_messages_of_one_pair_keep_their_order(run):
    def body(communicator):
        me, size = communicator.rank, communicator.size
        after, before = (me + 1) % size, (me - 1) % size
        sends = [(after, np.full(4, 10.0 * me + number)) for number in range(5)]
        receives = [(before, np.empty(4)) for _ in range(5)]
        communicator.exchange(sends, receives)
        for number, (_, array) in enumerate(receives):
            np.testing.assert_array_equal(array, np.full(4, 10.0 * before + number))

    run(body)


def test_exchange_of_slices_and_rows(run):
    def body(communicator):
        me, size = communicator.rank, communicator.size
        flat = np.arange(4.0 * size) + 100 * me
        table = np.full((size, 4), -1.0)
        communicator.exchange(
            [(peer, flat[4 * peer : 4 * peer + 4]) for peer in range(size)],
            [(peer, table[peer]) for peer in range(size)],
        )
        np.testing.assert_array_equal(table, 100 * np.arange(size)[:, None] + 4 * me + np.arange(4.0))

    run(body)


def test_exchange_may_concern_some_ranks_only(run):
    def body(communicator):
        last = communicator.size - 1
        array = np.zeros(3)
        sends = [(last, np.arange(3.0))] if communicator.rank == 0 else []
        communicator.exchange(sends, [(0, array)] if communicator.rank == last else [])
        assert array.tolist() == ([0, 1, 2] if communicator.rank == last else [0, 0, 0])

    run(body)


def test_exchange_of_nothing(run):
    run(lambda communicator: communicator.exchange([], []))


def test_share_gives_every_value_as_json_has_it(run):
    def body(communicator):
        values = communicator.share({"rank": communicator.rank, "pair": (1, None), "name": "Σß→"})
        assert values == [{"rank": k, "pair": [1, None], "name": "Σß→"} for k in range(communicator.size)]

    run(body)


def test_share_takes_values_of_any_length(run):
    def body(communicator):
        values = communicator.share("x" * (50_000 * communicator.rank))
        assert [len(value) for value in values] == [50_000 * k for k in range(communicator.size)]

    run(body)


def test_share_refuses_what_json_cannot_hold(run):
    def body(communicator):
        with pytest.raises(TypeError, match="not JSON serializable"):
            communicator.share(np.zeros(3))
        communicator.barrier()  # nobody was left in the share

    run(body)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("count", [0, 1, 1000, 4097])
def test_allocated_arrays_are_zeroed_aligned_and_one_per_rank(run, count, dtype):
    def body(communicator):
        arrays = communicator.allocate(count, dtype)
        assert len(arrays) == communicator.size
        for rank, array in enumerate(arrays):
            if rank != communicator.rank and not communicator.shares_memory:
                assert array is None
                continue
            assert (array.shape, array.dtype) == ((count,), np.dtype(dtype))
            assert array.ctypes.data % 64 == 0
            assert array.flags.writeable
            assert not array.any()
        communicator.barrier()

    run(body)


def test_ranks_write_their_own_array_and_read_all(run):
    def body(communicator):
        first, second = communicator.allocate(1000, "float32"), communicator.allocate(1000, "float32")
        first[communicator.rank][:] = communicator.rank + 1
        communicator.barrier()
        for rank, array in enumerate(first):
            if array is not None:
                np.testing.assert_array_equal(array, np.full(1000, rank + 1, "float32"))
        assert not second[communicator.rank].any()
        communicator.barrier()

    run(body)


def test_arrays_outlive_what_else_was_allocated(run):
    def body(communicator):
        array = communicator.allocate(100_000, "float64")[communicator.rank]
        gc.collect()
        array[:] = 3
        assert array.sum() == 300_000
        communicator.barrier()

    run(body)


def test_where_names_the_last_collective(run):
    def body(communicator):
        told = [communicator.where()]
        communicator.barrier()
        told.append(communicator.where())
        communicator.allgather(np.zeros((2, 3)), np.zeros((communicator.size, 2, 3)))
        told.append(communicator.where())
        communicator.exchange([(communicator.rank, np.zeros(2))], [(communicator.rank, np.zeros(2))])
        told.append(communicator.where())
        communicator.share(1)
        told.append(communicator.where())
        communicator.allocate(8, "int64")
        told.append(communicator.where())
        assert told == [
            "no collective yet",
            "barrier #1",
            "allgather #2 of (2, 3) float64",
            "exchange #3 of 1 sends and 1 receives",
            "share #4",
            "allocate #5 of (8,) int64",
        ]

    run(body)


def test_counting_changes_nothing_but_counts(run):
    def body(communicator):
        counting = CountingCommunicator(communicator)
        me, size = counting.rank, counting.size
        receive = np.zeros((size, 3))
        counting.allgather(np.full(3, float(me)), receive)
        np.testing.assert_array_equal(receive, np.arange(size)[:, None] + np.zeros(3))
        everyone = range(size)
        counting.exchange([(k, np.zeros(2)) for k in everyone], [(k, np.zeros(2)) for k in everyone])
        assert counting.share(me) == list(everyone)
        assert len(counting.allocate(4, "int8")) == size
        counting.barrier()
        counting.barrier()
        assert counting.calls == {"allgather": 1, "exchange": 1, "share": 1, "allocate": 1, "barrier": 2}
        assert {k: n for k, n in counting.messages.items() if n} == (
            {"allgather": size - 1, "exchange": size - 1} if size > 1 else {}
        )
        assert (counting.bytes["allgather"], counting.bytes["exchange"]) == (24 * (size - 1), 16 * (size - 1))
        assert counting.where() == "barrier #6"
        assert counting.shares_memory == communicator.shares_memory
        counting.reset()
        assert not counting.calls
        assert not counting.messages
        assert not counting.bytes

    run(body)
