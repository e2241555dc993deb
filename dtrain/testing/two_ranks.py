"""One of two ranks, of which the other is the same: for the slips in how an exchange is written."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.contracts import GradientExchange

from .data import numbers
from .failure import Failure, differ

if TYPE_CHECKING:
    from dtrain.types import Array

    from .subject import Subject

SIZE = 2048


class _Moves(Generator[Any, Any, Any]):
    """What `gather`, `swap` and `exact` return: it knows whether it was run, and refuses to be taken for a result."""

    def __init__(self, name: str, result: Any = None) -> None:
        self.name, self.result, self.was_run = name, result, False

    def send(self, value: Any) -> Any:
        self.was_run = True
        raise StopIteration(self.result)

    def throw(self, *error: Any) -> Any:
        raise error[0]

    def unused(self) -> Failure:
        call = f"yield from part.{self.name}(…)"
        return Failure(
            f"part.{self.name}(…) is called without `yield from`, so that nothing is sent: write `{call}`"
        )

    def __array__(self, *_: Any, **__: Any) -> Array:
        raise self.unused()


class _Part(SimpleNamespace):
    """What an exchange sees. The other rank sends what this one has, or zeros."""

    def __init__(self, slots: Sequence[str]) -> None:
        super().__init__(rank=0, size=2, number=0, step=1, slots={name: np.zeros(SIZE) for name in slots})
        self.gradient, self.value, self.start = numbers((SIZE,), 1), numbers((SIZE,), 1), np.zeros(SIZE)
        self.moves: list[_Moves] = []

    def _asked(self, name: str, result: Any = None) -> _Moves:
        self.moves.append(_Moves(name, result))
        return self.moves[-1]

    def gather(self, own: Array) -> _Moves:
        return self._asked("gather", np.stack([own, own]))

    def swap(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> _Moves:
        for _, array in receives:
            array.fill(0)
        return self._asked("swap")

    def exact(self) -> _Moves:
        return self._asked("exact")


def check_exchange(subject: Subject) -> None:
    """Raises Failure where what moves data is not run, or its method is no generator function."""
    exchange = subject.make()
    name = "total" if isinstance(exchange, GradientExchange) else "meet"
    method: Any = getattr(exchange, name, None)
    if method is None:  # the engine's own
        return
    part, moves, raised = _Part(exchange.slots), None, None
    try:
        moves = method(part)
        if isinstance(moves, Generator):
            deque(moves, 0)
    except Exception as error:
        raised = error
    for move in part.moves:
        if not move.was_run:
            raise move.unused() from raised
    if raised is not None:
        raise raised
    if not isinstance(moves, Generator):
        raise differ(
            f"what {name} returns",
            "a generator",
            type(moves).__name__,
            "call what moves data by `yield from`",
        )
