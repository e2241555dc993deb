"""What ranks that are threads owe each other when one of them goes wrong."""

from __future__ import annotations

import contextvars
import threading
import time

import numpy as np
import pytest

from dtrain.communicator import run_ranks
from dtrain.errors import CollectiveMismatch, PeerFailed


def test_results_come_in_rank_order():
    def body(communicator):
        time.sleep(0.01 * (3 - communicator.rank))
        return communicator.rank

    assert run_ranks(3, body) == [0, 1, 2]


@pytest.mark.parametrize("share_memory", [True, False])
def test_private_arrays_are_asked_for(share_memory):
    def body(communicator):
        arrays = communicator.allocate(2, "float32")
        return communicator.shares_memory, [array is not None for array in arrays]

    own = [[True, False], [False, True]]
    expected = [(share_memory, [True, True] if share_memory else own[rank]) for rank in range(2)]
    assert run_ranks(2, body, share_memory) == expected


def test_different_collectives_are_named_on_every_rank():
    seen = {}

    def body(communicator):
        try:
            if communicator.rank == 1:
                communicator.barrier()
            else:
                communicator.allgather(np.zeros(3), np.zeros((3, 3)))
        except CollectiveMismatch as error:
            seen[communicator.rank] = str(error)
            raise

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(3, body)
    text = (
        "ranks met in different collectives: rank 0 in allgather #1 of (3,) float64; rank 1 in barrier #1; "
        "rank 2 in allgather #1 of (3,) float64"
    )
    assert str(caught.value) == text
    assert seen == {0: text, 1: text, 2: text}


@pytest.mark.parametrize(
    ("shapes", "dtypes", "told"),
    [
        (((3,), (4,)), ("f4", "f4"), ("(3,) float32", "(4,) float32")),
        (((2, 3), (3, 2)), ("f8", "f8"), ("(2, 3) float64", "(3, 2) float64")),
        (((3,), (3,)), ("f4", "i4"), ("(3,) float32", "(3,) int32")),
    ],
    ids=["length", "shape", "dtype"],
)
def test_different_arrays_are_named(shapes, dtypes, told):
    def body(communicator):
        shape, dtype = shapes[communicator.rank], dtypes[communicator.rank]
        communicator.allgather(np.zeros(shape, dtype), np.zeros((2, *shape), dtype))

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(2, body)
    assert str(caught.value) == (
        "ranks met in different collectives: "
        f"rank 0 in allgather #1 of {told[0]}; rank 1 in allgather #1 of {told[1]}"
    )


def test_different_allocations_are_named():
    with pytest.raises(
        CollectiveMismatch, match=r"rank 0 in allocate #1 of \(5,\) int8; rank 1 in allocate #1 of \(6,\)"
    ):
        run_ranks(2, lambda communicator: communicator.allocate(5 + communicator.rank, "int8"))


@pytest.mark.parametrize(
    ("sends", "receives", "told"),
    [
        ([3], [4], "message 0 from rank 0 to rank 1: rank 0 sends 3 float64, rank 1 receives 4 float64"),
        ([3, 2], [3], "message 1 from rank 0 to rank 1: rank 0 sends 2 float64, rank 1 receives nothing"),
        ([], [4], "message 0 from rank 0 to rank 1: rank 0 sends nothing, rank 1 receives 4 float64"),
    ],
)
def test_an_unmatched_message_is_named(sends, receives, told):
    def body(communicator):
        if communicator.rank == 0:
            communicator.exchange([(1, np.zeros(count)) for count in sends], [])
        else:
            communicator.exchange([], [(0, np.zeros(count)) for count in receives])

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(2, body)
    assert str(caught.value) == f"exchange #1: {told}"


def test_a_receive_of_the_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="allgather of") as caught:
        run_ranks(2, lambda communicator: communicator.allgather(np.zeros(3), np.zeros(6)))
    assert (
        str(caught.value)
        == "allgather of (3,) float64: expected a receive of (2, 3) float64, got (6,) float64"
    )


def test_strided_arrays_are_refused():
    with pytest.raises(ValueError, match=r"^allgather: expected C-contiguous arrays, got strides \(16,\)"):
        run_ranks(1, lambda communicator: communicator.allgather(np.zeros(6)[::2], np.zeros((1, 3))))


def test_a_peer_outside_of_the_job_is_refused():
    with pytest.raises(ValueError, match=r"^exchange: expected a peer from 0 to 1, got 2"):
        run_ranks(2, lambda communicator: communicator.exchange([(2, np.zeros(1))], []))


def test_a_rank_that_raises_takes_the_others_out():
    seen = {}

    def body(communicator):
        communicator.barrier()
        if communicator.rank == 2:
            raise KeyError("weight")
        try:
            communicator.allgather(np.zeros(3), np.zeros((3, 3)))
        except PeerFailed as error:
            seen[communicator.rank] = str(error)
            raise

    with pytest.raises(KeyError) as caught:
        run_ranks(3, body)
    assert caught.value.__notes__ == ["on rank 2 of 3"]
    text = "rank 2 of 3 failed with KeyError while this rank was in allgather #2 of (3,) float64"
    assert seen == {0: text, 1: text}


def test_a_rank_that_comes_after_a_failure_does_not_wait():
    def body(communicator):
        if communicator.rank == 0:
            raise ValueError("first")
        time.sleep(0.05)
        communicator.barrier()

    with pytest.raises(ValueError, match="first"):
        run_ranks(2, body)


def test_a_failure_of_a_peer_is_never_the_report_when_there_is_a_real_one():
    def body(communicator):
        if communicator.rank == 0:
            try:
                communicator.barrier()
            except PeerFailed:
                raise OSError("while tidying up") from None
        if communicator.rank == 1:
            raise PeerFailed("from elsewhere")

    with pytest.raises(OSError, match="while tidying up") as caught:
        run_ranks(2, body)
    assert caught.value.__notes__ == ["on rank 0 of 2"]


def test_of_two_real_errors_the_first_is_raised():
    def body(communicator):
        time.sleep(0.05 * communicator.rank)
        raise ValueError(f"from {communicator.rank}")

    with pytest.raises(ValueError, match="from 0"):
        run_ranks(2, body)


def test_a_rank_that_returns_early_is_named():
    def body(communicator):
        communicator.barrier()
        if communicator.rank != 1:
            communicator.share("still here")

    with pytest.raises(CollectiveMismatch) as caught:
        run_ranks(3, body)
    assert str(caught.value) == (
        "rank 1 of 3 returned while others wait: rank 0 waits in share #2; rank 2 waits in share #2"
    )


def test_the_last_rank_may_be_the_one_that_waits_alone():
    def body(communicator):
        if communicator.rank == 0:
            time.sleep(0.05)
            communicator.barrier()

    with pytest.raises(
        CollectiveMismatch, match="rank 1 of 2 returned while others wait: rank 0 waits in barrier #1"
    ):
        run_ranks(2, body)


def test_abort_ends_every_rank_with_the_code():
    def body(communicator):
        if communicator.rank == 1:
            communicator.abort(7)
        communicator.barrier()

    with pytest.raises(SystemExit) as caught:
        run_ranks(2, body)
    assert caught.value.code == 7


def test_the_callers_context_holds_in_the_ranks():
    variable = contextvars.ContextVar("variable", default="unset")
    variable.set("set")
    with np.errstate(over="raise"):
        seen = run_ranks(2, lambda communicator: (variable.get(), np.geterr()["over"]))
    assert seen == [("set", "raise"), ("set", "raise")]
    assert np.geterr()["over"] != "raise"


def test_an_interrupted_caller_takes_the_ranks_along(monkeypatch):
    ended = []

    def body(communicator):
        try:
            communicator.barrier() if communicator.rank == 0 else time.sleep(0.1)
            communicator.barrier()
        except PeerFailed as error:
            ended.append(str(error))

    def interrupted(thread):
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_ranks(2, body)
    monkeypatch.undo()
    deadline = time.monotonic() + 5
    while len(ended) < 2 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert ended == ["the caller failed with KeyboardInterrupt while this rank was in barrier #1"] * 2
