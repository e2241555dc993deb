"""From (job, MPI) to the whole command."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain_launch.command import command_line, shell_line
from dtrain_launch.errors import LaunchError
from dtrain_launch.flavour import Flavour
from dtrain_launch.hosts import Host
from dtrain_launch.job import Job

MPIRUN = Path("/opt/mpi/bin/mpirun")
OPEN_MPI_5 = Flavour("open_mpi", (5, 0, 11), MPIRUN)
OPEN_MPI_4 = Flavour("open_mpi", (4, 1, 8), MPIRUN)
MPICH = Flavour("mpich", (5, 0, 2), MPIRUN)
INTEL = Flavour("intel", (2021, 18, 1), Path("/opt/mpi/bin/mpiexec.hydra"))

PROGRAM = ("/env/bin/python", "-m", "dtrain")
RANKS = ["-n", "4", "/env/bin/python", "-m", "dtrain", "train", "digits"]
OPEN_MPI = {"OMPI_MCA_btl": "^ofi", "OMPI_MCA_osc": "^ucx"}
ROOT = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1"}


def job(**changes) -> Job:
    return Job(**{"ranks": 4, "command": ("train", "digits"), "program": PROGRAM, **changes})


@pytest.mark.parametrize(
    ("flavour", "arguments", "variables", "root_variables"),
    [
        (
            OPEN_MPI_5,
            ["/opt/mpi/bin/mpirun", "--bind-to", "none", "--map-by", ":OVERSUBSCRIBE", *RANKS],
            OPEN_MPI,
            {**ROOT, **OPEN_MPI},
        ),
        (
            OPEN_MPI_4,
            ["/opt/mpi/bin/mpirun", "--bind-to", "none", "--oversubscribe", *RANKS],
            OPEN_MPI,
            {**ROOT, **OPEN_MPI},
        ),
        (MPICH, ["/opt/mpi/bin/mpirun", "--bind-to", "none", *RANKS], {}, {}),
        (INTEL, ["/opt/mpi/bin/mpiexec.hydra", *RANKS], {"I_MPI_PIN": "0"}, {"I_MPI_PIN": "0"}),
    ],
    ids=["open_mpi 5", "open_mpi 4", "mpich", "intel"],
)
def test_each_mpi_gets_its_own_flags_and_variables(flavour, arguments, variables, root_variables):
    assert command_line(job(), flavour) == (arguments, variables)
    assert command_line(job(root=True), flavour) == (arguments, root_variables)


def test_dead_ranks_are_left_behind_on_request():
    arguments, _ = command_line(job(recover=True), OPEN_MPI_5)
    flags = ["--bind-to", "none", "--map-by", ":OVERSUBSCRIBE", "--with-ft", "ulfm"]
    assert arguments == ["/opt/mpi/bin/mpirun", *flags, *RANKS]
    assert "--with-ft" not in command_line(job(), OPEN_MPI_5)[0]


@pytest.mark.parametrize(
    ("flavour", "name"),
    [
        (OPEN_MPI_4, "Open MPI 4.1.8 (/opt/mpi/bin/mpirun)"),
        (MPICH, "MPICH 5.0.2 (/opt/mpi/bin/mpirun)"),
        (INTEL, "Intel MPI 2021.18.1 (/opt/mpi/bin/mpiexec.hydra)"),
    ],
)
def test_an_mpi_whose_ranks_die_together_is_refused_and_restarts_are_named(flavour, name):
    with pytest.raises(LaunchError) as raised:
        command_line(job(recover=True), flavour)
    assert str(raised.value) == (
        f"launch --recover: expected Open MPI 5 or newer, got {name}, in which no rank outlives another; "
        "--restarts 3 in its place starts the job again from its newest checkpoint"
    )


HERE = {"PYTHONPATH": "/src", "DTRAIN_THREADS": "2", "OMP_NUM_THREADS": "1", "HOME": "/root", "LANG": "C"}
EXPORTS = ["-x", "DTRAIN_THREADS", "-x", "OMP_NUM_THREADS", "-x", "PYTHONPATH"]
PROGRAM_WORDS = RANKS[2:]


@pytest.mark.parametrize(
    ("flavour", "arguments", "shell"),
    [
        (
            OPEN_MPI_5,
            ["--bind-to", "none", "--map-by", ":OVERSUBSCRIBE", *EXPORTS, "--host", "a:8,b:2", *RANKS],
            {"PRTE_MCA_plm_ssh_agent": "/bin/agent"},
        ),
        (
            OPEN_MPI_4,
            ["--bind-to", "none", "--oversubscribe", *EXPORTS, "--host", "a:8,b:2", *RANKS],
            {"OMPI_MCA_plm_rsh_agent": "/bin/agent"},
        ),
        (
            MPICH,
            ["--bind-to", "none", "-hosts", "a:8,b:2", *RANKS],
            {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": "/bin/agent"},
        ),
        (
            INTEL,
            ["-n", "4", "-host", "a", *PROGRAM_WORDS],
            {"I_MPI_HYDRA_BOOTSTRAP": "ssh", "I_MPI_HYDRA_BOOTSTRAP_EXEC": "/bin/agent"},
        ),
    ],
    ids=["open_mpi 5", "open_mpi 4", "mpich", "intel"],
)
def test_each_mpi_is_told_of_the_hosts_in_its_own_way(flavour, arguments, shell):
    there = job(hosts=(Host("a", 8), Host("b", 2)), environment=HERE)
    alone = command_line(there, flavour)
    assert alone[0] == [str(flavour.mpirun), *arguments]
    assert command_line(replace(there, agent="/bin/agent"), flavour) == (alone[0], alone[1] | shell)


def test_intels_hosts_get_a_set_of_ranks_each():
    there = job(ranks=12, hosts=(Host("a", 8), Host("b", 2)))
    a, b = ["-n", "10", "-host", "a", *PROGRAM_WORDS], ["-n", "2", "-host", "b", *PROGRAM_WORDS]
    assert command_line(there, INTEL)[0][1:] == [*a, ":", *b]


def test_what_the_launcher_adds_for_the_ranks_goes_to_the_hosts_as_well():
    there = job(hosts=(Host("a"),), threads=2, progress_bar=True)
    assert command_line(there, OPEN_MPI_5)[0][5:9] == ["-x", "DTRAIN_PROGRESS", "-x", "DTRAIN_THREADS"]


@pytest.mark.parametrize("version", [(5,), (5, 1, 0), (6, 0)])
def test_open_mpi_from_5_on_speaks_the_new_dialect(version):
    assert "--map-by" in command_line(job(), Flavour("open_mpi", version, MPIRUN))[0]


@pytest.mark.parametrize("version", [(3, 1), (4,), (4, 9, 9)])
def test_open_mpi_before_5_speaks_the_old_dialect(version):
    assert "--oversubscribe" in command_line(job(), Flavour("open_mpi", version, MPIRUN))[0]


def test_variables_that_the_user_has_set_stay_as_they_are():
    mine = {"OMPI_MCA_btl": "tcp,self", "I_MPI_PIN": "1", "DTRAIN_PROGRESS": "none"}
    assert command_line(job(environment=mine), OPEN_MPI_5)[1] == {"OMPI_MCA_osc": "^ucx"}
    assert command_line(job(environment=mine, progress_bar=True), INTEL)[1] == {}


def test_threads_said_on_the_command_line_override_the_environment():
    variables = command_line(job(threads=3, environment={"DTRAIN_THREADS": "8"}), MPICH)[1]
    assert variables == {"DTRAIN_THREADS": "3"}


def test_a_terminal_is_reported_to_ranks_that_cannot_see_it():
    assert command_line(job(progress_bar=True), MPICH)[1] == {"DTRAIN_PROGRESS": "bar"}


@pytest.mark.parametrize(
    ("flavour", "mpi_args", "flags"),
    [
        (OPEN_MPI_5, ("--bind-to", "core"), ["--map-by", ":OVERSUBSCRIBE", "--bind-to", "core"]),
        (OPEN_MPI_5, ("--map-by", "numa"), ["--bind-to", "none", "--map-by", "numa"]),
        (OPEN_MPI_5, ("--oversubscribe",), ["--bind-to", "none", "--oversubscribe"]),
        (OPEN_MPI_4, ("--map-by", "numa"), ["--bind-to", "none", "--oversubscribe", "--map-by", "numa"]),
        (OPEN_MPI_4, ("--nooversubscribe",), ["--bind-to", "none", "--nooversubscribe"]),
        (MPICH, ("-bind-to=core",), ["-bind-to=core"]),
        (INTEL, ("-genv", "A", "bind-to"), ["-genv", "A", "bind-to"]),
        (MPICH, ("-genv", "A", "bind-to"), ["--bind-to", "none", "-genv", "A", "bind-to"]),
    ],
)
def test_the_users_own_flags_replace_ours(flavour, mpi_args, flags):
    arguments, _ = command_line(job(mpi_args=mpi_args), flavour)
    assert arguments == [str(flavour.mpirun), *flags, *RANKS]


def test_ranks_run_dtrain_with_this_very_python_unless_told_otherwise():
    arguments, _ = command_line(Job(1, ("train", "digits")), MPICH)
    assert arguments[-8:] == ["-n", "1", sys.executable, "-P", "-m", "dtrain", "train", "digits"]


def test_the_printed_line_means_the_same_to_a_shell():
    report = "import json, os, sys; print(json.dumps([sys.argv[1:], os.environ['A'], os.environ['B']]))"
    words = ["two words", "it's", "$HOME", "*", ""]
    line = shell_line([sys.executable, "-c", report, *words], {"A": "^ofi", "B": "a b'c"})
    assert "\n" not in line
    printed = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True).stdout
    assert json.loads(printed) == [words, "^ofi", "a b'c"]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_the_users_words_reach_the_ranks_unchanged(words):
    arguments, _ = command_line(job(command=("train", *words)), OPEN_MPI_5)
    assert arguments[-len(words) - 4 :] == [*PROGRAM, "train", *words]
