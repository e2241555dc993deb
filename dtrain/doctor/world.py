"""What was found out, for the checks to judge. Filled by `examine`; the tests fill it by hand."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dtrain_launch.flavour import Flavour

Facts = dict[str, Any]
"""What one look at a host has found, as JSON values; `{"error": …}` where the look itself failed."""


@dataclass
class HostReport:
    """One host.

    ranks: how many it is to carry. facts: by the name of the check, None where the host did not answer;
    problem: then says why. links: host → how it is reached from here, as `network.connect` returns it.
    """

    name: str
    ranks: int = 1
    facts: dict[str, Facts] | None = None
    problem: str = ""
    links: dict[str, Facts] = field(default_factory=dict)

    def fact(self, check: str) -> Facts | None:
        """What a check has found here; None where it found nothing."""
        found = (self.facts or {}).get(check)
        return None if found is None or "error" in found else found

    def error(self, check: str) -> str | None:
        """Why a check could not look here."""
        return (self.facts or {}).get(check, {}).get("error")


@dataclass
class JobReport:
    """The job of several ranks that was tried.

    started: what each process said before MPI. worlds: what each process that is rank 0 of its job said after:
    one, unless the processes did not find each other. errors: in the ranks' own words. speed: None where it did
    not come so far. code: None where the job had to be ended after `seconds`. said: all other output.
    """

    ranks: int
    started: list[Facts] = field(default_factory=list)
    worlds: list[Facts] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    speed: Facts | None = None
    code: int | None = None
    seconds: float = 0.0
    said: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Start:
    """Whether mpirun started `true`. ranks: how many. code: None where it did not end in time."""

    ranks: int
    code: int | None
    said: tuple[str, ...] = ()


@dataclass
class World:
    """All of it. hosts: the first is this one. mpirun: that `dtrain launch` takes; on_path: that a shell takes.

    misallocated: what is wrong with a scheduler's variables. srun: whether it is on PATH.
    trials: how mpirun starts "cores" and "more" ranks with the launcher's flags, and "bare" with none.
    model: the numbers of the config, or its error. shell, python: as a user would type them.
    through_ranks: whether other hosts were seen by the ranks alone, as within Slurm.
    held_up: whether looking itself did not come to its end.
    """

    ranks: int
    hosts: list[HostReport]
    environment: Mapping[str, str] = field(default_factory=dict)
    mpirun: Flavour | None = None
    no_mpirun: str = ""
    on_path: Flavour | None = None
    scheduler: str | None = None
    misallocated: str = ""
    srun: bool = False
    trials: dict[str, Start] = field(default_factory=dict)
    job: JobReport | None = None
    config: str | None = None
    shards: int | str = "auto"
    model: Facts | None = None
    shell: str = "ssh"
    python: str = "python"
    through_ranks: bool = False
    held_up: bool = False

    @property
    def here(self) -> HostReport:
        return self.hosts[0]

    def answering(self, check: str) -> Iterator[tuple[HostReport, Facts]]:
        """The hosts where this check could look, with what it found."""
        for host in self.hosts:
            found = host.fact(check)
            if found is not None:
                yield host, found

    def seated(self, check: str) -> Iterator[tuple[HostReport, Facts]]:
        """Those of them that are to carry ranks: the job may be for other hosts than this one."""
        return ((host, found) for host, found in self.answering(check) if host.ranks)

    def deaf(self, check: str) -> Iterator[tuple[HostReport, str]]:
        """The hosts that answered, but where this check could not look, with the reason."""
        for host in self.hosts:
            error = host.error(check)
            if error is not None:
                yield host, error

    def on(self, host: HostReport, command: str) -> str:
        """A command as it is typed here to run there."""
        return command if host is self.here else f"{self.shell} {host.name} {shlex.quote(command)}"
