"""What each rank of the doctor's job runs:

    python -P -m dtrain.doctor.rank_probe SHARDS [TOKEN]

It tells that it has started, becomes a rank as in training, and measures the exchange of gradients. TOKEN: the
first rank of each host also tells what it sees of it, where no remote shell does; files begin with that name.
"""

from __future__ import annotations

import faulthandler
import os
import platform
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.communicator import launched, open_communicator
from dtrain.errors import DtrainError
from dtrain.threads import set_threads, threads_for

from .record import tell

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.engine.exchange import Exchange

LIFE = 60
"""Seconds after which it ends, within a call of MPI, too."""
LARGE = 1 << 20
"""Elements of float32: 4 MB."""
SMALL = 1 << 10
BUDGET = 0.4
"""Seconds for each of the two measurements, about."""
FEW, MOST = 3, 60
"""Exchanges until the clock is looked at, and in all."""
_ONCE = 0.5  # seconds that one exchange may take; else a smaller array is measured


def main(words: list[str]) -> int:
    faulthandler.dump_traceback_later(LIFE, exit=True)
    started = launched()
    tell("started", host=platform.node(), process=os.getpid(), rank=started.rank if started else None)
    shards: Any = words[0] if words[0] in ("auto", "ranks") else int(words[0])
    set_threads(threads_for(shards, started.local_size if started else 1))
    try:
        communicator = open_communicator(started, mpi=True)
    except DtrainError as error:
        tell("error", error=str(error))
        return 1
    ranks = communicator.share(_self())
    if communicator.rank == 0:
        tell("world", size=communicator.size, shares_memory=communicator.shares_memory, ranks=ranks)
    if words[1:]:
        _look(communicator, started.local_rank if started else 0, words[1])
    if communicator.size > 1:
        measure(communicator)
    communicator.close()
    return 0


def _self() -> dict[str, Any]:
    from threadpoolctl import threadpool_info

    threads = [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]
    return {
        "host": platform.node(),
        "mask": sorted(os.sched_getaffinity(0)),
        "threads": max(threads, default=1),
    }


def _look(communicator: Communicator, local_rank: int, token: str) -> None:
    """A collective: each host's first rank looks for a file that rank 0 has left in the working directory."""
    from .host_probe import look_around

    folder, own = Path.cwd(), f"{token}-{platform.node()}-{communicator.rank}"
    if communicator.rank == 0:
        with suppress(OSError):
            (folder / token).touch()
    communicator.barrier()
    asked = {"directory": str(folder), "own": own, "token": token}
    mine = {"name": platform.node(), "facts": look_around(asked)} if local_rank == 0 else None
    everyone = communicator.share(mine)
    for path in (folder / token, folder / own):
        with suppress(OSError):
            path.unlink(missing_ok=True)
    for found in everyone:
        if communicator.rank == 0 and found is not None:
            tell("host", **found)


def measure(communicator: Communicator) -> None:
    """Times the exchange of few and of many gradients; rank 0 tells. A collective."""
    small = seconds_of(communicator, SMALL)
    count = LARGE
    while count > SMALL * 16 and _estimate(communicator, small, count) > _ONCE:
        count //= 4
    large = seconds_of(communicator, count)
    small = min(small, seconds_of(communicator, SMALL))
    figures = {"small": small, "small_bytes": 4 * SMALL, "large": large, "bytes": 4 * count}
    if communicator.rank == 0:
        tell("speed", ranks=communicator.size, **figures)


def _estimate(communicator: Communicator, small: float, count: int) -> float:
    """Seconds for many gradients, by those for sixteen times the few."""
    middle = seconds_of(communicator, 16 * SMALL, budget=0)
    return max(middle - small, 0.0) * count / (16 * SMALL) + small


def seconds_of(communicator: Communicator, count: int, budget: float = BUDGET) -> float:
    """The best time of an exchange of `count` float32 gradients, the slowest rank's. A collective.

    The best, because other work on the cores is not what is asked for. budget: seconds after which rank 0 has
    seen enough.
    """
    exchange = _exchange(communicator, count)
    start, times = time.perf_counter(), []
    while True:
        times += [_once(communicator, exchange) for _ in range(FEW)]
        enough = len(times) >= MOST or time.perf_counter() - start >= budget
        if communicator.share(enough)[0]:
            return max(communicator.share(min(times)))


def _exchange(communicator: Communicator, count: int) -> Exchange:
    """The exchange of a network with one parameter, a shard a rank, as training makes it."""
    from dtrain.engine.exchange import make_exchange
    from dtrain.engine.replica import BLOCK
    from dtrain.engine.shards import rank_ranges
    from dtrain.parameter import FlatLayout, Parameter

    layout = FlatLayout([Parameter("weight", (count,), "weight", None, (1, 1))], BLOCK)  # type: ignore[arg-type]
    size = communicator.size
    return make_exchange(layout, size, rank_ranges(size, size), communicator, "float32")


def _once(communicator: Communicator, exchange: Exchange) -> float:
    for node in exchange.nodes:
        node.fill(1.0)  # a step writes them anew
    communicator.barrier()
    start = time.perf_counter()
    communicator.barrier()
    exchange.reduce(1.0)
    exchange.publish()
    return time.perf_counter() - start


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
