"""What launchers write into the environment, read without NumPy or MPI."""

from __future__ import annotations

import subprocess
import sys

import pytest

from dtrain.communicator.environment import Launched, launched, left_idle

OPEN_MPI = {
    "OMPI_COMM_WORLD_RANK": "5",
    "OMPI_COMM_WORLD_SIZE": "8",
    "OMPI_COMM_WORLD_LOCAL_RANK": "1",
    "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
    "PMIX_RANK": "5",
}
HYDRA = {"PMI_RANK": "2", "PMI_SIZE": "3", "MPI_LOCALRANKID": "0", "MPI_LOCALNRANKS": "2"}
ALLOCATION = {
    "SLURM_JOB_ID": "77",
    "SLURM_NTASKS": "11",
    "SLURM_PROCID": "0",
    "SLURM_LOCALID": "0",
    "SLURM_TASKS_PER_NODE": "4(x2),3",
    "SLURM_NODEID": "0",
}
STEP = {**ALLOCATION, "SLURM_STEP_ID": "0", "SLURM_PROCID": "9", "SLURM_LOCALID": "1", "SLURM_NODEID": "2"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        (OPEN_MPI, Launched(5, 8, 1, 4, "Open MPI")),
        (HYDRA, Launched(2, 3, 0, 2, "MPICH or Intel MPI")),
        ({"PMI_RANK": "0", "PMI_SIZE": "1"}, Launched(0, 1, 0, 1, "MPICH or Intel MPI")),
        (ALLOCATION, None),
        ({**STEP, "SLURM_STEP_ID": "4294967291"}, None),
        (STEP, Launched(9, 11, 1, 3, "Slurm")),
        ({**STEP, "SLURM_STEP_NUM_TASKS": "10", "SLURM_NODEID": "1"}, Launched(9, 10, 1, 4, "Slurm")),
        ({**STEP, "PMI_RANK": "9", "PMI_SIZE": "11"}, Launched(9, 11, 1, 3, "Slurm")),
        ({**STEP, **OPEN_MPI}, Launched(5, 8, 1, 4, "Open MPI")),
        ({**STEP, **HYDRA}, Launched(2, 3, 0, 2, "MPICH or Intel MPI")),
        ({"OMPI_COMM_WORLD_SIZE": "2"}, None),
        ({"OMPI_COMM_WORLD_SIZE": "", "OMPI_COMM_WORLD_RANK": ""}, None),
    ],
    ids=[
        "nothing",
        "open mpi",
        "hydra",
        "mpirun -n 1",
        "allocation without a step",
        "batch step",
        "srun",
        "srun of fewer tasks than allocated",
        "srun --mpi=pmi2",
        "open mpi inside of a step",
        "hydra inside of a step",
        "a size without a rank",
        "empty variables",
    ],
)
def test_what_the_launcher_says(environ, expected):
    assert launched(environ) == expected


def test_the_process_environment_is_the_default(monkeypatch):
    for name in (*OPEN_MPI, *HYDRA, *STEP):
        monkeypatch.delenv(name, raising=False)
    assert launched() is None
    for name, value in HYDRA.items():
        monkeypatch.setenv(name, value)
    assert launched() == Launched(2, 3, 0, 2, "MPICH or Intel MPI")


@pytest.mark.parametrize("module", ["dtrain.communicator", "dtrain.communicator.environment"])
def test_reading_it_imports_neither_numpy_nor_mpi4py(module):
    program = f"import sys, {module} as m; m.launched(); print({{'numpy', 'mpi4py'}} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


@pytest.mark.parametrize(
    ("environ", "tasks"),
    [
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_PROCID": "0"}, 4),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "1"}, 0),
        ({"SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0", "SLURM_PROCID": "0"}, 0),
        (
            {
                "SLURM_JOB_ID": "7",
                "SLURM_NTASKS": "4",
                "OMPI_COMM_WORLD_RANK": "0",
                "OMPI_COMM_WORLD_SIZE": "1",
            },
            0,
        ),
        ({"SLURM_NTASKS": "4"}, 0),
    ],
)
def test_one_process_in_an_allocation_of_several_leaves_them_idle(environ, tasks):
    assert left_idle(environ) == tasks
