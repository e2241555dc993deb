"""Runs the generators of exchanges: they yield messages, and go on when these are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator, Pending
    from dtrain.contracts import Moves

_T = TypeVar("_T")


def drive(moves: Moves[_T], communicator: Communicator) -> _T:
    """Runs one generator through, waiting for each of its messages; returns its result. A collective."""
    try:
        while True:
            sends, receives = next(moves)
            communicator.exchange(sends, receives)
    except StopIteration as end:
        result: _T = end.value
        return result


class Traffic:
    """Runs several generators at a time, each under a tag of its own.

    Ranks start them in any order; which of them goes on first depends on what arrives first.
    """

    def __init__(self, communicator: Communicator) -> None:
        self._communicator = communicator
        self._going: dict[int, tuple[Moves[None], Pending]] = {}

    def start(self, tag: int, moves: Moves[None]) -> None:
        """Runs a generator up to its first messages."""
        self._advance(tag, moves)

    def poke(self) -> None:
        """Helps all messages on, and resumes the generators whose messages are done. Never waits."""
        for tag, (moves, pending) in list(self._going.items()):
            if pending.done():
                self._advance(tag, moves)

    def finish(self) -> None:
        """Runs all of them through."""
        while self._going:
            self._communicator.wait([pending for _, pending in self._going.values()])
            self.poke()

    def _advance(self, tag: int, moves: Moves[None]) -> None:
        messages = next(moves, None)
        if messages is None:
            self._going.pop(tag, None)
        else:
            self._going[tag] = moves, self._communicator.begin(*messages, tag)
