"""Measures links: messages of dtrain's own communicator, back and forth between ranks that are really there."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter, sleep
from typing import TYPE_CHECKING

import numpy as np

from .links import Link
from .model import rounds

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator

SECONDS = 0.25
"""For each figure, about."""

BUNDLES = 100
"""Of short messages, each timed as a whole: so short that others on the machine meet few of them."""

LONG = 0.01
"""Seconds that a long message takes, at least: far beyond what it costs to begin one."""

TIMES = 9
"""That a long message is sent, and one after a pause."""

PARTS = (8, 2)
"""Of the long message, to be sent after a pause: a burst of its size is seen best in a message not much larger."""

PAUSE = 0.05
"""Seconds after which a metered line has its credit back."""

FIRST, MOST = 1 << 16, 1 << 25
"""Bytes of the first long message that is tried, and of the largest."""


def measure_link(communicator: Communicator, metered: bool = True) -> Link:
    """Returns the figures of the link between these ranks, on every rank. A collective of at least two ranks.

    All of them on one host, or each on a host of its own. metered: whether the line may be.
    Takes one or two seconds on machines with nothing else to do.
    """
    n = rounds(communicator.size)
    own, every = np.zeros(1), np.zeros((communicator.size, 1))
    barrier = _often(communicator, communicator.barrier) / n
    gather = _often(communicator, lambda: communicator.allgather(own, every)) / n
    short = _Pair(communicator, 8)
    exchange = _often(communicator, short.swap)
    byte, burst, burst_byte = _rate(communicator, exchange, metered)
    return Link(exchange, gather, barrier, byte, burst, burst_byte)


def measure_shared_byte(communicator: Communicator, count: int = 1 << 18) -> float:
    """Returns the seconds for a byte that another rank of this host has just written, beyond one of its own.

    0 where no memory is shared. A collective.
    """
    if not communicator.shares_memory or communicator.size == 1:
        return 0.0
    arrays = communicator.allocate(count, np.float32)
    own, peer = (arrays[(communicator.rank + k) % communicator.size] for k in range(2))
    assert own is not None
    assert peer is not None
    total = np.zeros(count, np.float32)
    differences = []
    for _ in range(40):
        own += 1
        communicator.barrier()
        began = perf_counter()
        np.add(total, peer, out=total)
        between = perf_counter()
        np.add(total, own, out=total)
        differences.append(2 * between - began - perf_counter())
        communicator.barrier()
    return max(0.0, _agreed(communicator, median(differences)) / own.nbytes)


class _Pair:
    """The first two ranks, which swap messages; the others take part and send nothing."""

    def __init__(self, communicator: Communicator, bytes: int) -> None:
        self._communicator = communicator
        peer = 1 - communicator.rank
        talks = communicator.rank < 2
        self._sends = [(peer, np.zeros(bytes, np.uint8))] if talks else []
        self._receives = [(peer, np.zeros(bytes, np.uint8))] if talks else []

    def swap(self) -> None:
        self._communicator.exchange(self._sends, self._receives)


def _rate(communicator: Communicator, latency: float, metered: bool) -> tuple[float, float, float]:
    """Returns the seconds of a byte on a line in steady use; the bytes that go faster after a pause, and at which."""
    size = FIRST
    while True:
        pair = _Pair(communicator, size)
        seconds = min(_agreed(communicator, _timed(pair.swap)) for _ in range(3))
        if seconds > LONG or size >= MOST:
            break
        size *= 4
    pair.swap()  # the credit of a metered line is used up
    long = _agreed(communicator, median([_timed(pair.swap) for _ in range(TIMES)]))
    byte = max(long - latency, 0.0) / size
    burst = max(_gain(communicator, pair, size // part) for part in PARTS) / byte if metered and byte else 0.0
    if burst < FIRST / 2:  # less than what a system keeps on its way anyhow
        return byte, 0.0, 0.0
    return byte, burst, _burst_byte(communicator, int(burst / 2), latency, byte)


def _gain(communicator: Communicator, drain: _Pair, size: int) -> float:
    """Returns the seconds that a message gains by a pause before it; 0 for a gain that says nothing."""
    pair = _Pair(communicator, size)
    drained, rested = [], []
    for _ in range(TIMES):
        drain.swap()
        drained.append(_timed(pair.swap))
        sleep(PAUSE)
        communicator.barrier()
        rested.append(_timed(pair.swap))
    late, early = (_agreed(communicator, median(times)) for times in (drained, rested))
    return late - early if early < 0.85 * late else 0.0


def _burst_byte(communicator: Communicator, size: int, latency: float, byte: float) -> float:
    pair, times = _Pair(communicator, size), []
    for _ in range(TIMES):
        sleep(PAUSE)
        communicator.barrier()
        times.append(_timed(pair.swap))
    return min(byte, max(_agreed(communicator, median(times)) - latency, 0.0) / size)


def _often(communicator: Communicator, what: Callable[[], None]) -> float:
    """Returns the median over bundles of the seconds that one call takes, on the slowest rank."""
    first = min(_agreed(communicator, max(_timed(what), 1e-7)) for _ in range(10))
    times = max(1, int(SECONDS / BUNDLES / first))
    bundles: list[float] = []
    while len(bundles) < BUNDLES and _agreed(communicator, sum(bundles) * times) < 2 * SECONDS:
        for _ in range(BUNDLES // 10):
            communicator.barrier()
            began = perf_counter()
            for _ in range(times):
                what()
            bundles.append((perf_counter() - began) / times)
    return _agreed(communicator, median(bundles))


def _timed(what: Callable[[], None]) -> float:
    began = perf_counter()
    what()
    return perf_counter() - began


def _agreed(communicator: Communicator, seconds: float) -> float:
    """Returns the largest of all ranks', on all of them."""
    every = np.zeros((communicator.size, 1))
    communicator.allgather(np.array([seconds], np.float64), every)
    return float(every.max())
