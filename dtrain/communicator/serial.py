"""A job of one rank."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dtrain.communicator.door import Door, check_exchange
from dtrain.communicator.mail import Mail
from dtrain.communicator.memory import private
from dtrain.errors import CollectiveMismatch, RunError

if TYPE_CHECKING:
    from dtrain.communicator.place import Place
    from dtrain.communicator.protocol import Pending
    from dtrain.types import Array


class SerialCommunicator:
    """One process, one rank; see `Communicator` for what each method promises."""

    rank = 0
    size = 1
    shares_memory = True
    recovers = False

    def __init__(self) -> None:
        self._door = Door()
        self._enter = self._door.enter
        self._mail = Mail(self.size)

    def where(self) -> str:
        """Returns the last collective that was entered."""
        return self._door.where()

    def barrier(self) -> None:
        self._enter("barrier")

    def allgather(self, send: Array, receive: Array) -> None:
        self._enter("allgather", send)
        receive[0] = send

    def exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        """Only with itself.

        Raises:
            ValueError: sends and receives do not match.
        """
        self._enter("exchange", (sends, receives))
        check_exchange(sends, receives, self.size)
        for (_, sent), (_, taken) in zip(sends, receives, strict=True):
            taken.reshape(-1)[...] = sent.reshape(-1)

    def announce(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        self._enter(name, (shape, dtype))

    def begin(
        self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Pending:
        """Only with itself."""
        return self._mail.begin(self.rank, sends, receives, tag)

    def wait(self, pendings: Sequence[Pending]) -> None:
        """
        Raises:
            CollectiveMismatch: none of them is done, and nobody else is there to change that.
        """
        if not any(pending.done() for pending in pendings):
            raise CollectiveMismatch(f"the only rank waits for itself, after {self.where()}")

    def share(self, value: Any) -> list[Any]:
        self._enter("share")
        return [json.loads(json.dumps(value))]

    def allocate(self, count: int, dtype: Any) -> list[Array | None]:
        self._enter("allocate", ((count,), dtype))
        return [private(count, dtype)]

    def common(self, count: int, dtype: Any) -> Array:
        self._enter("common", ((count,), dtype))
        return private(count, dtype)

    def shrink(self) -> None:
        raise RunError("the only rank of a job cannot go on without itself")

    def watch_over(self, place: Callable[[], Place], limit: float) -> None:
        """Not needed: nobody waits."""

    def abort(self, code: int) -> None:
        raise SystemExit(code)

    def close(self) -> None:
        self._enter("close")
