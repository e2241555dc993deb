"""What the user asks of the doctor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dtrain_launch.hosts import Host


@dataclass(frozen=True)
class Asked:
    """ranks: of the job that is tried, at least 1. hosts: as for `dtrain launch`; none: this one.

    allocated: the hosts that a scheduler has given, which mpirun finds by itself, and no remote shell.
    misallocated: what is wrong with a scheduler's variables. shards: what the config says. limit: seconds in all.
    """

    ranks: int
    hosts: tuple[Host, ...] = ()
    agent: str | None = None
    config: str | None = None
    shards: int | str = "auto"
    scheduler: str | None = None
    misallocated: str = ""
    allocated: tuple[Host, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    limit: float = 10.0
