"""A job of N ranks in the threads of one process: for tests, the conformance kit and `dtrain debug`."""

from __future__ import annotations

import contextvars
import json
import threading
from collections.abc import Callable, Container, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from dtrain.communicator.door import Door, check_exchange, check_receive
from dtrain.communicator.meeting import Deaths, Meeting, RankKilled
from dtrain.communicator.memory import private
from dtrain.errors import PeerFailed

if TYPE_CHECKING:
    from dtrain.communicator.mail import Messages
    from dtrain.communicator.place import Place
    from dtrain.communicator.protocol import Pending
    from dtrain.types import Array

Result = TypeVar("Result")


class Begun:
    """An exchange that a thread began."""

    def __init__(self, messages: Messages, meeting: Meeting, door: Door) -> None:
        self._messages, self._meeting, self._door = messages, meeting, door

    def done(self) -> bool:
        """Raises, as a collective does, where another rank has failed or was killed."""
        done = self._messages.done()
        if not done:
            self._meeting.go_on(self._door.call())
        return done


class ThreadCommunicator:
    """One of N ranks that are threads; see `Communicator` for what each method promises.

    Every collective checks that all ranks are in the same one, with the same shape and dtype.

    dies_in: the collective, counted from 1 over the whole job, in which this rank is killed, and the others
    that come through it all the same; None: in none.

    Raises, from any collective and from what was begun:
        CollectiveMismatch: ranks met in different collectives, or one returned while others wait.
        PeerFailed: another rank raised.
        RankLost: another rank was killed (it raised RankKilled).
    """

    def __init__(
        self, rank: int, meeting: Meeting, share_memory: bool = True, deaths: Deaths | None = None,
        dies_in: tuple[int, Container[int]] | None = None,
    ) -> None:  # fmt: skip
        self.rank = rank
        self.recovers = deaths is not None
        self._first_rank, self._deaths = rank, deaths
        self._dies_in = dies_in
        self.entered = 0
        """How many collectives this rank has entered."""
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
            source: iter([array for target, array in everyone[source] if target == self.rank])
            for source in {source for source, _ in receives}
        }
        for source, array in receives:
            array.reshape(-1)[...] = next(arrived[source]).reshape(-1)

    def announce(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._meet(name, (shape, dtype))

    def begin(
        self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Pending:
        return Begun(self._meeting.begin(self.rank, sends, receives, tag), self._meeting, self._door)

    def wait(self, pendings: Sequence[Pending]) -> None:
        self._meeting.wait(self.rank, self._door.call(), pendings)

    def share(self, value: Any) -> list[Any]:
        return [json.loads(text) for text in self._meet("share", None, json.dumps(value))]

    def allocate(self, count: int, dtype: Any) -> list[Array | None]:
        arrays = self._meet("allocate", ((count,), dtype), private(count, dtype))
        if self.shares_memory:
            return arrays
        return [array if rank == self.rank else None for rank, array in enumerate(arrays)]

    def common(self, count: int, dtype: Any) -> Array:
        arrays = self._meet("common", ((count,), dtype), private(count, dtype))
        array: Array = arrays[0 if self.shares_memory else self.rank]
        return array

    def shrink(self) -> None:
        self.rank, self._meeting = self._meeting.shrink(self.rank)
        self.size = self._meeting.size
        self._door.sequence = 0  # the ranks may be one apart

    def watch_over(self, place: Callable[[], Place], limit: float) -> None:
        """Not needed: a meeting sees who does not come."""

    def abort(self, code: int) -> None:
        raise SystemExit(code)

    def close(self) -> None:
        self._meet("close")

    def _meet(self, name: str, subject: Any = None, value: Any = None) -> list[Any]:
        """Returns every rank's value: a copy that its rank does not write again."""
        self._door.enter(name, subject)
        self.entered += 1
        dies = self._dies_in[1] if self._dies_in and self._dies_in[0] == self.entered else None
        values = self._meeting.meet(self.rank, self._door.call(), value, dies)
        if dies is not None:
            self.die()
        return values

    def die(self, deceived: Container[int] = ()) -> NoReturn:
        """Is killed, now. deceived: ranks that come through the collective in which they wait all the same."""
        assert self._deaths is not None, "only a job that goes on without the lost can lose a rank"
        self._meeting.lose(self.rank, deceived)
        self._deaths.die(self._first_rank)

    def leave(self, error: BaseException | None = None) -> None:
        """Tells the others that this rank has ended."""
        self._meeting.leave(self.rank, error)


def run_ranks(
    size: int,
    function: Callable[[ThreadCommunicator], Result],
    share_memory: bool = True,
    deaths: Mapping[int, tuple[int, Container[int]]] | None = None,
) -> list[Result]:
    """Runs `function(communicator)` as each of `size` ranks, in threads; returns their results in rank order.

    share_memory: False gives every rank private arrays, as ranks on different hosts have.
    deaths: given, the ranks that are left can go on when others are killed: rank → the number of the
    collective in which it is, and the ranks that come through it all the same. A rank may also `die` on its
    own. A killed rank has no result.

    Raises:
        BaseException: the first error that a rank raised, with the note `on rank 2 of 3`; the other ranks are
            taken out of their collectives by `PeerFailed`.
    """
    meeting = Meeting(size)
    results: dict[int, Result] = {}
    errors: list[tuple[int | None, BaseException]] = []
    dead = None if deaths is None else Deaths()

    def work(rank: int) -> None:
        dies_in = (deaths or {}).get(rank)
        communicator = ThreadCommunicator(rank, meeting, share_memory, dead, dies_in)
        try:
            results[rank] = function(communicator)
        except BaseException as error:
            if not isinstance(error, RankKilled):
                errors.append((rank, error))
                communicator.leave(error)
        else:
            communicator.leave()

    threads = [_started(work, rank) for rank in range(size)]
    _joined(threads, meeting, dead)
    if errors:
        raise _first(errors, size)
    return [results[rank] for rank in range(size) if rank in results]


def _started(work: Callable[[int], None], rank: int) -> threading.Thread:
    """In a copy of the caller's context: `np.errstate` and the like hold in the ranks, too."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(work, rank), name=f"rank {rank}", daemon=True)
    thread.start()
    return thread


def _joined(threads: list[threading.Thread], meeting: Meeting, dead: Deaths | None) -> None:
    try:
        for rank, thread in enumerate(threads):
            while dead is not None and thread.is_alive() and rank not in dead.killed:
                thread.join(0.01)
        if dead is not None:
            dead.over.set()
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
