"""Whether several processes become the ranks of one job: the commonest fault is N times rank 0 of 1."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding, fail, ok, skip, warn
from ..wording import counted, telling_lines
from ..world import Facts, JobReport, World
from .cores import overloaded

_INTERFACE = (
    'dtrain launch --mpi-args "--mca btl_tcp_if_include eth0" …   # the interface between the hosts, Open MPI'
)
_TRY = "dtrain launch -n {} --dry-run -- train digits   # the command, to try it by hand"


def judge(world: World) -> Iterator[Finding]:
    job = world.job
    if job is None:
        why = "there is no mpirun for it" if world.mpirun is None else "what has failed above comes first"
        yield skip(f"no job was tried: {why}")
        return
    alone = [one for one in job.worlds if one["size"] == 1]
    if job.errors:
        yield fail(job.errors[0], *_remedies(world, job))
    elif job.worlds and job.worlds[0]["size"] == job.ranks:
        busy = any(overloaded(found) for _, found in world.answering("cores"))
        yield from _together(job, job.worlds[0], busy)
    elif job.worlds and alone:
        yield fail(
            f"{counted(len(alone), 'process')} started, each of them rank 0 of 1: the MPI library is not the "
            "launcher's, and N separate models would be trained",
            *_remedies(world, job),
        )
    elif job.worlds:
        yield fail(
            f"{job.ranks} ranks were asked for, and the job has {job.worlds[0]['size']}",
            *_remedies(world, job),
        )
    else:
        yield _nothing(world, job)


def _together(job: JobReport, world: Facts, busy: bool) -> Iterator[Finding]:
    hosts = list(dict.fromkeys(rank["host"] for rank in world["ranks"]))
    where = f"on {', '.join(hosts)}" if len(hosts) > 1 else "on this host"
    shares = "" if len(hosts) > 1 else ", with shared memory" if world["shares_memory"] else ""
    said = f"{counted(job.ranks, 'rank')} {where} are one job{shares}"
    if job.code is None and busy:
        yield warn(
            f"{said}, which did not come to its end within {job.seconds:.0f} s: the cores are busy with other work",
            "dtrain doctor --limit 60",
        )
        return
    yield ok(said)
    if len(hosts) == 1 and job.ranks > 1 and not world["shares_memory"]:
        yield warn(
            "the ranks of this host share no memory, so that each step copies all gradients",
            "start them as one user in one container; unset DTRAIN_SHARED_MEMORY",
        )
    if job.code is None:
        yield fail(
            f"the job did not end: it was killed after {job.seconds:.0f} s; {_last(job)}",
            _TRY.format(job.ranks),
        )
    elif job.code:
        yield fail(f"the job ended with exit code {job.code}; {_last(job)}", _TRY.format(job.ranks))


def _nothing(world: World, job: JobReport) -> Finding:
    count = len(job.started)
    if job.code is not None:
        return fail(
            f"mpirun ended with exit code {job.code} before the ranks were one job; {_last(job)}",
            *_remedies(world, job),
        )
    if count < job.ranks:
        return fail(
            f"{count} of {counted(job.ranks, 'process')} started within {job.seconds:.0f} s; {_last(job)}",
            *_remedies(world, job),
        )
    return fail(
        f"all {job.ranks} processes started, and MPI did not join them within {job.seconds:.0f} s; {_last(job)}",
        *(_INTERFACE,) * (len(world.hosts) > 1),
        _TRY.format(job.ranks),
    )


def _remedies(world: World, job: JobReport) -> Iterator[str]:
    if "SLURM_JOB_ID" in world.environment:
        yield "start by `dtrain launch` within salloc or sbatch; by srun, only with the site's own MPI: srun --mpi=pmix"
    yield "mend first what else has failed here: mpi, /dev/shm, software or ports may be the cause"
    yield _TRY.format(job.ranks)


def _last(job: JobReport) -> str:
    return f"it said: {telling_lines(job.said)}" if telling_lines(job.said) else "it said nothing"
