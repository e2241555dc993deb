"""The script that a scheduler runs: what it may use, when it is told that time is up, and the launcher in it.

| scheduler | ranks                          | time up: SIGUSR1 to the launcher           | submit with  |
|-----------|--------------------------------|--------------------------------------------|--------------|
| Slurm     | `--ntasks`                     | `--signal=B:USR1@60`                       | `sbatch job` |
| PBS       | `-l select=…:mpiprocs=…`       | `timeout`, 60 s before the walltime        | `qsub job`   |
| LSF       | `-n`, `span[ptile=…]`          | `-wa USR1 -wt 1`, a minute before          | `bsub < job` |

The launcher finds ranks and hosts in the allocation by itself. Submitted again, the script goes on with its run.
"""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

WARNING_SECONDS = 60
GRACE_SECONDS = 50


@dataclass(frozen=True)
class Request:
    """What a scheduler is asked for.

    name         of the job: letters, digits, - and _
    ranks        how many; per_host: at most so many on a host, None leaves it to the scheduler
    threads      BLAS threads, and so cores, of a rank
    seconds      how long
    folder       the working directory
    launch       the words that start the launcher, up to and with `--`
    command      the dtrain command; run: the folder that it trains into, None where it does not
    asked        the words that asked for this script
    """

    name: str
    ranks: int
    threads: int
    seconds: int
    folder: str
    launch: tuple[str, ...]
    command: tuple[str, ...]
    asked: tuple[str, ...]
    run: str | None = None
    per_host: int | None = None


def slurm(request: Request) -> str:
    """A script for `sbatch`."""
    options = [
        (f"--job-name={request.name}", ""),
        (f"--ntasks={request.ranks}", "ranks"),
        *(
            [(f"--ntasks-per-node={request.per_host}", "at most so many on a host")]
            if request.per_host
            else []
        ),
        (f"--cpus-per-task={request.threads}", "BLAS threads of a rank"),
        (f"--time={clock(request.seconds)}", ""),
        (f"--signal=B:USR1@{WARNING_SECONDS}", "before time is up: save a checkpoint and leave"),
        (f"--output={request.name}-%j.log", ""),
    ]
    return _script(request, "sbatch job", "#SBATCH", options, "#SBATCH --partition=… --account=…")


def pbs(request: Request) -> str:
    """A script for `qsub`."""
    options = [
        (f"-N {request.name[:15]}", ""),
        (f"-l select={_chunks(request)}", "hosts, cores, ranks"),
        (f"-l walltime={clock(request.seconds)}", ""),
        ("-j oe", "one log"),
    ]
    left = str(request.seconds - WARNING_SECONDS)
    before = ["timeout", "--preserve-status", "--signal=USR1", left]
    return _script(request, "qsub job", "#PBS", options, "#PBS -q … -A …", before)


def lsf(request: Request) -> str:
    """A script for `bsub`."""
    minutes = -(-request.seconds // 60)
    options = [
        (f"-J {request.name}", ""),
        (f"-n {request.ranks}", "ranks"),
        (f'-R "affinity[core({request.threads})]"', "BLAS threads of a rank"),
        *(
            [(f'-R "span[ptile={request.per_host}]"', "at most so many on a host")]
            if request.per_host
            else []
        ),
        (f"-W {minutes // 60}:{minutes % 60:02}", ""),
        ("-wa USR1", "before time is up: save a checkpoint and leave"),
        (f"-wt {WARNING_SECONDS // 60}", "minutes before"),
        (f"-o {request.name}-%J.log", ""),
    ]
    return _script(request, "bsub < job", "#BSUB", options, "#BSUB -q … -P …")


def clock(seconds: int) -> str:
    """`01:30:00`."""
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def body(request: Request, before: Sequence[str] = ()) -> list[str]:
    """The lines that start the launcher, or go on with its run; no shell is left between it and its signals."""
    start = shlex.join([*before, *request.launch, *request.command])
    if request.run is None or {"--resume", "--overwrite"} & {*request.command}:
        return [f"exec {start}"]
    recorded = shlex.quote(f"{request.run}/config.toml")
    return [
        "resume=",
        f"if [ -e {recorded} ]; then resume=--resume; fi   # submitted again: go on",
        f"exec {start} $resume",
    ]


def _script(
    request: Request,
    submit: str,
    mark: str,
    options: Sequence[tuple[str, str]],
    site: str,
    before: Sequence[str] = (),
) -> str:
    lines = [
        "#!/bin/bash",
        f"# {shlex.join(request.asked)}",
        f"# Submit it with `{submit}`; submitted again, it goes on where it was.",
        *_with_meanings(mark, options),
        "# as your site has them:",
        f"# {site}",
        "",
        "set -eu",
        f"cd {shlex.quote(request.folder)}   # on a disk that all hosts share",
        "# module load …   the MPI of your site, if dtrain was installed for it",
        f"export DTRAIN_GRACE={GRACE_SECONDS}   # seconds for the ranks to save and leave, of the {WARNING_SECONDS}",
        "",
        *body(request, before),
    ]
    return "\n".join(lines) + "\n"


def _with_meanings(mark: str, options: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Each meaning on a line of its own: not every scheduler takes a comment behind an option."""
    for option, meaning in options:
        yield from [f"# {meaning}:"] if meaning else []
        yield f"{mark} {option}"


def _chunks(request: Request) -> str:
    """`2:ncpus=8:mpiprocs=8+1:ncpus=3:mpiprocs=3`."""
    each = request.per_host or 1
    full, rest = divmod(request.ranks, each)
    chunks = [(full, each)] * bool(full) + [(1, rest)] * bool(rest)
    return "+".join(f"{count}:ncpus={ranks * request.threads}:mpiprocs={ranks}" for count, ranks in chunks)
