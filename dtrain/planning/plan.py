"""From a config and numbers of ranks to what is expected of them: what is measured where, and put together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.engine import resolve_shards
from dtrain.errors import ConfigError

from .advice import advice_of
from .against import Compared, Run, difference, read_run, runs_like
from .links import NOTHING, Link, Links
from .model import step_seconds
from .network import given_network
from .outcome import Plan, Row
from .placement import Placement, place
from .probe import Kind

if TYPE_CHECKING:
    from dtrain.config import Config

    from .jobs import Jobs

MOST_HOSTS = 16
"""Hosts that take part when a network is measured."""


class Planner:
    """Plans one config.

    slots: how many ranks each host takes. cores: of this machine. network: (bytes a second, seconds) given; None: it
    is measured where it is needed.
    """

    def __init__(
        self, config: Config, jobs: Jobs, slots: Sequence[int], cores: int,
        network: tuple[float, float] | None = None,
    ) -> None:  # fmt: skip
        self._config, self._jobs, self._slots, self._cores = config, jobs, slots, cores
        self._network = network
        self._probed: dict[int, Mapping[str, Any]] = {}

    def plan(self, ranks: Sequence[int], against: Path | None = None) -> Plan:
        """Returns what is expected of each number of ranks, and of one.

        against: an earlier run to compare with; None: the last one of this config under runs/, if there is one.
        Raises ConfigError for what a run would refuse, or where a network is neither given nor there.
        """
        earlier = None if against is None else read_run(against)
        counts = sorted({1, *ranks, *([earlier.ranks] if earlier else [])})
        for count in counts:
            resolve_shards(self._config.train.shards, count)  # as a run would, before anything is measured
        places = [place(count, self._slots) for count in counts]
        self._check_network(places)
        links = self._links(places)
        for placement in places:
            self._probe(placement)
        first = self._seconds(places[0], links)
        rows = tuple(self._row(placement, links, first) for placement in places)
        batch, config = self._probed[1]["rows"], self._config
        exchange = config.train.exchange
        advice = advice_of(rows, batch, str(getattr(exchange, "name", exchange)))
        plan = Plan(
            config.name, self._probed[1]["parameters"], batch, rows, links, advice, self._notes(places)
        )
        return replace(plan, compared=self._compared(earlier, places, links))

    # ------------------------------------------------------------------ what is measured

    def _check_network(self, places: Sequence[Placement]) -> None:
        spread = next((p for p in places if p.hosts > 1), None)
        if spread is not None and self._network is None and len(self._slots) < 2:
            raise ConfigError(
                f"plan: {spread.size} ranks need {spread.hosts} hosts of {self._slots[0]}: expected the hosts, such as "
                "--hosts a:8,b:8, or their network, such as --network 10gbit,50us, got neither"
            )

    def _processes(self, placement: Placement) -> int:
        """Returns how many ranks of a job are run to see what they take: all that there is room for."""
        if self._jobs.hosts:
            return min(placement.size, sum(self._slots))
        return min(placement.size, self._slots[0], self._cores)

    def _links(self, places: Sequence[Placement]) -> Links:
        host, shared, network = NOTHING, 0.0, None
        most = max(placement.most for placement in places)
        if most > 1:
            found = self._jobs.within(most if self._jobs.hosts else max(2, min(most, self._cores)))
            host, shared = Link.from_dict(found["link"]), found["shared_byte"]
        hosts = max(placement.hosts for placement in places)
        if hosts > 1 and self._network is not None:
            network = given_network(*self._network, host)
        elif hosts > 1:
            found = self._jobs.between(min(hosts, len(self._slots), MOST_HOSTS))
            network = Link.from_dict(found["link"])
        return Links(host, network, shared)

    def _probe(self, placement: Placement) -> None:
        shared = placement.hosts == 1 and os.environ.get("DTRAIN_SHARED_MEMORY") != "0"
        self._probed[placement.size] = self._jobs.steps(placement.size, self._processes(placement), shared)

    # ------------------------------------------------------------------ what follows from it

    def _seconds(self, placement: Placement, links: Links) -> float:
        """Returns the mean over all kinds of steps."""
        found = self._probed[placement.size]
        return sum(
            kind.share * step_seconds(kind.traces, kind.work, placement, links, found["shared_bytes"])
            for kind in map(Kind.from_dict, found["kinds"])
        )

    def _row(self, placement: Placement, links: Links, first: float) -> Row:
        found, seconds = self._probed[placement.size], self._seconds(placement, links)
        computes = sum(kind["share"] * kind["own"] for kind in found["kinds"])
        idle = None if links.network is None else replace(links.network, byte=0.0, burst_byte=0.0)
        busy = seconds - self._seconds(placement, replace(links, network=idle))
        return Row(
            placement.size,
            placement.hosts,
            seconds,
            found["rows"] / seconds,
            first / seconds,
            max(0.0, 1 - computes / seconds),
            busy / seconds,
            max(rank["messages"] for rank in found["run"]),
            max(rank["bytes"] for rank in found["run"]),
            max(rank["peak"] for rank in found["run"]),
        )

    def _notes(self, places: Sequence[Placement]) -> tuple[str, ...]:
        notes = []
        fewer = [p for p in places if self._processes(p) < min(p.size, p.most)]
        if fewer:
            notes.append(
                f"hosts of {fewer[0].most} ranks were measured with {self._processes(fewer[0])} at once, all that this "
                "machine has cores for: more share their memory, and take longer"
            )
        return tuple(notes)

    def _compared(self, earlier: Run | None, places: Sequence[Placement], links: Links) -> Compared | None:
        resolved = self._probed[1]["config"]
        if earlier is not None and (key := difference(earlier.config, resolved)):
            raise ConfigError(
                f"plan --against {earlier.folder}: expected a run of this config, got one with another {key}"
            )
        found = [earlier] if earlier is not None else runs_like(resolved)
        for run in found:
            placement = next((p for p in places if (p.size, p.hosts) == (run.ranks, run.hosts)), None)
            if placement is not None and run.shards == self._probed[run.ranks]["shards"]:
                return Compared(
                    os.path.relpath(run.folder), run.ranks, run.seconds, self._seconds(placement, links)
                )
        if earlier is not None:
            raise ConfigError(
                f"plan --against {earlier.folder}: expected a run on hosts and shards like these, got "
                f"{earlier.ranks} ranks on {earlier.hosts} hosts with {earlier.shards} shards"
            )
        return None
