"""From a job and an MPI to the command: pure functions, lists of strings, never a shell string."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dtrain_launch.dialects import Dialect, Flag, dialect_of
from dtrain_launch.errors import LaunchError
from dtrain_launch.flavour import Flavour
from dtrain_launch.job import Job


def command_line(job: Job, flavour: Flavour) -> tuple[list[str], dict[str, str]]:
    """The arguments of the process to start, and the variables to add to the job's environment.

    Raises LaunchError for what this MPI cannot do.
    """
    dialect = dialect_of(flavour)
    flags = _given_none(_wanted(dialect, job, flavour), job.mpi_args)
    ranks = ["-n", str(job.ranks)]
    arguments = [str(flavour.mpirun), *flags, *job.mpi_args, *ranks, *job.program, *job.command]
    return arguments, _variables(job, dialect)


def shell_line(arguments: Sequence[str], variables: Mapping[str, str]) -> str:
    """The same as one line that can be pasted into a shell."""
    settings = [f"{name}={shlex.quote(value)}" for name, value in variables.items()]
    return " ".join([*settings, shlex.join(arguments)])


def _wanted(dialect: Dialect, job: Job, flavour: Flavour) -> Iterator[Flag]:
    yield from dialect.flags
    if job.recover and dialect.recover is None:
        raise LaunchError(
            f"launch --recover: expected Open MPI 5 or newer, got {flavour}, in which no rank outlives another; "
            "--restarts 3 in its place starts the job again from its newest checkpoint"
        )
    if job.recover and dialect.recover is not None:
        yield dialect.recover


def _given_none(flags: Iterable[Flag], mpi_args: Sequence[str]) -> Iterator[str]:
    """The words of the flags, but for those that the user gives himself."""
    given = {word.partition("=")[0].lstrip("-") for word in mpi_args if word.startswith("-")}
    for flag in flags:
        if given.isdisjoint(flag.unless):
            yield from flag.words


def _variables(job: Job, dialect: Dialect) -> dict[str, str]:
    """What the user has set stays as it is; only `--threads`, said later, overrides."""
    wanted = {**(dialect.root if job.root else {}), **dialect.variables}
    if job.progress_bar:
        wanted["DTRAIN_PROGRESS"] = "bar"
    missing = {name: value for name, value in wanted.items() if name not in job.environment}
    if job.threads is not None:
        missing["DTRAIN_THREADS"] = str(job.threads)
    return missing
