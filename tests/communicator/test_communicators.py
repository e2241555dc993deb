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


def finish(communicator, pendings):
    """Waits for all that was begun."""
    while left := [pending for pending in pendings if not pending.done()]:
        communicator.wait(left)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_begun_under_several_tags_arrives_in_any_order(run, dtype):
    """Every rank begins in an order of its own; every pair and tag has a length of its own, nothing among them."""
    tags = 4

    def body(communicator):
        me, everyone = communicator.rank, range(communicator.size)
        pendings, received = [], []
        for turn in range(tags):
            tag = (turn + me) % tags
            sends = [(k, sample((3 * me + k + 5 * tag,), dtype, 10 * me + k + tag)) for k in everyone]
            receives = [(k, np.full(3 * k + me + 5 * tag, 99, dtype)) for k in reversed(everyone)]
            pendings.append(communicator.begin(sends, receives, tag))
            received += [(tag, *pair) for pair in receives]
        finish(communicator, pendings)
        for tag, peer, array in received:
            expected = sample((3 * peer + me + 5 * tag,), dtype, 10 * peer + me + tag)
            np.testing.assert_array_equal(array, expected)

    run(body)


def test_messages_of_one_tag_keep_their_order_over_several_begins(run):
    def body(communicator):
        me, size = communicator.rank, communicator.size
        after, before = (me + 1) % size, (me - 1) % size
        arrays = [np.empty(4) for _ in range(6)]
        pendings = [communicator.begin([], [(before, arrays[0]), (before, arrays[1])], 7)]
        pendings += [communicator.begin([(after, np.full(4, 10.0 * me + k))], [], 7) for k in range(6)]
        pendings += [communicator.begin([], [(before, array)], 7) for array in arrays[2:]]
        finish(communicator, pendings)
        assert [array[0] for array in arrays] == [10.0 * before + k for k in range(6)]

    run(body)


def test_follow_up_rounds_may_start_in_any_order(run):
    """A tag's second round goes out when its first is in, whatever the others do; large ones take their time."""

    def body(communicator):
        me, size = communicator.rank, communicator.size
        after, before = (me + 1) % size, (me - 1) % size

        def two_rounds(tag):
            taken, again = np.empty(40_000 >> tag), np.empty(40_000 >> tag)
            yield communicator.begin([(after, np.full(len(taken), 100.0 * tag + me))], [(before, taken)], tag)
            yield communicator.begin([(before, taken)], [(after, again)], tag)
            np.testing.assert_array_equal(again, 100.0 * tag + me)

        going = {work: next(work) for work in [two_rounds(tag) for tag in range(6)]}
        ended = 0
        while going:
            communicator.wait(list(going.values()))
            for work in [work for work, pending in going.items() if pending.done()]:
                going[work] = next(work, None)
                if going[work] is None:
                    del going[work]
                    ended += 1
        assert ended == 6

    run(body)


def test_collectives_and_exchanges_may_come_before_the_end_of_what_was_begun(run):
    def body(communicator):
        me, size = communicator.rank, communicator.size
        after, before = (me + 1) % size, (me - 1) % size
        early, late = np.empty(1000), np.empty(3)
        pending = communicator.begin([(after, np.full(1000, float(me)))], [(before, early)], 0)
        communicator.exchange([(after, np.full(3, -1.0 - me))], [(before, late)])
        receive = np.zeros((size, 1))
        communicator.allgather(np.full(1, float(me)), receive)
        assert receive[:, 0].tolist() == list(range(size))
        communicator.barrier()
        finish(communicator, [pending])
        np.testing.assert_array_equal(early, before)
        np.testing.assert_array_equal(late, -1 - before)

    run(body)


def test_what_is_not_sent_yet_is_not_done(run):
    def body(communicator):
        me, size = communicator.rank, communicator.size
        array = np.zeros(2)
        pending = communicator.begin([], [((me - 1) % size, array)], 3)
        communicator.barrier()
        assert not any(pending.done() for _ in range(10))
        communicator.barrier()
        sent = communicator.begin([((me + 1) % size, np.full(2, 1.0 + me))], [], 3)
        communicator.wait([pending])
        assert pending.done()
        assert pending.done()
        np.testing.assert_array_equal(array, 1 + (me - 1) % size)
        finish(communicator, [sent])

    run(body)


def test_one_that_is_done_ends_the_wait_for_several(run):
    def body(communicator):
        me, size = communicator.rank, communicator.size
        after, before = (me + 1) % size, (me - 1) % size
        first, second = np.zeros(2), np.zeros(2)
        pendings = [
            communicator.begin([], [(before, first)], 0),
            communicator.begin([], [(before, second)], 1),
        ]
        sent = [communicator.begin([(after, np.ones(2))], [], 1)]
        communicator.wait(pendings)
        assert [pending.done() for pending in pendings] == [False, True]
        communicator.barrier()
        sent.append(communicator.begin([(after, np.ones(2))], [], 0))
        finish(communicator, pendings + sent)

    run(body)


def test_to_begin_nothing_is_done_at_once(run):
    def body(communicator):
        pending = communicator.begin([], [], 0)
        assert pending.done()
        communicator.wait([pending])

    run(body)


def test_what_was_begun_keeps_its_arrays_alive(run):
    def body(communicator):
        me, size = communicator.rank, communicator.size
        pendings = [
            communicator.begin(
                [((me + 1) % size, np.full(50_000, float(tag)))], [((me - 1) % size, np.empty(50_000))], tag
            )
            for tag in range(5)
        ]
        gc.collect()
        rubbish = [np.full(50_000, np.nan) for _ in range(10)]
        finish(communicator, pendings)
        assert len(rubbish) == 10

    run(body)


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
        communicator.announce("finish", (3, 1024), "float32")
        communicator.begin([], [], 0).done()
        told.append(communicator.where())
        assert told == [
            "no collective yet",
            "barrier #1",
            "allgather #2 of (2, 3) float64",
            "exchange #3 of 1 sends and 1 receives",
            "share #4",
            "allocate #5 of (8,) int64",
            "finish #6 of (3, 1024) float32",
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
        counting.announce("finish", (1,), "int8")
        begun = [(k, np.zeros(5)) for k in everyone], [(k, np.zeros(5)) for k in everyone]
        finish(counting, [counting.begin(*begun, tag=0)])
        assert counting.calls == {
            "allgather": 1, "exchange": 1, "share": 1, "allocate": 1, "barrier": 2, "announce": 1, "begin": 1,
        }  # fmt: skip
        assert {k: n for k, n in counting.messages.items() if n} == (
            dict.fromkeys(("allgather", "exchange", "begin"), size - 1) if size > 1 else {}
        )
        sent = [counting.bytes[name] for name in ("allgather", "exchange", "begin")]
        assert sent == [24 * (size - 1), 16 * (size - 1), 40 * (size - 1)]
        assert counting.where() == "finish #7 of (1,) int8"
        assert counting.shares_memory == communicator.shares_memory
        counting.reset()
        assert not counting.calls
        assert not counting.messages
        assert not counting.bytes

    run(body)
