"""Where the threads of a job meet: one place for every collective."""

from __future__ import annotations

import threading
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from dtrain.communicator.door import Call, difference
from dtrain.communicator.mail import Mail
from dtrain.errors import CollectiveMismatch, PeerFailed, RankLost, RunError

if TYPE_CHECKING:
    from dtrain.communicator.mail import Messages
    from dtrain.communicator.protocol import Pending
    from dtrain.types import Array


class RankKilled(BaseException):
    """Ends the thread of a rank that was killed, after the others have ended: no handler of its runs before."""


class Deaths:
    """The ranks of a job of threads that were killed, by their first numbers, and when it is over for them too."""

    def __init__(self) -> None:
        self.killed: set[int] = set()
        self.over = threading.Event()

    def die(self, rank: int) -> NoReturn:
        """Is all that a killed rank does from now on."""
        self.killed.add(rank)
        self.over.wait()
        raise RankKilled


class Round:
    """One collective: what each rank brought, and how it went wrong, if it did.

    killed: the rank that dies in it, and the ranks that come through it all the same.
    """

    def __init__(self) -> None:
        self.calls: dict[int, Call] = {}
        self.values: dict[int, Any] = {}
        self.done = False
        self.problem: str | None = None
        self.killed: tuple[int, Container[int]] | None = None


class Meeting:
    """Ranks 0 … size−1, each in a thread of its own. Nobody waits for a rank that has left."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.errors: list[tuple[int | None, BaseException]] = []
        """(rank, error) of each rank that raised, the first one first."""
        self.lost: set[int] = set()
        self._left: set[int] = set()
        self._shrinking: set[int] = set()
        self._smaller: Meeting | None = None
        self._round = Round()
        self._mail = Mail(size)
        self._waiting: dict[int, tuple[Call, Sequence[Pending]]] = {}
        self._standstill: str | None = None
        self._changed = threading.Condition()

    def meet(self, rank: int, call: Call, value: Any, dies: Container[int] | None = None) -> list[Any]:
        """Returns every rank's value when every rank has come.

        dies: this rank is killed in the collective, and those named here come through it all the same.
        It gets an empty list.

        Raises:
            CollectiveMismatch: the calls differ, or a rank returned without coming.
            PeerFailed: a rank raised.
            RankLost: a rank was killed.
        """
        with self._changed:
            now = self._round
            if not (self.errors or self.lost):
                now.calls[rank] = call
                now.values[rank] = value
                now.killed = now.killed if dies is None else (rank, dies)
                self._close_if_complete()
                self._find_standstill()
            while not (now.done or self._is_over()):
                self._changed.wait()
        if dies is not None:
            self.lose(rank)
            return []
        if now.problem is not None:
            raise CollectiveMismatch(now.problem)
        if now.done and (now.killed is None or rank in now.killed[1]):
            return [now.values[rank] for rank in range(self.size)]
        raise self._ending(call)

    def go_on(self, call: Call) -> None:
        """Raises, as `meet` does, if a rank has failed or been lost; call: what this rank is in."""
        if self._is_over():
            raise self._ending(call)

    def _is_over(self) -> bool:
        return bool(self.errors or self.lost or self._standstill)

    def _ending(self, call: Call) -> RunError:
        if self.errors:
            return PeerFailed(self._failure(call))
        if self.lost:
            return RankLost(f"{self._lost_ranks()} of {self.size} died while this rank was in {call}")
        return CollectiveMismatch(self._standstill)

    def begin(
        self, rank: int, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Messages:
        """Starts an exchange, as `Mail` does."""
        with self._changed:
            messages = self._mail.begin(rank, sends, receives, tag)
            self._changed.notify_all()
            return messages

    def wait(self, rank: int, call: Call, pendings: Sequence[Pending]) -> None:
        """Returns when one of what was begun is done.

        Raises:
            CollectiveMismatch: nobody is left to send what is waited for.
            PeerFailed, RankLost: as from `meet`.
        """
        with self._changed:
            self._waiting[rank] = call, pendings
            try:
                self._find_standstill()
                while not any(pending.done() for pending in pendings):
                    self.go_on(call)
                    self._changed.wait()
            finally:
                del self._waiting[rank]

    def shrink(self, rank: int) -> tuple[int, Meeting]:
        """Returns this rank's number among those that are left, and where they meet; waits for all of them."""
        with self._changed:
            if not self.lost:
                raise RunError("no rank was lost")
            self._shrinking.add(rank)
            self._changed.notify_all()
            while self._smaller is None:
                if self.errors:
                    raise PeerFailed("another rank failed while the others were going on without the lost")
                if len(self._shrinking | self.lost) == self.size:
                    self._smaller = Meeting(len(self._shrinking))
                    self._changed.notify_all()
                else:
                    self._changed.wait()
            return sorted(self._shrinking).index(rank), self._smaller

    def leave(self, rank: int | None, error: BaseException | None = None) -> None:
        """Rank `rank` returned, or raised `error`; None: the caller of all ranks was interrupted."""
        with self._changed:
            if error is not None:
                self.errors.append((rank, error))
            elif rank is not None:
                self._left.add(rank)
                self._close_if_complete()
                self._find_standstill()
            self._changed.notify_all()

    def lose(self, rank: int, deceived: Container[int] = ()) -> None:
        """Rank `rank` was killed. deceived: they come through a collective all the same, to which it never came."""
        with self._changed:
            now = self._round
            while deceived and len(now.calls) < self.size - 1:
                self._changed.wait(0.01)
            if deceived:
                now.values[rank] = next(iter(now.values.values()))
                now.killed, now.done = (rank, deceived), True
                self._round = Round()
            self.lost.add(rank)
            self._changed.notify_all()

    def _close_if_complete(self) -> None:
        """Ends the round when every rank has come to it or left for good."""
        now = self._round
        if not now.calls or len(now.calls) + len(self._left) < self.size:
            return
        now.problem = self._early_return(now) if self._left else difference(_in_order(now.calls))
        now.done = True
        if now.killed is not None:
            self.lost.add(now.killed[0])
        self._round = Round()
        self._changed.notify_all()

    def _find_standstill(self) -> None:
        """Notes it when nobody is left at work and what is waited for has not come."""
        calls = self._round.calls
        if self._is_over() or not self._waiting:
            return
        if len(calls) + len(self._left) + len(self._waiting) < self.size:
            return
        if any(pending.done() for _, pendings in self._waiting.values() for pending in pendings):
            return
        doing = {rank: f"waits for messages, after {call}" for rank, (call, _) in self._waiting.items()}
        doing |= {rank: f"is in {call}" for rank, call in calls.items()}
        doing |= dict.fromkeys(self._left, "has returned")
        self._standstill = "nobody sends what ranks wait for: " + "; ".join(
            f"rank {rank} {doing[rank]}" for rank in sorted(doing)
        )
        self._changed.notify_all()

    def _early_return(self, now: Round) -> str:
        waiting = "; ".join(f"rank {rank} waits in {call}" for rank, call in sorted(now.calls.items()))
        left = ", ".join(f"rank {rank}" for rank in sorted(self._left))
        return f"{left} of {self.size} returned while others wait: {waiting}"

    def _failure(self, call: Call) -> str:
        rank, error = self.errors[0]
        who = "the caller" if rank is None else f"rank {rank} of {self.size}"
        return f"{who} failed with {type(error).__name__} while this rank was in {call}"

    def _lost_ranks(self) -> str:
        return " and ".join(f"rank {rank}" for rank in sorted(self.lost))


def _in_order(calls: dict[int, Call]) -> list[Call]:
    return [calls[rank] for rank in sorted(calls)]
