"""Whether launcher, MPI library and host fit together: said before MPI says it worse, or dies of it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from dtrain.communicator.environment import HYDRA, OPEN_MPI, SLURM, Launched
from dtrain.errors import UserError, on_all_ranks

Vendor = tuple[str, tuple[int, ...]]
"""What mpi4py.MPI.get_vendor() gives: ("Open MPI", (5, 0, 11))."""

SHARED_MEMORY = Path("/dev/shm")
A_RANK = 5_500_000
"""Bytes that a rank of MPICH writes there in MPI_Init; where there are none it ends by SIGBUS, without a word."""

_TOGETHER = (
    f"Launcher and library must belong together: use the mpirun beside {sys.executable} "
    "(`dtrain launch` finds it), or install the library of your mpirun"
)
_SRUN = (
    "srun and this library have no PMI in common. Start `dtrain launch -- train …` in the allocation (sbatch or "
    "salloc) without srun, or let srun use what your MPI was built for: srun --mpi=pmix or --mpi=pmi2"
)


def check_library(started: Launched | None, vendor: Vendor, environ: Mapping[str, str] = os.environ) -> None:
    """Raises UserError where MPI_Init of this library would not find this launcher. Call it before MPI_Init."""
    if started is None or started.size == 1:
        return
    name, version = vendor
    lost = (
        (started.launcher == OPEN_MPI and name == "MPICH" and "MPIR_CVAR_PMI_VERSION" not in environ)
        or (started.launcher == HYDRA and name == "Open MPI" and version >= (5,) and "PMIX_RANK" not in environ)
    )  # fmt: skip
    if lost:
        library = f"{name} {'.'.join(map(str, version))}"
        raise on_all_ranks(
            UserError(
                f"wrong mpirun: {started.launcher} started {started.size} processes, but Python loads {library}. "
                f"{_TOGETHER}"
            )
        )


def check_size(started: Launched | None, size: int, library: str) -> None:
    """Raises UserError where the launcher started another number of ranks than the MPI library sees.

    library: what MPI_Get_library_version says.
    """
    if started is None or started.size == size:
        return
    name = library.strip().splitlines()[0].split(",")[0] if library.strip() else "the MPI library"
    found = f"{started.launcher} started {started.size} processes, but {name} sees {size}"
    if started.launcher == SLURM:
        raise on_all_ranks(UserError(f"wrong start: {found}: {_SRUN}"))
    raise on_all_ranks(UserError(f"wrong mpirun: {found}. {_TOGETHER}"))


def check_shared_memory(started: Launched | None, vendor: Vendor, folder: Path = SHARED_MEMORY) -> None:
    """Raises UserError where this host's shared memory is too small for its ranks. Call it before MPI_Init.

    Open MPI needs no check: it says so itself, and sends its messages another way.
    """
    if started is None or vendor[0] not in ("MPICH", "Intel MPI") or not folder.is_dir():
        return
    total, _, free = shutil.disk_usage(folder)
    # What is free sinks while the others start, so a rank asks for its own share of it alone.
    if free < A_RANK or total < A_RANK * started.local_size:
        room, of = (free, "free") if free < A_RANK else (total, "in all")
        error = UserError(
            f"{folder} on {platform.node()}: expected {A_RANK / 1e6:g} MB of shared memory for each of "
            f"{started.local_size} ranks, got {room / 1e6:.3g} MB {of}; remove what is left over in it, or make it "
            f"larger: docker run --shm-size=1g, or mount -o remount,size=1g {folder}"
        )
        raise error if started.local_rank == 0 else on_all_ranks(error)  # one rank of a host speaks
