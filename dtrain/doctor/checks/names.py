"""Whether every host knows every host's name, and by an address that leads there."""

from __future__ import annotations

import platform
from collections.abc import Iterator

from .. import network
from ..finding import Finding, fail, ok, warn
from ..world import Facts, HostReport, World


def look(_: Facts) -> Facts:
    own = platform.node()
    try:
        addresses = network.resolve(own)
    except OSError:
        addresses = []
    return {"own": own, "addresses": addresses, "interfaces": network.interfaces()}


def judge(world: World) -> Iterator[Finding]:
    if len(world.hosts) < 2:
        return
    wrong = False
    carrying = {host.name for host in world.hosts if host.ranks}
    for host in world.hosts:
        for finding in (*_others(host, carrying), *_own(host)):
            wrong = True
            yield finding
    if not wrong and any(host.links for host in world.hosts):
        known = {link["address"] for host in world.hosts for link in host.links.values() if "address" in link}
        yield ok(f"every host finds the others: {', '.join(sorted(known))}")


def _others(host: HostReport, carrying: set[str]) -> Iterator[Finding]:
    """carrying: the hosts with ranks; one that only starts them is found by its address."""
    for peer, link in host.links.items():
        if link.get("error") == "name":
            yield (fail if peer in carrying else warn)(
                f"{host.name} does not know the name {peer}: {link['why']}",
                f"on {host.name}, as root: echo 'ADDRESS {peer}' >> /etc/hosts   # or mend its DNS",
            )
        elif link.get("address", "").startswith("127."):
            yield (fail if peer in carrying else warn)(
                f"{host.name} takes {peer} for itself: the name resolves to {link['address']}",
                f"on {host.name}: grep -n {peer} /etc/hosts   # and put the real address there",
            )


def _own(host: HostReport) -> Iterator[Finding]:
    """MPICH's launcher tells the other hosts its own name and address."""
    found = host.fact("names")
    if found is None:
        return
    if not found["addresses"]:
        yield warn(
            f"{host.name} does not know its own name, {found['own']}; some MPIs want to",
            f"on {host.name}, as root: echo 'ADDRESS {found['own']}' >> /etc/hosts",
        )
    elif all(address.startswith("127.") for address in found["addresses"]):
        yield warn(
            f"{host.name} takes its own name for {found['addresses'][0]}, where no other host reaches it",
            f"on {host.name}: grep -n {found['own']} /etc/hosts   # and put the address of its network there",
        )
