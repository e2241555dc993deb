"""Finds out all that the checks judge, within a limit of time whatever hangs.

hosts: probes by the remote shell ─┐
mpirun: --version, `true`          ├→ the job of ranks, over the hosts that answered → World
the config: built apart            ┘
"""

from __future__ import annotations

import os
import platform
import secrets
import shutil
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dtrain_launch.errors import LaunchError
from dtrain_launch.find import find_mpirun, python_prefixes
from dtrain_launch.flavour import detect
from dtrain_launch.hosts import dealt, slots_of
from dtrain_launch.probe import is_here
from dtrain_launch.processes import Brood

from .checks.directory import TOKEN
from .child import Child
from .hosts import HostProbes
from .job import rank_job, start, start_trials, take_hosts, trial, watch
from .world import HostReport, World

if TYPE_CHECKING:
    from dtrain_launch.hosts import Host

    from .asked import Asked

VERSION = 0.2
"""The part of the limit that `mpirun --version` may take."""
LOOK, CONNECT, JOB, END = 0.45, 0.6, 0.82, 0.9
"""When, of the limit, a silent host is given up, connections are, the job of ranks is ended, and all else."""
LEAVE = 0.5
"""Seconds in which mpirun may end its processes on other hosts, where nobody else can."""


def examine(asked: Asked) -> World:
    """Returns what was found within the limit; every process that was started has ended.

    Nothing that is wrong there raises, and nothing hangs: all is done in a thread, which a file system that does
    not answer may keep for ever.
    """
    world = _world(asked)
    begun = time.monotonic()
    over, failures = threading.Event(), []

    def look() -> None:
        try:
            _look(asked, world, begun, over)
        except Exception as error:
            failures.append(error)

    work = threading.Thread(target=look, daemon=True)
    with Brood() as brood:
        try:
            work.start()
            work.join(END * asked.limit)
            world.held_up = work.is_alive()
        finally:  # also at Ctrl-C
            over.set()
            brood.clear(patience=0.1, limit=0.4)
            work.join(1)  # its files
    if failures:
        raise failures[0]
    return world


def _look(asked: Asked, world: World, begun: float, over: threading.Event) -> None:
    """Fills the world, piece by piece, until it is over."""

    def at(part: float) -> float:
        return begun + part * asked.limit

    model = _start_model(asked)
    with HostProbes(asked, world.hosts) as probes:
        _find_mpirun(world, VERSION * asked.limit)
        trials = _start_trials(asked, world)
        probes.look(at(CONNECT), at(LOOK))
        probes.connect(at(CONNECT))
        world.trials = {name: trial(*started, at(CONNECT)) for name, started in trials.items()}
    if not over.is_set():
        _try_job(asked, world, at(JOB))
    if model is not None:
        model.wait(lambda model: model.record("model") is not None, at(JOB))
        world.model = model.record("model")
        model.end()


def _world(asked: Asked) -> World:
    """The hosts, and how many ranks each gets. This one comes first, also where it gets none."""
    ranks = dealt(asked.ranks, asked.hosts) if asked.hosts else []
    reports = [HostReport(host.name, count) for host, count in zip(asked.hosts, ranks, strict=True)]
    here = next((report for report in reports if is_here(report.name)), None)
    if here is None:
        here = HostReport(platform.node(), 0 if asked.hosts else asked.ranks)
    others = [report for report in reports if report is not here]
    return World(
        ranks=asked.ranks,
        hosts=[here, *others],
        environment=asked.environment,
        scheduler=asked.scheduler,
        misallocated=asked.misallocated,
        srun=shutil.which("srun") is not None,
        config=asked.config,
        shards=asked.shards,
        shell=asked.agent or "ssh",
        python=sys.executable,
        through_ranks=bool(asked.allocated),
    )


def _find_mpirun(world: World, patience: float) -> None:
    """The launcher's, and that which a shell finds, if it is another."""
    environment = world.environment
    try:
        path = find_mpirun(environment, python_prefixes(), Path(sys.executable))
        world.mpirun = detect(path, environment, patience)
    except LaunchError as error:
        world.no_mpirun = str(error).removeprefix("launch: ")
    on_path = shutil.which("mpirun", path=environment.get("PATH"))
    if on_path is not None and world.mpirun is not None and Path(on_path).resolve() != path.resolve():
        with suppress(LaunchError):
            world.on_path = detect(Path(on_path), environment, patience)


def _start_model(asked: Asked) -> Child | None:
    if asked.config is None:
        return None
    command = [sys.executable, "-P", "-m", "dtrain.doctor.model_probe", asked.config, str(asked.ranks)]
    return Child(command, asked.environment)


def _start_trials(asked: Asked, world: World) -> dict[str, tuple[int, Child]]:
    """Only where the ranks are for this machine: a scheduler's mpirun would ask the other hosts."""
    if world.mpirun is None or len(world.hosts) > 1 or asked.scheduler is not None:
        return {}
    cores = len(os.sched_getaffinity(0))
    return start_trials(cores, asked.ranks, world.mpirun, asked.environment)


def _try_job(asked: Asked, world: World, deadline: float) -> None:
    """Over the hosts that answered, at least 2 ranks: one alone shows nothing."""
    without_srun = world.scheduler == "Slurm" and not world.srun
    if world.mpirun is None or without_srun or time.monotonic() > deadline:
        return
    answered = {host.name for host in world.hosts if host.facts is not None}
    hosts = tuple(host for host in asked.hosts if host.name in answered)
    if asked.hosts and not hosts:
        return
    ranks = max(2, _ranks(asked, hosts))
    token = f"{TOKEN}{secrets.token_hex(8)}" if world.through_ranks else None
    child = start(rank_job(ranks, hosts, asked.agent, asked.shards, token, asked.environment), world.mpirun)
    world.job = watch(child, ranks, deadline)
    child.end(patience=LEAVE)
    if token is not None:
        take_hosts(child, world.job, world.hosts)
        for left in Path.cwd().glob(f"{token}*"):
            left.unlink(missing_ok=True)


def _ranks(asked: Asked, hosts: tuple[Host, ...]) -> int:
    return asked.ranks if len(hosts) == len(asked.hosts) else min(asked.ranks, slots_of(hosts))
