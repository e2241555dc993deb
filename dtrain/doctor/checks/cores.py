"""Cores against ranks times threads: on each host as it is, and under the launcher as each rank found it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping

from dtrain.threads import VARIABLES, WANTED

from ..cgroup import cpu_quota
from ..finding import Finding, ok, warn
from ..wording import counted, runs
from ..world import Facts, HostReport, World

BUSY = 2


def look(_: Facts) -> Facts:
    return {"mask": sorted(os.sched_getaffinity(0)), "quota": cpu_quota(), "load": os.getloadavg()[0]}


def judge(world: World) -> Iterator[Finding]:
    for host, found in world.seated("cores"):
        yield from _host(world, host, len(found["mask"]), found["quota"])
        if overloaded(found):
            yield warn(
                f"{host.name} is busy: about {found['load']:.0f} processes want its {len(found['mask'])} cores, so all "
                "takes longer, and what is measured here says little",
                world.on(host, "top -b -n 1 | head -20") + "   # who they are",
            )
    yield from _bound(world)


def overloaded(found: Facts) -> bool:
    """Whether more than twice as many processes want to run as there are cores."""
    return bool(found["load"] > BUSY * len(found["mask"]))


def threads_of(environment: Mapping[str, str], shards: int | str, cores: int, ranks: int) -> tuple[int, str]:
    """The BLAS threads that a rank will get, and the variable that says so; no name where dtrain decides."""
    names = (WANTED,) if environment.get(WANTED) else VARIABLES
    chosen = [
        (int(text), name)
        for name in names
        if (text := environment.get(name, "").split(",")[0].strip()).isdecimal() and int(text)
    ]
    if chosen:
        return max(chosen)
    return (max(1, cores // ranks) if shards == "ranks" else 1), ""


def _host(world: World, host: HostReport, cores: int, quota: float | None) -> Iterator[Finding]:
    room = cores if quota is None else min(cores, quota)
    threads, variable = threads_of(world.environment, world.shards, cores, max(1, host.ranks))
    allowed = (
        f"{cores} cores" if quota is None or quota >= cores else f"{cores} cores, {quota:g} of them allowed"
    )
    each = f"{counted(host.ranks, 'rank')} × {counted(threads, 'thread')} on {allowed} of {host.name}"
    if host.ranks > room:
        yield warn(
            f"{each}: the ranks take turns, and more of them are not faster",
            f"dtrain launch -n {max(1, int(room))} …"
            if len(world.hosts) == 1
            else f"--hosts {host.name}:{int(room)},…",
        )
    elif host.ranks * threads > room and threads > 1:
        fits = max(1, int(room) // max(1, host.ranks))
        why = f"{variable}={threads} is set" if variable else "the group's quota is less than the cores"
        yield warn(
            f"{each}: {why}; more threads than cores make each step several times slower",
            f"export {variable or WANTED}={fits}",
        )
    else:
        yield ok(each)


def _bound(world: World) -> Iterator[Finding]:
    """What a launcher's binding leaves to each rank."""
    job = world.job
    if job is None or not job.worlds or job.worlds[0]["size"] != job.ranks:
        return
    by_host: dict[str, list[Facts]] = {}
    for rank in job.worlds[0]["ranks"]:
        by_host.setdefault(rank["host"], []).append(rank)
    for host, ranks in by_host.items():
        cores = {core for rank in ranks for core in rank["mask"]}
        wanted = sum(rank["threads"] for rank in ranks)
        whole = next((set(f["mask"]) for h, f in world.answering("cores") if h.name == host), cores)
        if len(cores) < min(wanted, len(whole)):
            yield warn(
                f"the {len(ranks)} ranks of {host} are all bound to core {runs(cores)}, of {len(whole)} that it has",
                'dtrain launch --mpi-args "--bind-to none" …',
                "unset PRTE_MCA_hwloc_default_binding_policy OMPI_MCA_hwloc_base_binding_policy HYDRA_BINDING",
            )
