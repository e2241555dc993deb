"""A launcher that is a rank itself would start as many jobs as there are ranks."""

import pytest

from dtrain_launch import inside
from dtrain_launch.errors import LaunchError
from dtrain_launch.inside import Silent, check_alone

STARTED = {
    "Open MPI": ("mpirun", {"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}),
    "Hydra": ("mpirun", {"PMI_RANK": "0", "PMI_SIZE": "2"}),
    "Slurm": ("srun", {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "2"}),
}


@pytest.mark.parametrize(("launcher", "variables"), STARTED.values(), ids=STARTED)
def test_the_first_of_several_says_it(launcher, variables):
    with pytest.raises(LaunchError) as raised:
        check_alone(variables)
    assert str(raised.value) == (
        f"launch: expected one process, which starts the ranks, got 2, started by {launcher}; "
        f"leave {launcher} out, or leave launch out: {launcher} -n 2 dtrain train …"
    )


@pytest.mark.parametrize(("launcher", "variables"), STARTED.values(), ids=STARTED)
def test_the_others_leave_after_it_without_a_word(launcher, variables, monkeypatch):
    slept = []
    monkeypatch.setattr(inside.time, "sleep", slept.append)
    of_rank = next(iter(variables))
    with pytest.raises(Silent):
        check_alone({**variables, of_rank: "1"})
    assert slept == [1.0]


@pytest.mark.parametrize(
    "variables",
    [
        {},
        {"SLURM_JOB_ID": "7", "SLURM_NTASKS": "2", "SLURM_PROCID": "0"},  # in the batch script itself
        {"SLURM_PROCID": "0", "SLURM_STEP_NUM_TASKS": "1"},
    ],
)
def test_one_process_starts_a_job(variables):
    check_alone(variables)
