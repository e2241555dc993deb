"""What the launcher's environment says about this process. Standard library only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

OPEN_MPI = "Open MPI"
HYDRA = "MPICH or Intel MPI"
SLURM = "Slurm"

_VARIABLES = {
    OPEN_MPI: (
        "OMPI_COMM_WORLD_RANK",
        "OMPI_COMM_WORLD_SIZE",
        "OMPI_COMM_WORLD_LOCAL_RANK",
        "OMPI_COMM_WORLD_LOCAL_SIZE",
    ),
    HYDRA: ("PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"),
}
_FIRST_SPECIAL_STEP = 0xFFFFFFF0  # Slurm numbers its batch, extern and interactive steps from here on


@dataclass(frozen=True)
class Launched:
    """One process of a job, as the launcher that started it sees it."""

    rank: int
    size: int
    local_rank: int
    """The rank among the processes of this host."""
    local_size: int
    launcher: str


def launched(environ: Mapping[str, str] | None = None) -> Launched | None:
    """Returns what the launcher's environment says, or None where no launcher started this process.

    `mpirun -n 1` counts as a launcher. A Slurm allocation without a step (no `srun`) does not.
    """
    environ = os.environ if environ is None else environ
    if _in_slurm_step(environ) and "OMPI_COMM_WORLD_SIZE" not in environ:
        return _by_slurm(environ)  # before Hydra: srun --mpi=pmi2 sets PMI_RANK and PMI_SIZE too
    for launcher, names in _VARIABLES.items():
        rank, size, local_rank, local_size = (_number(environ, name) for name in names)
        if rank is not None and size is not None:
            return Launched(rank, size, local_rank or 0, local_size or 1, launcher)
    return None


def left_idle(environ: Mapping[str, str] | None = None) -> int:
    """Returns how many tasks Slurm holds ready for a job of which this process, started without `srun`, uses none."""
    environ = os.environ if environ is None else environ
    tasks = _number(environ, "SLURM_NTASKS") or 1
    alone = "SLURM_JOB_ID" in environ and launched(environ) is None
    return tasks if alone and tasks > 1 else 0


def _in_slurm_step(environ: Mapping[str, str]) -> bool:
    step = _number(environ, "SLURM_STEP_ID")
    return step is not None and step < _FIRST_SPECIAL_STEP and "MPI_LOCALRANKID" not in environ


def _by_slurm(environ: Mapping[str, str]) -> Launched | None:
    rank = _number(environ, "SLURM_PROCID")
    size = _number(environ, "SLURM_STEP_NUM_TASKS") or _number(environ, "SLURM_NTASKS")
    if rank is None or size is None:
        return None
    local_rank = _number(environ, "SLURM_LOCALID") or 0
    return Launched(rank, size, local_rank, _slurm_local_size(environ), SLURM)


def _slurm_local_size(environ: Mapping[str, str]) -> int:
    """Slurm writes the tasks of each node as `4(x2),3`: two nodes of 4 tasks, then one of 3."""
    text = environ.get("SLURM_STEP_TASKS_PER_NODE") or environ.get("SLURM_TASKS_PER_NODE") or "1"
    nodes: list[int] = []
    for tasks, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", text):
        nodes += [int(tasks)] * int(times or 1)
    node = _number(environ, "SLURM_NODEID") or 0
    return nodes[node] if node < len(nodes) else 1


def _number(environ: Mapping[str, str], name: str) -> int | None:
    text = environ.get(name, "")
    return int(text) if text.isdecimal() else None
