"""Whether each host reaches ports of the others, as MPI's ranks must, and over which interface."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding, fail, ok, skip, warn
from ..world import Facts, HostReport, World

_FIREWALL = "a firewall there, or between them, seems to keep the ports closed"


def judge(world: World) -> Iterator[Finding]:
    if len(world.hosts) < 2:
        return
    silent = {host.name for host in world.hosts if host.facts is None}
    open_links: list[tuple[HostReport, str, Facts]] = []
    for host in world.hosts:
        for peer, link in host.links.items():
            if link.get("error") in (None, "name"):
                open_links += [(host, peer, link)] if "microseconds" in link else []
            elif peer not in silent:
                yield _closed(host, peer, link)
        yield from _missing(world, host, silent)
    if world.through_ranks:
        yield skip("not tried: the scheduler alone reaches the other hosts")
        return
    if not open_links:
        yield skip("no two hosts could be tried")
        return
    yield from _slow_interfaces(open_links)
    yield ok(
        "; ".join(_spelled(host, peer, link) for host, peer, link in open_links[:4])
        + _more(len(open_links) - 4)
    )


def _more(count: int) -> str:
    return f"; and {count} more" if count > 0 else ""


def _missing(world: World, host: HostReport, silent: set[str]) -> Iterator[Finding]:
    answered = [h.name for h in world.hosts if h.name not in silent and h is not host]
    if host.facts is not None and answered and not host.links and not world.through_ranks:
        yield fail(
            f"{host.name} did not say in time whom it reaches",
            f"{world.shell} {host.name} true   # how long that takes",
        )


def _closed(host: HostReport, peer: str, link: Facts) -> Finding:
    what = f"{host.name} does not reach {peer} ({link['address']}) on TCP port {link['port']}: {link['why']}"
    if link["error"] == "system":
        return fail(
            what, f"on {host.name}: ip route get {link['address']}   # and ip link: is the interface up?"
        )
    return fail(
        f"{what}; {_FIREWALL}",
        f"on {peer}, as root: ufw allow from ADDRESS_OF_{host.name}   # firewalld: --zone=trusted --add-source=",
        "sysctl net.ipv4.ip_local_port_range   # all these ports are MPI's; that ssh works shows port 22 alone",
    )


def _spelled(host: HostReport, peer: str, link: Facts) -> str:
    over = f" over {link['interface']}" if link["interface"] else ""
    return f"{host.name} → {peer} ({link['address']}){over} in {link['microseconds']} µs"


def _slow_interfaces(links: list[tuple[HostReport, str, Facts]]) -> Iterator[Finding]:
    """One interface is named by the addresses, and a faster one is there."""
    told = set()
    for host, peer, link in links:
        facts = host.fact("names")
        if facts is None or link["speed"] is None or host.name in told:
            continue
        faster = {
            name: one for name, one in facts["interfaces"].items() if (one["speed"] or 0) > link["speed"]
        }
        for name, one in faster.items():
            told.add(host.name)
            yield warn(
                f"{host.name} reaches {peer} over {link['interface']} ({link['speed']} Mbit/s), and has {name} "
                f"({one['address']}, {one['speed']} Mbit/s) as well",
                f'dtrain launch --mpi-args "--mca btl_tcp_if_include {name}" …   # Open MPI',
                f"export FI_TCP_IFACE={name}   # MPICH",
            )
            break
