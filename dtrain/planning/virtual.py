"""The engine's real step, as one rank of many has it: what it sends to whom, and how long it computes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dtrain.communicator import CountingCommunicator
from dtrain.contracts import Solver
from dtrain.engine import learn
from dtrain.engine.apart import Apart
from dtrain.errors import ConfigError, RunError, on_all_ranks
from dtrain.trainer.figures import Figures
from dtrain.trainer.job import build_job
from dtrain.trainer.seat import make_seat

from .trace import Calls

if TYPE_CHECKING:
    from dtrain.config import Config

    from .hollow import HollowCommunicator


@dataclass(frozen=True)
class Counts:
    """What `CountingCommunicator` counts of one rank: calls, messages and bytes, by the name of the method."""

    calls: Counter[str]
    messages: Counter[str]
    bytes: Counter[str]


class VirtualRank:
    """One rank of a job, in which it is alone, ready to take steps."""

    def __init__(self, config: Config, hollow: HollowCommunicator) -> None:
        self._hollow = hollow
        self.counting = CountingCommunicator(hollow)
        self.job = build_job(config, self.counting)
        if isinstance(self.job.optimizer, Solver):
            raise on_all_ranks(
                ConfigError(
                    f"plan: expected an optimizer whose steps are all alike, got {config.optimizer.name!r}, which "
                    "looks at the loss before it knows how much there is to do"
                )
            )
        self._seat = make_seat(self.job, self.counting, Figures(self.job.loss, self.job.metrics))
        replica = self._seat.replica
        with np.errstate(all="ignore"):  # as in a run
            replica.initialize()
            learn(replica, self._seat.batches, "start")
        self._values = replica.exchange.values.copy()
        self._order = self._seat.batches.order(config.seed, 0)
        self._steps = 0

    @property
    def rows(self) -> int:
        """Samples of a whole global batch."""
        return self._seat.batches.size_of(0)

    @property
    def shared_bytes(self) -> int:
        """Bytes that others have written, and this rank reads in a step, where memory is shared."""
        if not self._hollow.shares_memory:
            return 0
        exchange, size = self._seat.replica.exchange, self._hollow.size
        written = exchange.values.nbytes + sum(node.nbytes for node in exchange.nodes)
        return written * (size - 1) // size

    def step(self) -> tuple[Calls, list[float]]:
        """Takes a step on the first global batch of an epoch.

        Returns its collectives, and the seconds of work before each of them and after the last.
        Raises RunError where its loss or gradient is not finite: a run would not get on.
        """
        seat, hollow = self._seat, self._hollow
        self.counting.reset()
        with np.errstate(all="ignore"):
            hollow.restart()
            updated = seat.step(seat.batches.whole(0, self._order), 0, self._steps, 0.0)
            self._meet()
            hollow.end()
        if not updated:
            raise RunError("plan: the loss or the gradient of a first step is not finite; see `dtrain debug`")
        self._steps += 1
        if not hollow.shares_memory:  # peers said what this rank said, of their parameters as well
            np.copyto(seat.replica.exchange.values, self._values)
        return tuple(hollow.calls), hollow.work

    @property
    def interval(self) -> int:
        """Steps after which what ranks do repeats itself."""
        exchange = self._seat.replica.exchange
        return exchange.interval if isinstance(exchange, Apart) else 1

    def _meet(self) -> None:
        """As a run does after a step, where ranks train by themselves."""
        replica = self._seat.replica
        if isinstance(replica.exchange, Apart) and (self._steps + 1) % self.interval == 0:
            replica.exchange.meet(replica.network.states)

    def counts(self) -> Counts:
        """Returns what the last step sent."""
        counted = self.counting
        return Counts(counted.calls.copy(), counted.messages.copy(), counted.bytes.copy())
