"""The options of `dtrain launch` and its help."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from dtrain_launch.errors import LaunchError

SCHEDULERS = ("slurm", "pbs", "lsf", "kubernetes")
SUBCOMMANDS = ("train", "evaluate", "predict")
OF_DTRAIN = ("verify", "plan")
"""Subcommands that dtrain itself starts so."""
EXAMPLE = "dtrain launch -n 4 -- train digits"

_EPILOG = f"""\
examples:
  {EXAMPLE}
  dtrain launch -n 4 --dry-run -- train digits --set optimizer.lr=0.01
  dtrain launch --hosts node1:8,node2:8 -- train digits
  dtrain launch --to slurm -n 64 --per-host 16 --time 8:00:00 -- train mnist > job
  dtrain launch -n 4 --threads 2 --mpi-args "--bind-to core" -- evaluate runs/digits

Ctrl-C asks the ranks to save a checkpoint and to leave; a second one ends them at once.
DTRAIN_GRACE=SECONDS is how long they have for it (10). DTRAIN_RESTART_SECONDS is the pause
before the first restart (1); each of the next is twice as long, up to 30 s.

exit codes: 0 done (train: summary.json is there); 1 a rank or mpirun failed; 2 a mistake in the command
or the config; 130 and 143 stopped by SIGINT and SIGTERM.
"""


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are ours: one line, no usage in front."""

    def error(self, message: str) -> NoReturn:
        raise LaunchError(f"launch: {message}; see dtrain launch --help")


def parser() -> argparse.ArgumentParser:
    """The parser of what stands before `--`; it raises LaunchError."""
    options = _Parser(
        prog="dtrain launch",
        usage="dtrain launch -n N [options] -- {train,evaluate,predict} …",
        description="Run a dtrain command as N ranks, with the mpirun of the installed MPI.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = options.add_argument
    add("-n", dest="ranks", metavar="N", help="how many ranks; auto: a core each, or the slots of the hosts")
    add("--hosts", metavar="A:8,B:8", help="the hosts, and how many ranks each is meant for")
    add("--hostfile", metavar="FILE", help="the same, a line a host: `a slots=8` or `a:8`")
    add("--rsh-agent", dest="agent", metavar="PROGRAM", help="starts ranks on other hosts (default: ssh)")
    add("--threads", metavar="K", help="BLAS threads of each rank (default: 1 where the bits depend on it)")
    add("--recover", action="store_true", help="when ranks die, the others go on (Open MPI 5 or newer)")
    add("--restarts", metavar="K", help="start a job that broke off again from its checkpoint, up to K times")
    add("--dry-run", action="store_true", help="print the command and stop")
    add("--logs", action="store_true", help="each rank's output in a file of its own: RUN/logs/rank-3.log")
    add("--mpirun", metavar="PATH", help="the mpirun to use (default: the one of the MPI that Python loads)")
    add("--mpi-args", metavar='"…"', action="append", default=[], help="further arguments for mpirun")
    batch = options.add_argument_group("instead of starting it, print a job for a scheduler").add_argument
    batch("--to", metavar="SCHEDULER", help=f"{', '.join(SCHEDULERS)}: print its job and stop")
    batch("--time", metavar="H:MM:SS", help="how long the job may take (default: 1:00:00)")
    batch("--per-host", metavar="K", help="at most so many ranks on a host (default: as the scheduler likes)")
    batch("--image", metavar="IMAGE", help="the container image, for kubernetes")
    return options


def attach_mpi_args(words: Sequence[str]) -> list[str]:
    """`--mpi-args --verbose` as one word: argparse takes a value that starts with a dash for an option."""
    attached: list[str] = []
    for word in words:
        if attached and attached[-1] == "--mpi-args":
            attached[-1] += f"={word}"
        else:
            attached.append(word)
    return attached
