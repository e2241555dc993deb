"""Runs the generators of exchanges: they yield messages, and go on when these are done."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
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
