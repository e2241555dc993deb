"""Hosts and how many ranks each is meant for: read in any dialect, and dealt out."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dtrain_launch.errors import LaunchError

_EXAMPLE = "for example: --hosts a:8,b:8"
_NAME = re.compile(r"[A-Za-z0-9_.@%\[\]][A-Za-z0-9_.@%\[\]-]*")


@dataclass(frozen=True)
class Host:
    """A host by the name that the remote shell knows, and its slots: how many ranks it is meant for."""

    name: str
    slots: int = 1


def merged(hosts: Iterable[Host]) -> tuple[Host, ...]:
    """Each host once, in the order of first mention, with all its slots."""
    slots: dict[str, int] = {}
    for host in hosts:
        slots[host.name] = slots.get(host.name, 0) + host.slots
    return tuple(Host(name, count) for name, count in slots.items())


def slots_of(hosts: Iterable[Host]) -> int:
    """The sum."""
    return sum(host.slots for host in hosts)


def read_hosts(text: str) -> tuple[Host, ...]:
    """`a:8,b:8`; a bare name is one slot, and a name that comes again adds to it."""
    return merged(_host(word, "--hosts", _EXAMPLE) for word in text.split(","))


def read_hostfile(path: Path, option: str = "--hostfile") -> tuple[Host, ...]:
    """A line a host, as Open MPI writes it (`a slots=8`), as MPICH does (`a:8`), or bare; # begins a comment."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise LaunchError(
            f"launch {option} {path}: expected a file of hosts, got: {reason}; a line is: a slots=8"
        ) from error
    hosts = [
        _host(words, f"{option} {path} line {number}", "a line is: a slots=8")
        for number, line in enumerate(lines, 1)
        if (words := line.partition("#")[0].strip())
    ]
    if not hosts:
        raise LaunchError(
            f"launch {option} {path}: expected a line for each host, got none; a line is: a slots=8"
        )
    return merged(hosts)


def dealt(ranks: int, hosts: Sequence[Host]) -> list[int]:
    """How many ranks each host gets: its slots, in order; what is over goes round once more."""
    given = [0] * len(hosts)
    while ranks:
        for at, host in enumerate(hosts):
            given[at] += min(host.slots, ranks)
            ranks -= min(host.slots, ranks)
    return given


def _host(text: str, where: str, example: str) -> Host:
    name, slots = _split(text)
    if not (_NAME.fullmatch(name) and slots.isascii() and slots.isdigit() and int(slots) > 0):
        raise LaunchError(
            f"launch {where}: expected a host and how many ranks it is meant for, got {text!r}; {example}"
        )
    return Host(name, int(slots))


def _split(text: str) -> tuple[str, str]:
    words = text.split()
    if len(words) == 1:
        name, colon, slots = words[0].partition(":")
        return name, slots if colon else "1"
    given = dict(word.partition("=")[::2] for word in words[1:])
    known = given.keys() <= {"slots", "max_slots", "max-slots"}
    return (words[0], given.get("slots", "1")) if words and known else ("", "")
