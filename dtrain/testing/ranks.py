"""The same on any number of ranks: to rounding however rows are cut, to the bit where the shards are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.communicator import SerialCommunicator, run_ranks

from .data import Data, sample
from .failure import Failure, check_near, check_same_bits
from .passes import Options, Passed
from .rows import ROW_KINDS, run
from .training import trained

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

    from .subject import Subject

RANKS = (1, 2, 3, 5)
_ADVICE = (
    "what crosses rows goes through the context: context.sum(x) instead of x.sum(axis=0), "
    "context.moments for a mean and a variance, and context.gradient sums x[rows] and dy[rows] only"
)
_BITS = (
    "equal but for rounding: rows × matrix is context.matmul(x, w), and a sum over rows hands all of them to "
    "context.sum, which adds shard by shard in a fixed order; add no rank's rows up beforehand"
)


def check_split(subject: Subject, communicator: Communicator | None = None) -> None:
    """A batch in shards (even, uneven, empty), on one rank and on several, equals the batch as one shard.

    To 1e-10, in float64: outputs and dx row by row, gradients and states in total. A layer that fits has learned
    in the same shards and on the same ranks.
    """
    data = sample(subject, 12)
    whole = run(subject, SerialCommunicator(), data, [12])
    everything = [
        (f"in shards of {sizes} rows {place}", passed)
        for sizes in _cuts(communicator)
        for place, passed in _everywhere(subject, data, sizes, (1, len(sizes)), communicator)
    ]
    for where, passed in everything:  # only now: under MPI all ranks have to take part to the end
        _compare(where, whole, passed, _near)


def _near(name: str, expected: Any, got: Any) -> None:
    check_near(name, expected, got, 1e-10, _ADVICE)


def check_same_bits_on_ranks(subject: Subject, communicator: Communicator | None = None) -> None:
    """1, 2, 3 and 5 ranks give the same bits, with shared and with private memory: fits, passes, then training.

    In float32 and float64; 13 rows, and 5, over 8 shards, so that some ranks have no row at all.
    """
    if subject.kind in ROW_KINDS:
        for rows, dtype in ((13, np.float32), (13, np.float64), (5, np.float32)):
            sizes = [rows // 8 + (i < rows % 8) for i in range(8)]
            data, options = sample(subject, rows), Options(dtype=dtype)
            alone = run(subject, SerialCommunicator(), data, sizes, options)
            for place, passed in list(_everywhere(subject, data, sizes, RANKS[1:], communicator, options)):
                _compare(f"{rows} rows in 8 shards {place}", alone, passed, _bits)
    expected = trained(subject, SerialCommunicator())
    for place, got in list(_jobs(lambda c: trained(subject, c), RANKS[1:], communicator)):
        for name, array in expected.items():
            _bits(f"{name} after training {place}", array, got[name])


def _bits(name: str, expected: Any, got: Any) -> None:
    check_same_bits(name, expected, got, _BITS)


def _cuts(communicator: Communicator | None) -> list[list[int]]:
    """Returns sizes of shards: even, uneven, with empty ones at the start, in the middle, at the end."""
    if communicator is None:
        return [[4, 4, 4], [5, 4, 3], [7, 0, 5], [0, 12, 0], [3, 2, 2, 1, 1, 1, 1, 1]]
    n = communicator.size
    even = [12 // n + (i < 12 % n) for i in range(n)]
    return [even, [12] + [0] * (n - 1), [0] * (n - 1) + [12], [2, 0, 3, *([0] * (2 * n)), 7]]


def _everywhere(
    subject: Subject, data: Data, sizes: Sequence[int], ranks: Sequence[int],
    communicator: Communicator | None, options: Options | None = None,
) -> Iterator[tuple[str, Passed]]:  # fmt: skip
    """Yields every rank's part of a pass; as many threads as `ranks` says, or the job that is given."""
    ranks = [n for n in dict.fromkeys(ranks) if n <= len(sizes)]
    yield from _jobs(lambda c: run(subject, c, data, sizes, options), ranks, communicator)


def _jobs(
    job: Callable[[Any], Any], ranks: Sequence[int], communicator: Communicator | None
) -> Iterator[tuple[str, Any]]:
    if communicator is not None:
        yield f"on rank {communicator.rank} of {communicator.size}", job(communicator)
        return
    for n in ranks:
        for shared in (True, False) if n == 3 else (n % 2 == 0,):
            memory = "shared" if shared else "private"
            for rank, result in enumerate(run_ranks(n, job, share_memory=shared)):
                yield f"on rank {rank} of {n} ({memory} memory)", result


def _compare(where: str, whole: Passed, part: Passed, compare: Callable[[str, Any, Any], None]) -> None:
    mine = slice(part.start, part.stop)
    for name, array in part.rows.items():
        compare(f"{name}, {where}", whole.rows[name][mine], array)
    for name, array in part.totals.items():
        compare(f"{name}, {where}", whole.totals[name], array)


def agreed(check: Callable[[], None], communicator: Communicator) -> None:
    """Runs a check on every rank of a job; raises on all of them what the lowest rank found. A collective."""
    found: Failure | None = None
    try:
        check()
    except Failure as failure:
        found = failure
    except (
        Exception
    ) as error:  # if it is this rank's alone, the others are stuck, and the job ends by its time limit
        found = Failure(f"expected no error, got {type(error).__name__}: {error}")
        found.__cause__ = error
    for message in communicator.share(None if found is None else found.what):
        if message is not None:
            raise found or Failure(message)
