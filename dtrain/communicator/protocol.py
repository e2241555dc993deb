"""What the engine asks of the processes (or threads) that share a job."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from dtrain.communicator.place import Place
    from dtrain.types import Array


class Pending(Protocol):
    """An exchange that was begun."""

    def done(self) -> bool:
        """Tells whether all of its messages have been sent and received, and helps them on. Never waits."""


class Communicator(Protocol):
    """Ranks that work on one job. It moves buffers and knows no model.

    Every method but `begin`, `wait`, `abort` and `where` is a blocking collective: all ranks call it, in the same
    order, with arrays of the same shape and dtype. Arrays are C-contiguous. A rank that fails takes the others
    out of what they wait for with `PeerFailed` (threads) or ends the whole job (MPI); no rank waits for ever.

    Where it `recovers`, a rank that dies takes the others out of their collective with `RankLost`; some of
    them may have come through that collective, and meet the loss in the next. Nothing but `shrink` and
    `abort` may be called then.
    """

    rank: int
    size: int

    shares_memory: bool
    """Every rank can address every rank's `allocate`d array."""

    def barrier(self) -> None:
        """Returns when every rank has called it; what ranks wrote to shared arrays before is then visible."""

    def allgather(self, send: Array, receive: Array) -> None:
        """Puts every rank's `send` into `receive`, of shape (size, *send.shape). Also a barrier."""

    def exchange(self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]]) -> None:
        """Sends arrays to peers and receives arrays from peers, all at once; returns when all are done.

        Between two ranks, messages match in the order in which each side lists them. Not a barrier.
        """

    def announce(self, name: str, shape: tuple[int, ...], dtype: Any) -> None:
        """Says what this rank is at, where that is no other collective. It may be a barrier, or not."""

    def begin(
        self, sends: Sequence[tuple[int, Array]], receives: Sequence[tuple[int, Array]], tag: int
    ) -> Pending:
        """Starts what `exchange` does and returns at once; other collectives may come before its end.

        Between two ranks, messages of one tag match in the order in which each side begins and lists them,
        those of different tags in any order: ranks may begin them as they like. tag: 0 … 32,766.
        Until it is done, the arrays that are sent are not written, and those that are received not read. It
        gets on while a rank is in `done`, `wait` or a collective, and hardly otherwise.
        """

    def wait(self, pendings: Sequence[Pending]) -> None:
        """Returns when one of them is done; there is at least one. All of them get on meanwhile."""

    def share(self, value: Any) -> list[Any]:
        """Returns every rank's JSON value, in rank order, on every rank. For rare, small things."""

    recovers: bool
    """Whether ranks that are left can go on when others die."""

    def allocate(self, count: int, dtype: Any) -> list[Array | None]:
        """Returns one zeroed 1-D array of `count` elements for each rank, 64-byte aligned.

        This rank's own is always there; a peer's is None where this rank cannot address it.
        """

    def common(self, count: int, dtype: Any) -> Array:
        """Returns one zeroed 1-D array that all ranks address; each its own where they share no memory."""

    def shrink(self) -> None:
        """Leaves the dead behind, after `RankLost`: `rank` and `size` become those among the ranks that are left.

        They keep their order. All of them call it; it cannot fail because of further losses, which the next
        collective meets. Arrays stay as they are. Raises RunError where nobody was lost.
        """

    def watch_over(self, place: Callable[[], Place], limit: float) -> None:
        """Lets the job's watchdog, if there is one, know where this rank is in its work.

        place: may be called at any time, from another thread. limit: see `dtrain.communicator.verdict`.
        """

    def where(self) -> str:
        """Returns the collective that this rank entered last: `allgather #17 of (512,) float64`."""

    def abort(self, code: int) -> None:
        """Ends every rank of the job, now, with this exit code. Does not return under MPI."""

    def close(self) -> None:
        """Leaves the job in good order. Nothing may be called after it."""
