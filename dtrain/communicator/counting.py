"""Any communicator, counted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dtrain.communicator.place import Place
    from dtrain.communicator.protocol import Communicator, Pending
    from dtrain.types import Array


class CountingCommunicator:
    """Passes every call on to `inner` and counts, by the name of the method, what this rank sends.

    calls: how often each method was called; not `wait`, whose calls depend on timing.
    messages: arrays sent to other ranks. An allgather counts as one to each of them, whatever its algorithm.
    bytes: what these messages hold.
    """

    def __init__(self, inner: Communicator) -> None:
        self.inner = inner
        self.rank = inner.rank
        self.size = inner.size
        self.shares_memory = inner.shares_memory
        self.recovers = inner.recovers
        self.calls: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()

    def reset(self) -> None:
        """Starts every count from zero."""
        for counter in (self.calls, self.messages, self.bytes):
            counter.clear()

    def where(self) -> str:
        return self.inner.where()

    def barrier(self) -> None:
        self._count("barrier")
        self.inner.barrier()

    def allgather(self, send: Array, receive: Array) -> None:
        self._count("allgather", self.size - 1, (self.size - 1) * send.nbytes)
        self.inner.allgather(send, receive)

    def exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        self._count_sent("exchange", sends)
        self.inner.exchange(sends, receives)

    def announce(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._count("announce")
        self.inner.announce(name, shape, dtype)

    def begin(
        self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Pending:
        self._count_sent("begin", sends)
        return self.inner.begin(sends, receives, tag)

    def wait(self, pendings: Sequence[Pending]) -> None:
        self.inner.wait(pendings)

    def share(self, value: Any) -> list[Any]:
        self._count("share")
        return self.inner.share(value)

    def allocate(self, count: int, dtype: Any) -> list[Array | None]:
        self._count("allocate")
        return self.inner.allocate(count, dtype)

    def common(self, count: int, dtype: Any) -> Array:
        self._count("common")
        return self.inner.common(count, dtype)

    def shrink(self) -> None:
        self._count("shrink")
        self.inner.shrink()
        self.rank, self.size = self.inner.rank, self.inner.size

    def watch_over(self, place: Callable[[], Place], limit: float) -> None:
        self.inner.watch_over(place, limit)

    def abort(self, code: int) -> None:
        self._count("abort")
        self.inner.abort(code)

    def close(self) -> None:
        self._count("close")
        self.inner.close()

    def _count_sent(self, name: str, sends: Sequence[tuple[int, Array]]) -> None:
        away = [array.nbytes for target, array in sends if target != self.rank]
        self._count(name, len(away), sum(away))

    def _count(self, name: str, messages: int = 0, bytes: int = 0) -> None:
        self.calls[name] += 1
        self.messages[name] += messages
        self.bytes[name] += bytes
