"""How fast the ranks exchange gradients: dtrain's own exchange, measured in the job that was tried."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding, ok, skip, warn
from ..wording import size
from ..world import Facts, World

GIGABIT = 125e6
"""Bytes a second."""
_SLOW = 0.8  # of a gigabit: what TCP makes of the wire
_LATE = 2e-3  # seconds for an exchange of a few kilobytes: not a network of one room


def judge(world: World) -> Iterator[Finding]:
    job = world.job
    if job is None or not job.worlds or job.worlds[0]["size"] < 2:
        yield skip("not measured: there was no job of several ranks")
        return
    if job.speed is None:
        yield skip("not measured: the job did not come so far")
        return
    hosts = {rank["host"] for rank in job.worlds[0]["ranks"]}
    if len(hosts) == 1:
        yield ok(f"{times(job.speed)}, within this host")
        return
    text = f"{times(job.speed)}: {spelled(rate(job.speed))} a rank"
    if rate(job.speed) < _SLOW * GIGABIT:
        yield warn(f"{text}, between hosts: slower than 1 Gbit/s", *_HINTS)
    elif job.speed["small"] > _LATE:
        yield warn(f"{text}, between hosts: long ways", *_HINTS)
    else:
        yield ok(f"{text}, between hosts")


_HINTS = (
    "dtrain plan CONFIG   # whether more hosts are worth it for your network",
    'train --set train.exchange=local_steps   # ranks meet every few steps: other weights than "exact"',
    'is it the wrong interface? dtrain launch --mpi-args "--mca btl_tcp_if_include eth1" …',
)


def rate(speed: Facts) -> float:
    """Bytes a second over the way of the busiest rank: each sends 2(N−1)/N of the array, or less."""
    share: float = 2 * (speed["ranks"] - 1) / speed["ranks"]
    return share * speed["bytes"] / speed["large"]


def spelled(bytes_a_second: float) -> str:
    """`117 MB/s (936 Mbit/s)`."""
    bits = 8 * bytes_a_second
    unit = f"{bits / 1e9:.3g} Gbit/s" if bits >= 1e9 else f"{bits / 1e6:.3g} Mbit/s"
    return f"{size(bytes_a_second)}/s ({unit})"


def times(speed: Facts) -> str:
    """Both."""
    small, large = (f"{1e6 * speed[which]:,.0f} µs" for which in ("small", "large"))
    return f"{size(speed['small_bytes'])} of gradients in {small}, {size(speed['bytes'])} in {large}"
