"""Tries the real thing: a job of several ranks, with the launcher's own flags, and a watch beside it."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from dtrain_launch.command import command_line
from dtrain_launch.job import Job

from .child import Child
from .world import HostReport, JobReport, Start

if TYPE_CHECKING:
    from dtrain_launch.flavour import Flavour
    from dtrain_launch.hosts import Host

PROBE = (sys.executable, "-P", "-m", "dtrain.doctor.rank_probe")


def rank_job(
    ranks: int, hosts: tuple[Host, ...], agent: str | None, shards: int | str, token: str | None,
    environment: Mapping[str, str],
) -> Job:  # fmt: skip
    """Returns the job that the ranks' probe runs in. token: as `rank_probe` takes it."""
    return Job(
        ranks=ranks,
        command=(str(shards), *([token] if token else [])),
        program=PROBE,
        hosts=hosts,
        agent=agent,
        environment=environment,
        root=os.getuid() == 0,
    )


def start(job: Job, flavour: Flavour) -> Child:
    """Starts mpirun."""
    arguments, variables = command_line(job, flavour)
    return Child(arguments, {**job.environment, **variables})


def watch(child: Child, ranks: int, deadline: float) -> JobReport:
    """Returns what the job came to by the deadline."""
    begun = time.monotonic()
    code = child.wait_for_end(deadline)
    records = list(child.records)
    return JobReport(
        ranks=ranks,
        started=[record for record in records if record["kind"] == "started"],
        worlds=[record for record in records if record["kind"] == "world"],
        errors=list(dict.fromkeys(record["error"] for record in records if record["kind"] == "error")),
        speed=child.record("speed"),
        code=code,
        seconds=time.monotonic() - begun,
        said=[*child.said, *([child.error] if child.error else [])],
    )


def take_hosts(child: Child, job: JobReport, reports: list[HostReport]) -> None:
    """Adds the hosts that only ranks have seen, and counts the ranks of each."""
    known = {report.name for report in reports}
    told = [record for record in child.records if record["kind"] == "host"]
    reports += [HostReport(r["name"], facts=r["facts"]) for r in told if r["name"] not in known]
    seats = [rank["host"] for world in job.worlds for rank in world["ranks"]]
    for report in reports:
        report.ranks = seats.count(report.name)


def start_trials(
    cores: int, ranks: int, flavour: Flavour, environment: Mapping[str, str]
) -> dict[str, tuple[int, Child]]:
    """Starts `true` on as many processes as there are cores, on one more, and as a bare mpirun would."""
    job = Job(cores, (), ("true",), environment=environment, root=os.getuid() == 0)
    bare = Child([str(flavour.mpirun), "-n", str(ranks), "true"], environment)
    return {
        "cores": (cores, start(job, flavour)),
        "more": (cores + 1, start(replace(job, ranks=cores + 1), flavour)),
        "bare": (ranks, bare),
    }


def trial(ranks: int, child: Child, deadline: float) -> Start:
    """Returns how it went, and ends it."""
    code = child.wait_for_end(deadline)
    child.end()
    return Start(ranks, code, tuple(child.said))
