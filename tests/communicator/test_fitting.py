"""Whether launcher, library and host fit together: the whole message, and what must not be refused."""

from __future__ import annotations

import shutil
import sys

import pytest

from dtrain.communicator.environment import HYDRA, OPEN_MPI, SLURM, Launched
from dtrain.communicator.fitting import A_RANK, check_library, check_shared_memory, check_size
from dtrain.errors import UserError
from tests.support import refused

TOGETHER = (
    f"Launcher and library must belong together: use the mpirun beside {sys.executable} (`dtrain launch` finds it), "
    "or install the library of your mpirun"
)
FIVE, MPICH = ("Open MPI", (5, 0, 11)), ("MPICH", (5, 0, 2))


def by(launcher: str, size: int = 4) -> Launched:
    return Launched(1, size, 1, size, launcher)


@pytest.mark.parametrize(
    ("launcher", "vendor", "said"),
    [
        (OPEN_MPI, MPICH, "Open MPI started 4 processes, but Python loads MPICH 5.0.2"),
        (HYDRA, FIVE, "MPICH or Intel MPI started 4 processes, but Python loads Open MPI 5.0.11"),
    ],
)
def test_a_library_of_another_mpi_is_refused_before_it_starts(launcher, vendor, said):
    with refused(UserError, f"wrong mpirun: {said}. {TOGETHER}") as caught:
        check_library(by(launcher), vendor, {})
    assert caught.value.everywhere  # one rank speaks


@pytest.mark.parametrize(
    ("started", "vendor", "environ"),
    [
        (by(OPEN_MPI), FIVE, {}),
        (by(HYDRA), MPICH, {}),
        (by(HYDRA), ("Intel MPI", (2021, 18)), {}),
        (by(OPEN_MPI), MPICH, {"MPIR_CVAR_PMI_VERSION": "x"}),
        (by(HYDRA), FIVE, {"PMIX_RANK": "1"}),
        (by(HYDRA), ("Open MPI", (4, 1, 4)), {}),  # built with PMI it may be right
        (by(SLURM), FIVE, {}),
        (by(OPEN_MPI, 1), MPICH, {}),
        (None, FIVE, {}),
    ],
)
def test_what_may_be_right_is_left_to_mpi(started, vendor, environ):
    check_library(started, vendor, environ)


def test_a_job_that_fell_apart_into_single_ranks_is_named():
    message = f"wrong mpirun: MPICH or Intel MPI started 4 processes, but Open MPI v4.1.4 sees 1. {TOGETHER}"
    with refused(UserError, message) as caught:
        check_size(by(HYDRA), 1, "Open MPI v4.1.4, package: Debian OpenMPI\n")
    assert caught.value.everywhere


def test_srun_without_a_pmi_is_told_what_to_do():
    message = (
        "wrong start: Slurm started 4 processes, but Open MPI v5.0.11 sees 1: srun and this library have no PMI in "
        "common. Start `dtrain launch -- train …` in the allocation (sbatch or salloc) without srun, or let srun use "
        "what your MPI was built for: srun --mpi=pmix or --mpi=pmi2"
    )
    with refused(UserError, message):
        check_size(by(SLURM), 1, "Open MPI v5.0.11, package: Open MPI\n")


@pytest.mark.parametrize("started", [None, by(SLURM)])
def test_a_right_number_of_ranks_is_accepted(started):
    check_size(started, 4, "any")


@pytest.mark.parametrize(
    ("total", "free", "got"),
    [(64_000_000, 65536, "0.0655 MB free"), (20_000_000, 19_000_000, "20 MB in all")],
)
def test_too_little_shared_memory_is_refused_before_it_kills(total, free, got, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: (total, total - free, free))
    monkeypatch.setattr("platform.node", lambda: "node7")
    message = (
        f"{tmp_path} on node7: expected 5.5 MB of shared memory for each of 4 ranks, got {got}; remove what is left "
        f"over in it, or make it larger: docker run --shm-size=1g, or mount -o remount,size=1g {tmp_path}"
    )
    for local_rank in range(2):
        with refused(UserError, message) as caught:
            check_shared_memory(Launched(1, 4, local_rank, 4, HYDRA), MPICH, tmp_path)
        assert caught.value.everywhere == (local_rank > 0)  # one rank of a host speaks
    check_shared_memory(by(OPEN_MPI), FIVE, tmp_path)  # goes on without


@pytest.mark.parametrize("free", [A_RANK, 64_000_000])
def test_a_share_for_each_rank_is_enough(free, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: (64_000_000, 0, free))
    check_shared_memory(by(HYDRA), MPICH, tmp_path)
    check_shared_memory(by(HYDRA), MPICH, tmp_path / "none")
