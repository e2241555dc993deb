"""Where the threads of a job meet: one place for every collective."""

from __future__ import annotations

import threading
from typing import Any

from dtrain.communicator.door import Call, difference
from dtrain.errors import CollectiveMismatch, PeerFailed


class Round:
    """One collective: what each rank brought, and how it went wrong, if it did."""

    def __init__(self) -> None:
        self.calls: dict[int, Call] = {}
        self.values: dict[int, Any] = {}
        self.done = False
        self.problem: str | None = None


class Meeting:
    """Ranks 0 … size−1, each in a thread of its own. Nobody waits for a rank that has left."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.errors: list[tuple[int | None, BaseException]] = []
        """(rank, error) of each rank that raised, the first one first."""
        self._left: set[int] = set()
        self._round = Round()
        self._changed = threading.Condition()

    def meet(self, rank: int, call: Call, value: Any) -> list[Any]:
        """Returns every rank's value when every rank has come.

        Raises:
            CollectiveMismatch: the calls differ, or a rank returned without coming.
            PeerFailed: a rank raised.
        """
        with self._changed:
            now = self._round
            if not self.errors:
                now.calls[rank] = call
                now.values[rank] = value
                self._close_if_complete()
            while not now.done and not self.errors:
                self._changed.wait()
        if now.problem is not None:
            raise CollectiveMismatch(now.problem)
        if not now.done:
            raise PeerFailed(self._failure(call))
        return [now.values[rank] for rank in range(self.size)]

    def leave(self, rank: int | None, error: BaseException | None = None) -> None:
        """Rank `rank` returned, or raised `error`; None: the caller of all ranks was interrupted."""
        with self._changed:
            if error is not None:
                self.errors.append((rank, error))
            elif rank is not None:
                self._left.add(rank)
                self._close_if_complete()
            self._changed.notify_all()

    def _close_if_complete(self) -> None:
        """Ends the round when every rank has come to it or left for good."""
        now = self._round
        if not now.calls or len(now.calls) + len(self._left) < self.size:
            return
        now.problem = self._early_return(now) if self._left else difference(_in_order(now.calls))
        now.done = True
        self._round = Round()
        self._changed.notify_all()

    def _early_return(self, now: Round) -> str:
        waiting = "; ".join(f"rank {rank} waits in {call}" for rank, call in sorted(now.calls.items()))
        left = ", ".join(f"rank {rank}" for rank in sorted(self._left))
        return f"{left} of {self.size} returned while others wait: {waiting}"

    def _failure(self, call: Call) -> str:
        rank, error = self.errors[0]
        who = "the caller" if rank is None else f"rank {rank} of {self.size}"
        return f"{who} failed with {type(error).__name__} while this rank was in {call}"


def _in_order(calls: dict[int, Call]) -> list[Call]:
    return [calls[rank] for rank in sorted(calls)]
