"""What exchanges have in common in which every rank holds the whole of parameters, gradients and slots for itself."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator.memory import private
from dtrain.contracts import Messages

from .all_gather import all_gather
from .exchange import Exchange
from .moves import drive

if TYPE_CHECKING:
    import dtrain.contracts as contracts
    from dtrain.communicator.protocol import Communicator
    from dtrain.contracts import Moves
    from dtrain.parameter import FlatLayout
    from dtrain.types import Array


class Whole(Exchange):
    """Private flat arrays, and slots in two sets: what is kept, and what a step works on until it is known to count.

    count: of the arrays in which gradients are born. step: the number of the update in hand, from 1.
    """

    whole = True

    def __init__(
        self, layout: FlatLayout, count: int, communicator: Communicator, dtype: Any,
        exchange: contracts.Exchange, step: Callable[[], int],
    ) -> None:  # fmt: skip
        self.communicator, self.exchange, self.step = communicator, exchange, step
        self.ranges = [(0, layout.blocks)]
        self.values = private(layout.size, dtype)
        self.nodes = [private(layout.size, dtype) for _ in range(count)]
        self.gradient: Array = private(layout.size, dtype)
        self.sets: tuple[dict[str, Array], dict[str, Array]] = tuple(  # type: ignore[assignment]
            {name: private(layout.size, dtype) for name in exchange.slots} for _ in range(2)
        )

    @property
    def slots(self) -> Mapping[str, Array]:
        return self.sets[0]

    @property
    def working(self) -> Mapping[str, Array]:
        """What a step writes to."""
        return self.sets[1]

    def keep(self) -> None:
        """Keeps what has been written to the slots."""
        self.sets = self.sets[1], self.sets[0]

    def run(self, moves: Moves[None]) -> None:
        """Runs what a part's generator function has returned through. A collective."""
        drive(checked(moves, self.exchange), self.communicator)


def checked(moves: object, exchange: contracts.Exchange) -> Moves[None]:
    """Returns what a part's generator function has returned. Raises TypeError where it is none."""
    if isinstance(moves, Generator):
        return moves
    name = "total" if hasattr(exchange, "total") else "meet"
    raise TypeError(
        f"{name} of the exchange {type(exchange).__name__} must be a generator function, with `yield from` before "
        f"every move, got a function that returns {type(moves).__name__}"
    )


class Stretch:
    """See `dtrain.contracts.exchange.Part`."""

    def __init__(self, whole: Whole, number: int, place: slice) -> None:
        self.whole, self.number, self.place = whole, number, place
        self.rank, self.size = whole.communicator.rank, whole.communicator.size

    @property
    def step(self) -> int:
        return self.whole.step()

    @property
    def slots(self) -> Mapping[str, Array]:
        return {name: slot[self.place] for name, slot in self.whole.working.items()}

    def begin(self) -> None:
        """Starts with the slots that were kept last."""
        for name, slot in self.whole.slots.items():
            np.copyto(self.whole.working[name][self.place], slot[self.place])

    def swap(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> Moves[None]:
        yield Messages(sends, receives)

    def gather(self, own: Array) -> Moves[Array]:
        received = np.empty((self.size, *own.shape), own.dtype)
        received[self.rank] = own
        n = own.size
        places = [slice(rank * n, (rank + 1) * n) for rank in range(self.size)]
        yield from all_gather(self.rank, places, received.reshape(-1))
        return received
