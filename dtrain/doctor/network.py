"""How one host reaches another: the address of a name, a TCP connection, the interface that it takes."""

from __future__ import annotations

import fcntl
import socket
import struct
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from .world import Facts

_GET_ADDRESS = 0x8915  # SIOCGIFADDR
_NET = Path("/sys/class/net")


def listener() -> socket.socket:
    """A port of the system's choice that others can connect to, as MPI's are. The kernel answers for it."""
    server = socket.create_server(("", 0), backlog=256)
    server.settimeout(0)
    return server


def resolve(name: str) -> list[str]:
    """The IPv4 addresses of a name, which the MPIs take; raises OSError where there are none."""
    found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def connect_all(ports: dict[str, int], seconds: float) -> dict[str, Facts]:
    """`connect` to each host at once."""
    with ThreadPoolExecutor(min(64, max(1, len(ports)))) as pool:
        links = pool.map(lambda name: connect(name, ports[name], seconds), ports)
        return dict(zip(ports, links, strict=True))


def connect(name: str, port: int, seconds: float) -> Facts:
    """How a port of a host is reached, or why not.

    addresses: of the name. address, own, interface: of the connection; speed: of the interface, in Mbit/s, None
    where it has none; microseconds: until the other side answered. error: `name`, `refused`, `timeout`, or as
    the system puts it.
    """
    try:
        addresses = resolve(name)
    except OSError as error:
        return {"error": "name", "why": error.strerror or str(error)}
    link: Facts = {"addresses": addresses, "address": addresses[0], "port": port}
    start = time.perf_counter()
    try:
        with socket.create_connection((addresses[0], port), seconds) as connection:
            link["microseconds"] = round(1e6 * (time.perf_counter() - start))
            link["own"] = connection.getsockname()[0]
    except TimeoutError:
        return {**link, "error": "timeout", "why": f"no answer within {seconds:g} s"}
    except ConnectionRefusedError:
        return {**link, "error": "refused", "why": "connection refused"}
    except OSError as error:
        return {**link, "error": "system", "why": error.strerror or str(error)}
    return {**link, **_interface_of(link["own"])}


def _interface_of(address: str) -> Facts:
    for name, found in interfaces().items():
        if found["address"] == address:
            return {"interface": name, "speed": found["speed"]}
    return {"interface": None, "speed": None}


def interfaces() -> dict[str, Facts]:
    """The interfaces of this host that have an IPv4 address: name → address, speed in Mbit/s or None."""
    found = {}
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _, name in socket.if_nameindex():
            with suppress(OSError):
                answer = fcntl.ioctl(probe, _GET_ADDRESS, struct.pack("256s", name.encode()[:15]))
                found[name] = {"address": socket.inet_ntoa(answer[20:24]), "speed": _speed(name)}
    return found


def _speed(name: str) -> int | None:
    """In Mbit/s; None where the kernel does not know: virtual interfaces say −1, or what they were born with."""
    with suppress(OSError, ValueError):
        speed = int((_NET / name / "speed").read_text())
        if speed > 0 and (_NET / name / "device").exists():
            return speed
    return None
