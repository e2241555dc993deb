"""Whether this process is one of several that a launcher has started: each of them would start a job of its own."""

import time
from collections.abc import Mapping

from dtrain_launch.errors import LaunchError

_LAUNCHERS = (
    ("mpirun", "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
    ("srun", "SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
    ("mpirun", "PMI_RANK", "PMI_SIZE"),
)
_AFTER_THE_FIRST = 1.0


class Silent(LaunchError):
    """Another process says it."""


def check_alone(environment: Mapping[str, str]) -> None:
    """Raise LaunchError in the first of several processes, and Silent, a second later, in the others."""
    for launcher, of_rank, of_size in _LAUNCHERS:
        rank, size = environment.get(of_rank, ""), environment.get(of_size, "")
        if rank.isdecimal() and size.isdecimal() and int(size) > 1:
            if int(rank) > 0:
                time.sleep(_AFTER_THE_FIRST)  # mpirun ends all at the first that leaves
                raise Silent
            raise LaunchError(
                f"launch: expected one process, which starts the ranks, got {size}, started by {launcher}; "
                f"leave {launcher} out, or leave launch out: {launcher} -n {size} dtrain train …"
            )
