"""The options of `dtrain launch`, and what is said about wrong ones."""

import argparse
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from dtrain_launch.allocation import Allocation
from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host, read_hostfile, read_hosts, slots_of

SUBCOMMANDS = ("train", "evaluate", "predict")
EXAMPLE = "dtrain launch -n 4 -- train digits"

_EPILOG = f"""\
examples:
  {EXAMPLE}
  dtrain launch -n 4 --dry-run -- train digits --set optimizer.lr=0.01
  dtrain launch --hosts node1:8,node2:8 -- train digits
  dtrain launch -n 4 --threads 2 --mpi-args "--bind-to core" -- evaluate runs/digits

Ctrl-C asks the ranks to save a checkpoint and to leave; a second one ends them at once.
DTRAIN_GRACE=SECONDS is how long they have for it (10). DTRAIN_RESTART_SECONDS is the pause
before the first restart (1); each of the next is twice as long, up to 30 s.

exit codes: 0 done (train: summary.json is there); 1 a rank or mpirun failed; 2 a mistake in the command
or the config; 130 and 143 stopped by SIGINT and SIGTERM.
"""


@dataclass(frozen=True)
class Options:
    """What the user asked for, checked."""

    ranks: int
    command: tuple[str, ...]
    threads: int | None = None
    mpirun: str | None = None
    mpi_args: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()
    agent: str | None = None
    recover: bool = False
    restarts: int = 0
    dry_run: bool = False


class _Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are ours: one line, no usage in front."""

    def error(self, message: str) -> NoReturn:
        raise LaunchError(f"launch: {message}; see dtrain launch --help")


def read_arguments(argv: Sequence[str], allocation: Allocation | None = None) -> Options:
    """The options from the words after `dtrain launch`; ranks and hosts, where not given, from the allocation.

    Raises LaunchError on a mistake.
    """
    split = argv.index("--") if "--" in argv else len(argv)
    given, unknown = _parser().parse_known_args(_attach_mpi_args(argv[:split]))
    if split == len(argv):
        raise LaunchError(
            f"launch: expected -- and a dtrain command after the options, got no --; for example: {EXAMPLE}"
        )
    if unknown:
        raise LaunchError(
            f"launch: expected options of launch before --, got {unknown[0]!r}; see dtrain launch --help"
        )
    command = _command(argv[split + 1 :])
    for option in ("recover", "restarts"):
        if getattr(given, option) and command[0] != "train":
            raise LaunchError(
                f"launch --{option}: expected train after --, got {command[0]!r}, which is quickly started again; "
                f"leave the option out"
            )
    hosts = _hosts(given)
    told = hosts or (allocation.hosts if allocation and allocation.told else ())
    return Options(
        ranks=_ranks(given.ranks, hosts or (allocation.hosts if allocation else ())),
        command=command,
        threads=None if given.threads is None else _positive("--threads", given.threads, "--threads 2"),
        mpirun=given.mpirun,
        mpi_args=_words(given.mpi_args),
        hosts=told,
        agent=given.agent,
        recover=given.recover,
        restarts=0 if given.restarts is None else _positive("--restarts", given.restarts, "--restarts 3"),
        dry_run=given.dry_run,
    )


def seconds(environment: Mapping[str, str], name: str, default: str) -> float:
    """The variable `name` as a time: DTRAIN_GRACE, how long the ranks may take to leave by themselves."""
    text = environment.get(name, default)
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise LaunchError(
            f"launch: {name}: expected a number of seconds, at least 0, got {text!r}; for example: {name}=60"
        )
    return number


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="dtrain launch",
        usage="dtrain launch -n N [options] -- {train,evaluate,predict} …",
        description="Run a dtrain command as N ranks, with the mpirun of the installed MPI.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("-n", dest="ranks", metavar="N", help="how many ranks; auto: a core each, or the slots of the hosts")
    add("--hosts", metavar="A:8,B:8", help="the hosts, and how many ranks each is meant for")
    add("--hostfile", metavar="FILE", help="the same, a line a host: `a slots=8` or `a:8`")
    add("--rsh-agent", dest="agent", metavar="PROGRAM", help="starts ranks on other hosts (default: ssh)")
    add("--threads", metavar="K", help="BLAS threads of each rank (default: its share of the cores)")
    add("--recover", action="store_true", help="when ranks die, the others go on (Open MPI 5 or newer)")
    add("--restarts", metavar="K", help="start a job that broke off again from its checkpoint, up to K times")
    add("--dry-run", action="store_true", help="print the command and stop")
    add("--mpirun", metavar="PATH", help="the mpirun to use (default: the one of the MPI that Python loads)")
    add("--mpi-args", metavar='"…"', action="append", default=[], help="further arguments for mpirun")
    return parser


def _attach_mpi_args(words: Sequence[str]) -> list[str]:
    """`--mpi-args --verbose` as one word: argparse takes a value that starts with a dash for an option."""
    attached: list[str] = []
    for word in words:
        if attached and attached[-1] == "--mpi-args":
            attached[-1] += f"={word}"
        else:
            attached.append(word)
    return attached


def _hosts(given: argparse.Namespace) -> tuple[Host, ...]:
    if given.hosts is not None and given.hostfile is not None:
        raise LaunchError("launch: expected one of --hosts and --hostfile, got both; leave one out")
    if given.hosts is not None:
        return read_hosts(given.hosts)
    return () if given.hostfile is None else read_hostfile(Path(given.hostfile))


def _ranks(text: str | None, hosts: Sequence[Host]) -> int:
    """What -n says; by default, and for `auto`, the slots of the hosts."""
    if text is None and not hosts:
        raise LaunchError(f"launch: expected -n and a number of ranks, got no -n; for example: {EXAMPLE}")
    if text is None or text == "auto":
        return slots_of(hosts) or len(os.sched_getaffinity(0))
    return _positive("-n", text, EXAMPLE)


def _positive(option: str, text: str, example: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise LaunchError(
            f"launch {option}: expected a whole number, at least 1, got {text!r}; for example: {example}"
        )
    return int(text)


def _command(words: Sequence[str]) -> tuple[str, ...]:
    if not words or words[0] not in SUBCOMMANDS:
        got = repr(words[0]) if words else "nothing"
        raise LaunchError(
            f"launch: expected train, evaluate or predict after --, got {got}; for example: {EXAMPLE}"
        )
    return tuple(words)


def _words(texts: Sequence[str]) -> tuple[str, ...]:
    try:
        return tuple(word for text in texts for word in shlex.split(text))
    except ValueError as error:
        raise LaunchError(
            f"launch --mpi-args: expected words as in a shell, got {' '.join(texts)!r} ({error}); "
            "close the quotation"
        ) from error
