"""One rank of many, whose peers are not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

from dtrain.communicator.door import check_exchange, check_receive
from dtrain.communicator.memory import private
from dtrain.errors import RunError

from .trace import Call

if TYPE_CHECKING:
    from dtrain.communicator.place import Place
    from dtrain.communicator.protocol import Communicator, Pending
    from dtrain.types import Array


class Done:
    """An exchange that has nothing to wait for."""

    def done(self) -> bool:
        return True


class HollowCommunicator:
    """Rank `rank` of `size`, alone: collectives return at once, with arrays of the right shapes in them.

    Peers say what this rank says, and send zeros. Where memory is shared, all peers have one and the same array:
    zeros that cost memory only where they are written.

    fellows: a real communicator of other ranks that are as hollow; all of them pass a barrier in every collective,
    so that they work at the same time as the ranks of one job do.

    calls: the collectives since `restart`. work: the seconds of work before each of them, and after the last.
    """

    recovers = False

    def __init__(
        self, rank: int, size: int, shares_memory: bool = False, fellows: Communicator | None = None
    ) -> None:
        if not 0 <= rank < size:
            raise ValueError(f"expected a rank from 0 to {size - 1}, got {rank}")
        self.rank, self.size, self.shares_memory = rank, size, shares_memory
        together = fellows is not None and fellows.size > 1
        self._meet: Callable[[], None] | None = fellows.barrier if fellows and together else None
        self._where = "no collective yet"
        self.restart()

    def restart(self) -> None:
        """Starts a new step."""
        self.calls: list[Call] = []
        self.work: list[float] = []
        if self._meet is not None:
            self._meet()
        self._left = perf_counter()

    def end(self) -> None:
        """Ends the step: the work after the last collective is over."""
        self.work.append(perf_counter() - self._left)

    def _note(self, call: Call) -> None:
        self.work.append(perf_counter() - self._left)
        self.calls.append(call)
        self._where = call.name

    def _enter(self, call: Call) -> None:
        self._note(call)
        if self._meet is not None:
            self._meet()

    def _leave(self) -> None:
        self._left = perf_counter()

    def barrier(self) -> None:
        self._enter(Call("barrier"))
        self._leave()

    def allgather(self, send: Array, receive: Array) -> None:
        self._enter(Call("allgather", send.nbytes))
        check_receive(send, receive, self.size)
        receive[...] = send
        self._leave()

    def exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        self._enter(Call("exchange", 0, self._away(sends), self._away(receives)))
        check_exchange(sends, receives, self.size)
        self._receive(receives)
        self._leave()

    def announce(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._enter(Call("announce"))
        self._leave()

    def begin(
        self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Pending:
        """It is done at once: whoever may go on with other work does, and `wait` is where time passes."""
        self._note(Call("begin", 0, self._away(sends), self._away(receives)))
        check_exchange(sends, receives, self.size, "begin")
        self._receive(receives)
        self._leave()
        return Done()

    def wait(self, pendings: Sequence[Pending]) -> None:
        self._enter(Call("wait"))
        self._leave()

    def _receive(self, receives: Sequence[tuple[int, Array]]) -> None:
        for _, array in receives:
            array[...] = 0

    def _away(self, messages: Sequence[tuple[int, Array]]) -> tuple[tuple[int, int], ...]:
        return tuple((peer, array.nbytes) for peer, array in messages if peer != self.rank)

    def share(self, value: Any) -> list[Any]:
        self._enter(Call("share"))
        text = json.dumps(value)
        values = [json.loads(text) for _ in range(self.size)]
        self._leave()
        return values

    def allocate(self, count: int, dtype: Any) -> list[Array | None]:
        self._enter(Call("allocate"))
        peer = private(count, dtype) if self.shares_memory and self.size > 1 else None
        arrays = [peer] * self.size
        arrays[self.rank] = private(count, dtype)
        self._leave()
        return arrays

    def common(self, count: int, dtype: Any) -> Array:
        self._enter(Call("common"))
        array = private(count, dtype)
        self._leave()
        return array

    def shrink(self) -> None:
        raise RunError("no rank was lost")

    def watch_over(self, place: Callable[[], Place], limit: float) -> None:
        """Not needed: nobody waits."""

    def where(self) -> str:
        """Returns the collective that was entered last."""
        return self._where

    def abort(self, code: int) -> None:
        raise SystemExit(code)

    def close(self) -> None:
        self._enter(Call("close"))
        self._leave()
