"""Whether each host answers, and runs this Python and this dtrain."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding, fail, ok
from ..wording import counted
from ..world import HostReport, World


def judge(world: World) -> Iterator[Finding]:
    if world.held_up:
        yield fail(
            "something on this host does not answer (a file system?), so that not all could be looked at",
            "df   # does it show all file systems at once?",
        )
    silent = [host for host in world.hosts if host.facts is None]
    for host in silent:
        yield fail(f"{host.name} {host.problem}; the rest is tried without it", _remedy(world, host))
    if len(world.hosts) > 1 and not silent:
        yield ok(f"all {counted(len(world.hosts), 'host')} answer: {', '.join(h.name for h in world.hosts)}")


def _remedy(world: World, host: HostReport) -> str:
    if "No module" in host.problem or "No such file" in host.problem or "not found" in host.problem:
        return f"install the same environment at the same path on {host.name}, or mount it there"
    if host is world.here:
        return f"{world.python} -P -m dtrain.doctor.host_probe   # what it says, and how long it takes"
    return f"this has to work, without a password: {world.shell} {host.name} true"
