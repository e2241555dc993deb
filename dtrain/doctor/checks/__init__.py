"""The checks, one a module, in the order in which they are shown.

look(asked)   what it needs to know of a host, as JSON values; runs on each host. Not every check has one.
judge(world)  its findings: a pure function of what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..finding import Finding
from ..world import Facts, World
from . import (
    cores,
    directory,
    exchange,
    hosts,
    leftovers,
    memory,
    mpi,
    names,
    ports,
    processors,
    ranks,
    root,
    scheduler,
    shared_memory,
    slots,
    software,
)

Look = Callable[[Facts], Facts]


class Check(NamedTuple):
    """A check by its name on the screen."""

    name: str
    judge: Callable[[World], Iterator[Finding]]
    look: Look | None = None


CHECKS = (
    Check("hosts", hosts.judge),
    Check("mpi", mpi.judge, mpi.look),
    Check("scheduler", scheduler.judge),
    Check("root", root.judge, root.look),
    Check("slots", slots.judge),
    Check("ranks", ranks.judge),
    Check("cores", cores.judge, cores.look),
    Check("/dev/shm", shared_memory.judge, shared_memory.look),
    Check("leftovers", leftovers.judge, leftovers.look),
    Check("software", software.judge, software.look),
    Check("processors", processors.judge, processors.look),
    Check("directory", directory.judge, directory.look),
    Check("names", names.judge, names.look),
    Check("ports", ports.judge),
    Check("exchange", exchange.judge),
    Check("memory", memory.judge, memory.look),
)
