"""What is asked of `dtrain launch`, checked; what is said about mistakes."""

import argparse
import math
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from dtrain_launch.allocation import Allocation
from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host, read_hostfile, read_hosts, slots_of
from dtrain_launch.parser import EXAMPLE, OF_DTRAIN, SCHEDULERS, SUBCOMMANDS, attach_mpi_args, parser

_A_PLACE = 64


@dataclass(frozen=True)
class Options:
    """What the user asked for, checked. named: whether the hosts are those that the user has named."""

    ranks: int
    command: tuple[str, ...]
    threads: int | None = None
    mpirun: str | None = None
    mpi_args: tuple[str, ...] = ()
    hosts: tuple[Host, ...] = ()
    named: bool = False
    agent: str | None = None
    recover: bool = False
    restarts: int = 0
    logs: bool = False
    dry_run: bool = False
    to: str | None = None
    time: str | None = None
    per_host: int | None = None
    image: str | None = None


def read_arguments(
    argv: Sequence[str], allocation: Callable[[], Allocation | None] = lambda: None
) -> Options:
    """The options from the words after `dtrain launch`; ranks and hosts, where not given, from the allocation.

    Raises LaunchError on a mistake.
    """
    split = argv.index("--") if "--" in argv else len(argv)
    given, unknown = parser().parse_known_args(attach_mpi_args(argv[:split]))
    if split == len(argv):
        raise LaunchError(
            "launch: expected -- and a dtrain command after the options, got no --; "
            f"for example: {_with_dashes(argv)}"
        )
    if unknown:
        raise LaunchError(
            f"launch: expected options of launch before --, got {unknown[0]!r}; see dtrain launch --help"
        )
    command = _command(argv[split + 1 :])
    _check_for_training(given, command)
    to, hosts = _scheduler(given), _hosts(given)
    found = None if hosts or to else allocation()
    told = hosts or (found.hosts if found and found.told else ())
    places = hosts or (found.hosts if found else ())
    ranks = _ranks(given.ranks, places)
    if to is None and not given.dry_run:
        _check_crowd(ranks, places)
    return Options(
        ranks=ranks,
        command=command,
        threads=None if given.threads is None else _positive("--threads", given.threads, "--threads 2"),
        mpirun=given.mpirun,
        mpi_args=_words(given.mpi_args),
        hosts=told,
        named=bool(hosts),
        agent=given.agent,
        recover=given.recover,
        restarts=0 if given.restarts is None else _positive("--restarts", given.restarts, "--restarts 3"),
        logs=given.logs,
        dry_run=given.dry_run,
        to=to,
        time=given.time,
        per_host=None if given.per_host is None else _positive("--per-host", given.per_host, "--per-host 8"),
        image=given.image,
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


def _hosts(given: argparse.Namespace) -> tuple[Host, ...]:
    if given.hosts is not None and given.hostfile is not None:
        raise LaunchError("launch: expected one of --hosts and --hostfile, got both; leave one out")
    if given.hosts is not None:
        return read_hosts(given.hosts)
    return () if given.hostfile is None else read_hostfile(Path(given.hostfile))


def _check_for_training(given: argparse.Namespace, command: Sequence[str]) -> None:
    for option in ("recover", "restarts", "logs"):
        if getattr(given, option) and command[0] != "train":
            raise LaunchError(
                f"launch --{option}: expected train after --, got {command[0]!r}, for which it does nothing; "
                "leave the option out"
            )


def _scheduler(given: argparse.Namespace) -> str | None:
    """What --to names; its companions are refused without it."""
    for option in ("time", "per_host", "image"):
        if given.to is None and getattr(given, option) is not None:
            raise LaunchError(
                f"launch --{option.replace('_', '-')}: expected --to with it, got none; for example: --to slurm"
            )
    if given.to is not None and given.to not in SCHEDULERS:
        raise LaunchError(f"launch --to: expected one of {', '.join(SCHEDULERS)}, got {given.to!r}")
    if given.to is not None and given.ranks in (None, "auto"):
        raise LaunchError(
            f"launch --to: expected -n and a number of ranks, got {'no -n' if given.ranks is None else '-n auto'}; "
            f"for example: dtrain launch --to {given.to} -n 64 -- train digits"
        )
    if given.to is not None and (given.hosts is not None or given.hostfile is not None):
        raise LaunchError(
            "launch --to: expected no hosts, which the scheduler chooses, got --hosts or --hostfile"
        )
    to: str | None = given.to
    return to


def _ranks(text: str | None, hosts: Sequence[Host]) -> int:
    """What -n says; by default, and for `auto`, the slots of the hosts."""
    if text is None and not hosts:
        raise LaunchError(f"launch: expected -n and a number of ranks, got no -n; for example: {EXAMPLE}")
    if text is None or text == "auto":
        return slots_of(hosts) or len(os.sched_getaffinity(0))
    return _positive("-n", text, EXAMPLE)


def _check_crowd(ranks: int, hosts: Sequence[Host]) -> None:
    """Far too many take all memory, and mpirun dies of it late, or the machine does."""
    places = slots_of(hosts) or len(os.sched_getaffinity(0))
    if ranks > _A_PLACE * places:
        what = "slots of the hosts" if hosts else "cores here"
        raise LaunchError(
            f"launch -n: expected at most {_A_PLACE * places} ranks, {_A_PLACE} for each of {places} {what}, got "
            f"{ranks}; name hosts with more slots: --hosts a:64,b:64"
        )


def _with_dashes(argv: Sequence[str]) -> str:
    """What was probably meant: -- in front of the first word that is a command of dtrain."""
    for at, word in enumerate(argv):
        if word in SUBCOMMANDS:
            return shlex.join(["dtrain", "launch", *argv[:at], "--", *argv[at:]])
    return EXAMPLE


def _positive(option: str, text: str, example: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise LaunchError(
            f"launch {option}: expected a whole number, at least 1, got {text!r}; for example: {example}"
        )
    return int(text)


def _command(words: Sequence[str]) -> tuple[str, ...]:
    if not words or words[0] not in SUBCOMMANDS + OF_DTRAIN:
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
