"""From a job and an MPI to the command: pure functions, lists of strings, never a shell string."""

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from dtrain_launch.dialects import Dialect, Flag, dialect_of
from dtrain_launch.errors import LaunchError
from dtrain_launch.flavour import Flavour
from dtrain_launch.hosts import dealt
from dtrain_launch.job import Job

_THREADS = ("OMP_", "OPENBLAS_", "MKL_", "BLIS_", "NUMEXPR_", "VECLIB_")
_CARRIED = ("DTRAIN_", "PYTHON", "MPI4PY_", "LD_LIBRARY_PATH", *_THREADS)


def command_line(job: Job, flavour: Flavour) -> tuple[list[str], dict[str, str]]:
    """The arguments of the process to start, and the variables to add to the job's environment.

    Raises LaunchError for what this MPI cannot do.
    """
    dialect = dialect_of(flavour)
    variables = _variables(job, dialect)
    flags = _given_none(_wanted(dialect, job, flavour), job.mpi_args)
    exports = _exports(dialect, job, variables)
    arguments = [str(flavour.mpirun), *flags, *exports, *job.mpi_args, *_ranks(dialect, job)]
    return arguments, variables


def carried(names: Iterable[str]) -> list[str]:
    """Those of the variables that Python, MPI and dtrain read, which must be alike on all hosts; sorted."""
    return sorted(name for name in names if name.startswith(_CARRIED))


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


def _ranks(dialect: Dialect, job: Job) -> Iterator[str]:
    """How many ranks, where, and what each runs."""
    program = [*job.program, *job.command]
    if job.hosts and dialect.hosts is None:
        placed = [(host, n) for host, n in zip(job.hosts, dealt(job.ranks, job.hosts), strict=True) if n]
        for at, (host, ranks) in enumerate(placed):
            yield from [*([":"] if at else []), "-n", str(ranks), "-host", host.name, *program]
        return
    if job.hosts and dialect.hosts is not None:
        yield from [dialect.hosts, ",".join(f"{host.name}:{host.slots}" for host in job.hosts)]
    yield from ["-n", str(job.ranks), *program]


def _exports(dialect: Dialect, job: Job, variables: Mapping[str, str]) -> Iterator[str]:
    """The flags that carry variables to the hosts, where this MPI needs any."""
    if job.hosts and dialect.export is not None:
        for name in carried({*job.environment, *variables}):
            yield from [dialect.export, name]


def _variables(job: Job, dialect: Dialect) -> dict[str, str]:
    """What the user has set stays as it is; only options, said later, override."""
    wanted = {**(dialect.root if job.root else {}), **dialect.variables}
    if job.progress_bar:
        wanted["DTRAIN_PROGRESS"] = "bar"
    missing = {name: value for name, value in wanted.items() if name not in job.environment}
    if job.threads is not None:
        missing["DTRAIN_THREADS"] = str(job.threads)
    if job.report is not None:
        missing["DTRAIN_REPORT"] = str(job.report)
    if job.agent is not None:
        missing |= {**dialect.shell, dialect.agent: job.agent}
    return missing
