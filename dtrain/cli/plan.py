"""`dtrain plan`."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dtrain.config import Config, load
from dtrain.errors import ConfigError, on_all_ranks
from dtrain.threads import set_threads, threads_for

from .guard import Scope
from .hosts import given_hosts

if TYPE_CHECKING:
    from collections.abc import Sequence


def plan(options: argparse.Namespace, scope: Scope) -> int:
    """Prints what is expected of each number of ranks. Returns the exit code."""
    scope.where, scope.lost = lambda: "planning", "nothing planned"
    config = load(options.config or "digits", options.set)
    if options.probe is not None:
        return _probe(options.probe, config, scope)
    if scope.launched is not None and scope.launched.size > 1:
        raise on_all_ranks(
            ConfigError(
                "plan: expected one process, which starts all ranks by itself, got mpirun; leave it out"
            )
        )
    from dtrain.planning import Jobs, Planner, read_network
    from dtrain.trainer.run_folder import strict

    network = None if options.network is None else read_network(options.network)
    hosts = _hosts(options)
    cores = len(os.sched_getaffinity(0))
    words = [*([options.config] if options.config else []), *(f"--set={change}" for change in options.set)]
    slots = [slots for _, slots in hosts] or [options.per_host or cores]
    planner = Planner(config, Jobs(words, config.source, hosts), slots, cores, network)
    found = planner.plan(
        options.ranks or _doublings(sum(slots)), Path(options.against) if options.against else None
    )
    print(json.dumps(strict(found.as_dict()), allow_nan=False) if options.json else found)
    return 0


def _doublings(most: int) -> list[int]:
    return [*(1 << k for k in range(most.bit_length()) if 1 << k < most), most]


def _hosts(options: argparse.Namespace) -> Sequence[tuple[str, int]]:
    given = [options.hosts, options.hostfile, options.per_host]
    if sum(option is not None for option in given) > 1:
        raise ConfigError("plan: expected one of --hosts, --hostfile and --per-host, got two; leave one out")
    return [(host.name, host.slots) for host in given_hosts(options, "plan")]


def _probe(what: str, config: Config, scope: Scope) -> int:
    """Does one process's part in a job that measures."""
    local = scope.launched.local_size if scope.launched else 1
    set_threads(threads_for(config.train.shards, local))
    from dtrain.planning import probe_links, probe_steps  # NumPy: after the threads are set
    from dtrain.planning.jobs import MARK

    communicator = scope.open()
    if what == "links":
        found: dict[str, Any] = probe_links(communicator)
    else:
        ranks, _, shared = what.partition(",")
        found = probe_steps(config, communicator, int(ranks), bool(shared))
    if communicator.rank == 0:
        print(f"{MARK}{json.dumps(found)}}}", flush=True)
    return 0
