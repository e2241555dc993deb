"""Messages that were begun, between ranks of one process: told apart by sender, receiver and tag."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dtrain.communicator.door import check_exchange
from dtrain.errors import CollectiveMismatch

if TYPE_CHECKING:
    from dtrain.types import Array


class Message:
    """One side of a message: the array that is sent, or into which it is received."""

    __slots__ = ("array", "done")

    def __init__(self, array: Array) -> None:
        self.array = array
        self.done = False


class Messages:
    """The messages of one exchange that was begun."""

    def __init__(self, messages: Sequence[Message]) -> None:
        self._messages = messages

    def done(self) -> bool:
        """Tells whether all have been sent and received."""
        return all(message.done for message in self._messages)


class Mail:
    """What is on its way between the ranks of a job; whoever calls it has seen to it that nobody else does.

    A message is copied when both sides have begun it, from the one's array straight into the other's, as MPI
    does with large ones: who writes the one or reads the other before it is done is found out.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._sent: dict[tuple[int, int, int], deque[Message]] = defaultdict(deque)
        self._awaited: dict[tuple[int, int, int], deque[Message]] = defaultdict(deque)

    def begin(
        self, rank: int, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Messages:
        """Starts an exchange as `rank`.

        Raises:
            CollectiveMismatch: a message is not received as it is sent.
            ValueError: a peer is no rank, or an array not C-contiguous.
        """
        check_exchange(sends, receives, self._size, "begin")
        messages = []
        for source, array in receives:
            messages.append(Message(array))
            self._awaited[source, rank, tag].append(messages[-1])
            self._match(source, rank, tag)
        for target, array in sends:
            messages.append(Message(array))
            self._sent[rank, target, tag].append(messages[-1])
            self._match(rank, target, tag)
        return Messages(messages)

    def _match(self, source: int, target: int, tag: int) -> None:
        key = source, target, tag
        if not (self._sent[key] and self._awaited[key]):
            return
        sent, taken = self._sent[key].popleft(), self._awaited[key].popleft()
        if (sent.array.size, sent.array.dtype) != (taken.array.size, taken.array.dtype):
            raise CollectiveMismatch(
                f"a message with tag {tag} from rank {source} to rank {target}: "
                f"rank {source} sends {sent.array.size} {sent.array.dtype}, "
                f"rank {target} receives {taken.array.size} {taken.array.dtype}"
            )
        taken.array.reshape(-1)[...] = sent.array.reshape(-1)
        sent.done = taken.done = True
