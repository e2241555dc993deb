"""Whether this is within a scheduler's allocation, and whether mpirun can use it."""

from __future__ import annotations

from collections.abc import Iterator

from ..finding import Finding, fail, ok
from ..wording import counted
from ..world import World


def judge(world: World) -> Iterator[Finding]:
    if world.misallocated:
        yield fail(
            f"the variables of a scheduler's job do not tell its hosts: {world.misallocated}",
            "unset SLURM_JOB_ID PBS_JOBID LSB_JOBID   # outside of a job; within one, name them: --hosts a:8,b:8",
        )
    if world.scheduler is None:
        return
    if world.scheduler == "Slurm" and not world.srun:
        yield fail(
            "the variables of a Slurm job are set, so mpirun starts its ranks by srun, and there is no srun here",
            "unset ${!SLURM_*}   # outside of a job, in bash",
        )
        return
    yield ok(f"in an allocation of {world.scheduler}: {counted(len(world.hosts), 'host')}")
