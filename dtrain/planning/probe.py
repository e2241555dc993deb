"""What each process of a probing job does: some steps as one of many ranks, or messages to the others."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np

from dtrain.config import to_table

from .hollow import HollowCommunicator
from .measure import measure_link, measure_shared_byte
from .trace import Call, Calls
from .virtual import VirtualRank

if TYPE_CHECKING:
    from dtrain.communicator.protocol import Communicator
    from dtrain.config import Config
    from dtrain.types import Array

WARM = 5
"""Steps before the first that counts."""

SECONDS, LEAST, MOST = 1.5, 8, 2000
"""Of the steps that count: how long they take, and how many there are at least and at most."""


@dataclass(frozen=True)
class Kind:
    """Steps that come to the same collectives. share: of all steps. traces: (rank, its collectives) of the ranks run.

    work: seconds before each collective and after the last, such that their sum is what a job of these ranks takes.
    own: what one of these ranks computes in all, the mean of them.
    """

    share: float
    traces: list[tuple[int, Calls]]
    work: list[float]
    own: float

    def as_dict(self) -> dict[str, Any]:
        """Returns it as JSON values."""
        traces = [[rank, listed(calls)] for rank, calls in self.traces]
        return {"share": self.share, "traces": traces, "work": self.work, "own": self.own}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Kind:
        """Returns the kind of which `as_dict` gave the values."""
        traces = [(rank, calls_of(calls)) for rank, calls in told["traces"]]
        return cls(told["share"], traces, told["work"], told["own"])


def probe_links(communicator: Communicator) -> dict[str, Any]:
    """Returns the figures of the link between this job's ranks. A collective."""
    return {
        "link": measure_link(communicator, metered=not communicator.shares_memory).as_dict(),
        "shared_byte": measure_shared_byte(communicator),
    }


def probe_steps(
    config: Config, communicator: Communicator, ranks: int, shares_memory: bool
) -> dict[str, Any]:
    """Runs some ranks of a job of `ranks`, as many as there are processes here, and returns what they took.

    shares_memory: whether all ranks of that job are on one host. A collective.
    """
    mine = sample(ranks, communicator.size)[communicator.rank]
    virtual = VirtualRank(config, HollowCommunicator(mine, ranks, shares_memory, communicator))
    _warm_up(virtual, communicator)
    steps = [virtual.step() for _ in range(_how_many(virtual, communicator))]
    kinds = [_kind(calls, steps, mine, communicator) for calls in dict.fromkeys(calls for calls, _ in steps)]
    counts = virtual.counts()
    told = communicator.share(
        {
            "rank": mine,
            "peak": peak_bytes(),
            "messages": _total(counts.messages),
            "bytes": _total(counts.bytes),
        }
    )
    return {
        "ranks": ranks,
        "kinds": [kind.as_dict() for kind in kinds],
        "config": to_table(virtual.job.config),
        "rows": virtual.rows,
        "shards": virtual.job.shards,
        "shared_bytes": virtual.shared_bytes,
        "parameters": sum(p.size for p in virtual.job.network.parameters),
        "run": told,
    }


def sample(ranks: int, processes: int) -> list[int]:
    """Returns the ranks that are run: the first, which has the most rows, the last, and others between them."""
    if processes == 1:
        return [0]
    return [round(k * (ranks - 1) / (processes - 1)) for k in range(processes)]


def _warm_up(virtual: VirtualRank, communicator: Communicator) -> None:
    for _ in range(WARM):
        virtual.step()
    communicator.barrier()


def _how_many(virtual: VirtualRank, communicator: Communicator) -> int:
    """Returns how many steps are timed, the same on every rank."""
    began = perf_counter()
    for _ in range(3):
        virtual.step()
    took = max(communicator.share((perf_counter() - began) / 3))
    wanted = min(MOST, max(LEAST, SECONDS / took))
    return -(-int(wanted) // virtual.interval) * virtual.interval


def _kind(
    calls: Calls, steps: Sequence[tuple[Calls, list[float]]], rank: int, communicator: Communicator
) -> Kind:
    own = np.array([work for these, work in steps if these == calls])
    every = np.zeros((communicator.size, *own.shape))
    communicator.allgather(own, every)
    traces = [(other, calls_of(told)) for other, told in communicator.share([rank, listed(calls)])]
    return Kind(
        len(own) / len(steps),
        traces,
        merged(every),
        float(np.median(every.sum(2), axis=1).mean()),
    )


def listed(calls: Calls) -> list[Any]:
    """Returns calls as JSON values."""
    return [call.as_list() for call in calls]


def calls_of(told: Sequence[Any]) -> Calls:
    """Returns the calls that `listed` made values of."""
    return tuple(map(Call.from_list, told))


def merged(every: Array) -> list[float]:
    """Returns the seconds of each piece of work of a job of these ranks: all of them wait for the last, every time.

    every: of shape (ranks, steps, pieces). The pieces add up to the median over the steps of what a step takes.
    """
    slowest = every.max(axis=0)
    pieces = np.median(slowest, axis=0)
    typical = median(slowest.sum(axis=1).tolist())
    total = float(pieces.sum())
    scaled: list[float] = (pieces * (typical / total if total else 1.0)).tolist()
    return scaled


def peak_bytes() -> int:
    """Returns the most memory that this process has held, shared pages with it; 0 where the system does not say."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _total(counter: Counter[str]) -> int:
    return sum(counter.values())
