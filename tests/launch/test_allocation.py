"""Which hosts a scheduler has given, from what it sets."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain_launch.allocation import Allocation, read_allocation, slurm_counts, slurm_names
from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host

TWO = (Host("n1", 4), Host("n2", 3))
SLURM = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "n[1-2]", "SLURM_TASKS_PER_NODE": "4,3"}


def test_outside_of_a_scheduler_there_is_none():
    assert read_allocation({"HOME": "/root"}) is None
    assert read_allocation({"SLURM_JOB_ID": "7"}) is None
    assert read_allocation({"LSB_JOBID": "7"}) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("n1", ["n1"]),
        ("n[1-3]", ["n1", "n2", "n3"]),
        ("n[01-03,7],gpu1", ["n01", "n02", "n03", "n7", "gpu1"]),
        ("n[098-101]", ["n098", "n099", "n100", "n101"]),
        ("rack[1-2]node[3,5]", ["rack1node3", "rack1node5", "rack2node3", "rack2node5"]),
        ("a-b[2].site,c", ["a-b2.site", "c"]),
    ],
)
def test_slurms_compressed_names_are_spelled_out(text, names):
    assert slurm_names(text) == names


@given(st.lists(st.integers(0, 999), min_size=1, max_size=9, unique=True))
def test_any_numbers_in_brackets_are_names(numbers):
    assert slurm_names(f"n[{','.join(map(str, numbers))}]") == [f"n{number}" for number in numbers]


@pytest.mark.parametrize(
    ("text", "counts"), [("4(x2),3", [4, 4, 3]), ("1", [1]), ("2,16(x3)", [2, 16, 16, 16])]
)
def test_slurms_compressed_counts_are_spelled_out(text, counts):
    assert slurm_counts(text) == counts


def test_under_slurm_mpirun_finds_the_hosts_itself():
    assert read_allocation(SLURM) == Allocation("Slurm", TWO, told=False)
    cores = {**SLURM, "SLURM_TASKS_PER_NODE": "", "SLURM_JOB_CPUS_PER_NODE": "8(x2)"}
    assert read_allocation(cores).hosts == (Host("n1", 8), Host("n2", 8))


def test_pbs_and_lsf_name_a_host_for_each_slot_in_a_file(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("n1\n" * 4 + "n2\n" * 3)
    pbs = {"PBS_JOBID": "7.server", "PBS_NODEFILE": str(path)}
    assert read_allocation(pbs) == Allocation("PBS", TWO)
    assert read_allocation({"LSB_JOBID": "7", "LSB_DJOB_HOSTFILE": str(path)}) == Allocation("LSF", TWO)
    assert read_allocation({"LSB_JOBID": "7", "LSB_MCPU_HOSTS": "n1 4 n2 3 "}) == Allocation("LSF", TWO)


@pytest.mark.parametrize(
    "text", ["n1 slots=4\nn2 slots=3\n", "n1:4\nn2:3\n"], ids=["Open MPI", "MPICH, Intel"]
)
def test_the_mpi_operators_launcher_finds_its_workers(tmp_path, text):
    path = tmp_path / "hostfile"
    path.write_text(text)
    role = {"K_MPI_JOB_ROLE": "launcher"}
    assert read_allocation(role, path) == Allocation("Kubernetes", TWO)
    assert read_allocation({"K_MPI_JOB_ROLE": "worker"}, path) is None
    assert read_allocation(role, tmp_path / "none") is None


@pytest.mark.parametrize(
    ("environment", "error"),
    [
        (
            {**SLURM, "SLURM_JOB_NODELIST": "n[1-"},
            "launch: SLURM_JOB_NODELIST: expected a list of hosts such as n[01-03,7],gpu1, got 'n[1-'; "
            "name them with --hosts",
        ),
        (
            {**SLURM, "SLURM_TASKS_PER_NODE": "4"},
            "launch: SLURM_TASKS_PER_NODE: expected a count for each of 2 hosts, got '4'; "
            "name hosts and ranks with --hosts",
        ),
        (
            {"LSB_JOBID": "7", "LSB_MCPU_HOSTS": "n1 4 n2"},
            "launch: LSB_MCPU_HOSTS: expected a count behind each host, got 'n1 4 n2'; "
            "name hosts and ranks with --hosts",
        ),
        (
            {"PBS_JOBID": "7", "PBS_NODEFILE": "/no/such/file"},
            "launch PBS_NODEFILE /no/such/file: expected a file of hosts, got: No such file or directory; "
            "a line is: a slots=8",
        ),
    ],
)
def test_variables_that_name_no_hosts_are_refused(environment, error):
    with pytest.raises(LaunchError) as raised:
        read_allocation(environment)
    assert str(raised.value) == error
