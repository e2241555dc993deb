"""A job of N ranks in the threads of one process: for tests, the conformance kit and `dtrain debug`."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dtrain.communicator.door import Door, check_exchange, check_receive
from dtrain.communicator.meeting import Meeting
from dtrain.communicator.memory import private
from dtrain.errors import PeerFailed

if TYPE_CHECKING:
    from dtrain.types import Array

Result = TypeVar("Result")


class ThreadCommunicator:
    """One of N ranks that are threads; see `Communicator` for what each method promises.

    Every collective checks that all ranks are in the same one, with the same shape and dtype.

    Raises, from any collective:
        CollectiveMismatch: ranks met in different collectives, or one returned while others wait.
        PeerFailed: another rank raised.
    """

    def __init__(self, rank: int, meeting: Meeting, share_memory: bool = True) -> None:
        self.rank = rank
        self.size = meeting.size
        self.shares_memory = share_memory
        self._meeting = meeting
        self._door = Door()

    def where(self) -> str:
        """Returns the last collective that was entered."""
        return self._door.where()

    def barrier(self) -> None:
        self._meet("barrier")

    def allgather(self, send: Array, receive: Array) -> None:
        check_receive(send, receive, self.size)
        for rank, sent in enumerate(self._meet("allgather", send, send.copy())):
            receive[rank] = sent

    def exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        check_exchange(sends, receives, self.size)
        copies = [(target, array.copy()) for target, array in sends]
        everyone = self._meet("exchange", (sends, receives), copies)
        arrived = {
            source: iter([array for target, array in messages if target == self.rank])
            for source, messages in enumerate(everyone)
        }
        for source, array in receives:
            array.reshape(-1)[...] = next(arrived[source]).reshape(-1)

    def share(self, value: Any) -> list[Any]:
        return [json.loads(text) for text in self._meet("share", None, json.dumps(value))]

    def allocate(self, count: int, dtype: Any) -> list[Array | None]:
        arrays = self._meet("allocate", ((count,), dtype), private(count, dtype))
        if self.shares_memory:
            return arrays
        return [array if rank == self.rank else None for rank, array in enumerate(arrays)]

    def abort(self, code: int) -> None:
        raise SystemExit(code)

    def close(self) -> None:
        self._meet("close")

    def _meet(self, name: str, subject: Any = None, value: Any = None) -> list[Any]:
        """Returns every rank's value: a copy that its rank does not write again."""
        self._door.enter(name, subject)
        return self._meeting.meet(self.rank, self._door.call(), value)


def run_ranks(
    size: int, function: Callable[[ThreadCommunicator], Result], share_memory: bool = True
) -> list[Result]:
    """Runs `function(communicator)` as each of `size` ranks, in threads; returns their results in rank order.

    share_memory: False gives every rank private arrays, as ranks on different hosts have.

    Raises:
        BaseException: the first error that a rank raised, with the note `on rank 2 of 3`; the other ranks are
            taken out of their collectives by `PeerFailed`.
    """
    meeting = Meeting(size)
    results: dict[int, Result] = {}

    def work(rank: int) -> None:
        try:
            results[rank] = function(ThreadCommunicator(rank, meeting, share_memory))
        except BaseException as error:
            meeting.leave(rank, error)
        else:
            meeting.leave(rank)

    threads = [_started(work, rank) for rank in range(size)]
    _joined(threads, meeting)
    if meeting.errors:
        raise _first(meeting.errors, size)
    return [results[rank] for rank in range(size)]


def _started(work: Callable[[int], None], rank: int) -> threading.Thread:
    """In a copy of the caller's context: `np.errstate` and the like hold in the ranks, too."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work, rank), name=f"rank {rank}", daemon=True)
    thread.start()
    return thread


def _joined(threads: list[threading.Thread], meeting: Meeting) -> None:
    try:
        for thread in threads:
            thread.join()
    except BaseException as error:  # Ctrl-C reaches only the main thread
        meeting.leave(None, error)
        raise


def _first(errors: list[tuple[int | None, BaseException]], size: int) -> BaseException:
    real = [pair for pair in errors if not isinstance(pair[1], PeerFailed)]
    rank, error = (real or errors)[0]
    error.add_note(f"on rank {rank} of {size}")
    return error
