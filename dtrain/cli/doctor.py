"""`dtrain doctor`."""

from __future__ import annotations

import argparse
import json
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dtrain.config import load
from dtrain.errors import ConfigError, on_all_ranks

from .guard import FAILED, Scope
from .hosts import given_hosts

if TYPE_CHECKING:
    from dtrain.doctor.asked import Asked


def doctor(options: argparse.Namespace, scope: Scope) -> int:
    """Prints what every check found; returns 0 where none failed, 1 otherwise."""
    scope.where, scope.lost = lambda: "looking around", "nothing changed"
    if scope.launched is not None and scope.launched.size > 1:
        raise on_all_ranks(
            ConfigError(
                "doctor: expected one process, which starts ranks by itself, got mpirun; leave it out"
            )
        )
    begun = time.monotonic()
    asked = _asked(options)
    from dtrain.doctor import report
    from dtrain.doctor.examine import examine

    world = examine(asked)
    said = report.judged(world)
    seconds = time.monotonic() - begun
    with suppress(BrokenPipeError):  # `dtrain doctor | head`
        if options.json:
            print(json.dumps(report.as_dict(world, said, seconds)))
        else:
            print("\n".join(report.lines(said, seconds)), flush=True)
    return 0 if report.healthy(said) else FAILED


def _is_there() -> bool:
    try:
        return Path.cwd().is_dir()
    except FileNotFoundError:
        return False


def _asked(options: argparse.Namespace) -> Asked:
    """Returns what is asked, checked. Raises ConfigError."""
    from dtrain.doctor.asked import Asked
    from dtrain_launch.allocation import read_allocation
    from dtrain_launch.errors import LaunchError
    from dtrain_launch.hosts import slots_of

    hosts = given_hosts(options, "doctor")
    found, misallocated = None, ""
    try:
        found = None if hosts else read_allocation(os.environ)
    except LaunchError as error:
        misallocated = str(error).removeprefix("launch ")
    if not _is_there():
        raise ConfigError(
            "doctor: expected a working directory that is there, got one that was removed; cd to another"
        )
    given = hosts or (found.hosts if found else ())
    config = load(options.config) if options.config is not None else None
    return Asked(
        ranks=options.ranks or max(2, slots_of(given)),
        hosts=hosts or (found.hosts if found and found.told else ()),
        agent=options.agent or os.environ.get("DTRAIN_RSH_AGENT") or None,
        config=options.config,
        shards=config.train.shards if config else "auto",
        scheduler=found.scheduler if found else None,
        misallocated=misallocated,
        allocated=found.hosts if found and not found.told else (),
        environment=dict(os.environ),
        limit=options.limit,
    )
