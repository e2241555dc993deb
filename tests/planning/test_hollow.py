"""The communicator of one rank alone: it keeps to the protocol, and notes what passes."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from dtrain.communicator import Communicator, SerialCommunicator, run_ranks
from dtrain.planning.hollow import HollowCommunicator
from dtrain.planning.trace import Call


def names_of(kind):
    return {name for name, value in vars(kind).items() if inspect.isfunction(value) and name[0] != "_"}


def test_it_has_every_method_of_the_protocol_with_the_same_arguments():
    for name in names_of(Communicator):
        expected = list(inspect.signature(getattr(Communicator, name)).parameters)
        assert list(inspect.signature(getattr(HollowCommunicator, name)).parameters) == expected
    assert names_of(Communicator) == names_of(SerialCommunicator) - {"_"}


def test_peers_say_what_it_says_and_send_zeros():
    hollow = HollowCommunicator(1, 3)
    receive = np.zeros((3, 2))
    hollow.allgather(np.array([1.0, 2.0]), receive)
    assert receive.tolist() == [[1.0, 2.0]] * 3
    told = hollow.share({"a": [1]})
    assert told == [{"a": [1]}] * 3
    assert told[0] is not told[1]
    taken = np.full(4, 7.0)
    hollow.exchange([(0, np.zeros(2)), (1, np.zeros(8))], [(2, taken)])
    assert taken.tolist() == [0.0] * 4
    hollow.barrier()
    pending = hollow.begin([(2, np.zeros(1))], [(0, taken)], tag=5)
    assert pending.done()
    hollow.wait([pending])
    assert hollow.calls == [
        Call("allgather", 16),
        Call("share"),
        Call("exchange", 0, ((0, 16),), ((2, 32),)),
        Call("barrier"),
        Call("begin", 0, ((2, 8),), ((0, 32),)),
        Call("wait"),
    ]
    assert len(hollow.work) == 6
    assert all(seconds >= 0 for seconds in hollow.work)
    hollow.restart()
    hollow.end()
    assert (hollow.calls, len(hollow.work)) == ([], 1)


def test_its_own_array_is_its_own_and_all_peers_have_one():
    arrays = HollowCommunicator(2, 1024, shares_memory=True).allocate(10, np.float32)
    assert len(arrays) == 1024
    assert len({id(array) for array in arrays}) == 2
    arrays[2][:] = 1
    assert not arrays[0].any()
    private = HollowCommunicator(2, 4).allocate(10, np.float32)
    assert [array is None for array in private] == [True, True, False, True]
    assert HollowCommunicator(2, 4).common(3, np.int64).tolist() == [0, 0, 0]


def test_arrays_that_no_communicator_takes_are_refused():
    with pytest.raises(ValueError, match=r"expected a receive of \(3, 2\)"):
        HollowCommunicator(0, 3).allgather(np.zeros(2), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="expected a peer from 0 to 2, got 3"):
        HollowCommunicator(0, 3).exchange([(3, np.zeros(2))], [])
    with pytest.raises(ValueError, match="expected a rank from 0 to 2, got 3"):
        HollowCommunicator(3, 3)


def test_fellows_work_at_the_same_time():
    """No one gets past a collective before the other has come to it."""

    def work(communicator):
        hollow = HollowCommunicator(communicator.rank * 7, 8, fellows=communicator)
        before = communicator.entered
        for _ in range(5):
            hollow.barrier()
        return communicator.entered - before

    assert run_ranks(2, work) == [5, 5]
