"""Hosts and how many ranks each is meant for: read in any dialect, dealt out, and looked for when lost."""

import contextlib
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from dtrain_launch.errors import LaunchError

_EXAMPLE = "for example: --hosts a:8,b:8"
_NAME = re.compile(r"[A-Za-z0-9_.@%\[\]][A-Za-z0-9_.@%\[\]-]*")
_SSH = ("ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=5")
_PROBE_SECONDS = 10.0


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


def remote_shell(agent: str | None) -> tuple[str, ...]:
    """The words in front of a host and a command; ssh, without a password, where no agent is named."""
    return _SSH if agent is None else tuple(shlex.split(agent))


def unreachable(hosts: Iterable[Host], agent: str | None, seconds: float = _PROBE_SECONDS) -> set[str]:
    """The names of the hosts on which `agent HOST true` fails or takes longer.

    Where there is no such program, nobody is known to be lost.
    """
    shell = remote_shell(agent)
    probes: dict[str, subprocess.Popen[bytes]] = {}
    nowhere = subprocess.DEVNULL
    with contextlib.suppress(OSError):
        for host in hosts:
            if not is_here(host.name):
                command = [*shell, host.name, "true"]
                probes[host.name] = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere)
    deadline = time.monotonic() + seconds
    return {name for name, probe in probes.items() if not _answers(probe, deadline)}


def _answers(probe: subprocess.Popen[bytes], deadline: float) -> bool:
    try:
        return probe.wait(max(0.0, deadline - time.monotonic())) == 0
    except subprocess.TimeoutExpired:
        probe.kill()
        probe.wait()
        return False


def is_here(name: str) -> bool:
    """Whether a host's name means this one."""
    own = os.uname().nodename
    return name in ("localhost", "127.0.0.1", own, own.partition(".")[0])


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
