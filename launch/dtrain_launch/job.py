"""What is to be started, whatever the MPI."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dtrain_launch.hosts import Host


@dataclass(frozen=True)
class Job:
    """One job of `ranks` processes, on this machine or on several.

    ranks         how many processes, at least 1
    command       the arguments of dtrain: ("train", "digits")
    program       what every rank runs in front of them; the absolute path of this Python by default,
                  because a bare `python` may be another one where the rank starts; -P, because a stray
                  numpy.py in the working directory is no module of ours
    threads       BLAS threads of a rank; None leaves the choice to the rank
    mpi_args      the user's own arguments for mpirun
    hosts         where they run; none: here, or where mpirun finds by itself that a scheduler has put them
    agent         the program that starts another on a host, as ssh does; None leaves it to mpirun
    recover       whether the ranks that are left go on when others die
    environment   the variables that are set already and are not to be overridden
    root          whether the user is root, whom Open MPI refuses unless told otherwise
    report        the file in which a rank says why it ends the job; None where mpirun can be relied on
    progress_bar  whether the user looks at a terminal: the ranks cannot see it through mpirun's pipes
    """

    ranks: int
    command: tuple[str, ...]
    program: tuple[str, ...] = (sys.executable, "-P", "-m", "dtrain")
    threads: int | None = None
    mpi_args: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()
    agent: str | None = None
    recover: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    root: bool = False
    report: Path | None = None
    progress_bar: bool = False


def logged_program() -> tuple[str, ...]:
    """The same with each rank's output in a file; the folder of the files comes behind it."""
    return (sys.executable, "-P", "-m", "dtrain_launch.logged")
