"""The options, and the whole text of each error."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtrain_launch.allocation import Allocation
from dtrain_launch.arguments import Options, read_arguments, seconds
from dtrain_launch.errors import LaunchError
from dtrain_launch.hosts import Host

COMMAND = ["--", "train", "digits"]
EXAMPLE = "for example: dtrain launch -n 4 -- train digits"


def test_only_ranks_and_a_command_are_needed():
    assert read_arguments(["-n", "4", *COMMAND]) == Options(4, ("train", "digits"))


HOSTS = (Host("a", 8), Host("b", 2))
PBS = Allocation("PBS", HOSTS)
SLURM = Allocation("Slurm", HOSTS, told=False)


@pytest.mark.parametrize("ranks", [[], ["-n", "auto"]])
def test_without_a_number_there_is_a_rank_for_each_slot(ranks):
    given = read_arguments([*ranks, "--hosts", "a:8,b:2", *COMMAND])
    assert (given.ranks, given.hosts) == (10, HOSTS)
    given = read_arguments([*ranks, *COMMAND], lambda: PBS)
    assert (given.ranks, given.hosts) == (10, HOSTS)


def test_auto_is_a_rank_for_each_core_of_this_machine():
    assert read_arguments(["-n", "auto", *COMMAND]).ranks == len(os.sched_getaffinity(0))


def test_what_is_said_counts_for_more_than_the_allocation():
    assert read_arguments(["-n", "3", *COMMAND], lambda: PBS).ranks == 3
    given = read_arguments(["--hosts", "c:5", *COMMAND], lambda: PBS)
    assert (given.ranks, given.hosts) == (5, (Host("c", 5),))


def test_an_mpirun_that_reads_the_allocation_itself_is_not_told():
    given = read_arguments(COMMAND, lambda: SLURM)
    assert (given.ranks, given.hosts) == (10, ())


def test_an_allocation_that_makes_no_sense_is_not_looked_at_where_hosts_are_named():
    def broken():
        raise LaunchError("broken")

    assert read_arguments(["--hosts", "c:5", *COMMAND], broken).ranks == 5
    assert read_arguments(["--to", "slurm", "-n", "4", *COMMAND], broken).ranks == 4
    with pytest.raises(LaunchError, match="broken"):
        read_arguments(["-n", "4", *COMMAND], broken)


def test_hosts_may_stand_in_a_file(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("a slots=8\nb:2\n")
    assert read_arguments(["--hostfile", str(path), *COMMAND]).hosts == HOSTS


def test_every_option_is_read():
    argv = ["-n", "2", "--threads", "3", "--dry-run", "--mpirun", "/opt/mpirun", "--recover"]
    argv += ["--restarts", "5", "--hosts", "a:8,b:2", "--rsh-agent", "/bin/agent"]
    argv += ["--mpi-args", "--map-by 'a b'", "--mpi-args", "-v", *COMMAND]
    assert read_arguments(argv) == Options(
        ranks=2,
        command=("train", "digits"),
        threads=3,
        mpirun="/opt/mpirun",
        mpi_args=("--map-by", "a b", "-v"),
        hosts=HOSTS,
        named=True,
        agent="/bin/agent",
        recover=True,
        restarts=5,
        dry_run=True,
    )


@pytest.mark.parametrize("value", ["--verbose", "-v", "--mca btl tcp", "--a=b"])
@pytest.mark.parametrize("form", ["--mpi-args {}", "--mpi-args={}"])
def test_arguments_for_mpirun_may_begin_with_a_dash(form, value):
    words = [form.format(value)] if "=" in form else ["--mpi-args", value]
    assert read_arguments(["-n", "1", *words, *COMMAND]).mpi_args == tuple(value.split())


@pytest.mark.parametrize(
    ("argv", "error"),
    [
        ([], f"launch: expected -- and a dtrain command after the options, got no --; {EXAMPLE}"),
        (
            ["-n", "2", "train", "digits"],
            "launch: expected -- and a dtrain command after the options, got no --; "
            "for example: dtrain launch -n 2 -- train digits",
        ),
        (COMMAND, f"launch: expected -n and a number of ranks, got no -n; {EXAMPLE}"),
        (["-n", *COMMAND], "launch: argument -n: expected one argument; see dtrain launch --help"),
        (["-n", "0", *COMMAND], f"launch -n: expected a whole number, at least 1, got '0'; {EXAMPLE}"),
        (["-n", "-3", *COMMAND], f"launch -n: expected a whole number, at least 1, got '-3'; {EXAMPLE}"),
        (["-n", "2.5", *COMMAND], f"launch -n: expected a whole number, at least 1, got '2.5'; {EXAMPLE}"),
        (["-n", "two", *COMMAND], f"launch -n: expected a whole number, at least 1, got 'two'; {EXAMPLE}"),
        (["-n", "²", *COMMAND], f"launch -n: expected a whole number, at least 1, got '²'; {EXAMPLE}"),
        (
            ["-n", "2", "--threads", "0", *COMMAND],
            "launch --threads: expected a whole number, at least 1, got '0'; for example: --threads 2",
        ),
        (
            ["-n", "2", "--restarts", "-1", *COMMAND],
            "launch --restarts: expected a whole number, at least 1, got '-1'; for example: --restarts 3",
        ),
        (
            ["-n", "2", "--recover", "--", "predict", "run"],
            "launch --recover: expected train after --, got 'predict', for which it does nothing; "
            "leave the option out",
        ),
        (
            ["-n", "2", "--restarts", "1", "--", "evaluate", "run"],
            "launch --restarts: expected train after --, got 'evaluate', for which it does nothing; "
            "leave the option out",
        ),
        (
            ["--hosts", "a", "--hostfile", "f", *COMMAND],
            "launch: expected one of --hosts and --hostfile, got both; leave one out",
        ),
        (["-n", "2", "--"], f"launch: expected train, evaluate or predict after --, got nothing; {EXAMPLE}"),
        (
            ["-n", "2", "--", "dtrain", "train"],
            f"launch: expected train, evaluate or predict after --, got 'dtrain'; {EXAMPLE}",
        ),
        (
            ["-n", "2", "--nodes", "3", *COMMAND],
            "launch: expected options of launch before --, got '--nodes'; see dtrain launch --help",
        ),
        (
            ["-n", "2", "--mpi-args", "--map-by 'a", *COMMAND],
            'launch --mpi-args: expected words as in a shell, got "--map-by \'a" (No closing quotation); '
            "close the quotation",
        ),
    ],
)
def test_a_mistake_is_answered_by_what_was_expected_what_came_and_what_to_do(argv, error):
    with pytest.raises(LaunchError) as raised:
        read_arguments(argv)
    assert str(raised.value) == error


def test_far_too_many_ranks_are_refused_but_for_another_place():
    cores = len(os.sched_getaffinity(0))
    with pytest.raises(LaunchError) as raised:
        read_arguments(["-n", "1000000", *COMMAND])
    assert str(raised.value) == (
        f"launch -n: expected at most {64 * cores} ranks, 64 for each of {cores} cores here, got 1000000; "
        "name hosts with more slots: --hosts a:64,b:64"
    )
    with pytest.raises(LaunchError, match="expected at most 640 ranks, 64 for each of 10 slots of the hosts"):
        read_arguments(["-n", "641", "--hosts", "a:8,b:2", *COMMAND])
    assert read_arguments(["-n", str(64 * cores), *COMMAND]).ranks == 64 * cores
    for elsewhere in (["--dry-run"], ["--to", "slurm"]):
        assert read_arguments([*elsewhere, "-n", "1000000", *COMMAND]).ranks == 1_000_000


@given(st.lists(st.sampled_from(["-n", "2", "0", "--", "train", "--mpi-args", "'", "--dry-run", "-h", "é"])))
def test_any_words_are_read_or_refused_in_one_line(argv):
    assert "\n" not in answer(argv)


def answer(argv: list[str]) -> str:
    try:
        return repr(read_arguments(argv))
    except LaunchError as error:
        return str(error)
    except SystemExit as end:  # -h
        return f"exit {end.code}"


@given(st.sampled_from(["train", "evaluate", "predict"]), st.lists(st.text()))
def test_what_follows_the_dashes_is_the_ranks_own(subcommand, words):
    assert read_arguments(["-n", "1", "--", subcommand, *words]).command == (subcommand, *words)


def test_a_time_is_what_the_variable_says_or_the_default():
    assert seconds({}, "DTRAIN_GRACE", "10") == 10
    assert seconds({"DTRAIN_GRACE": "0"}, "DTRAIN_GRACE", "10") == 0
    assert seconds({"DTRAIN_GRACE": "2.5"}, "DTRAIN_GRACE", "10") == 2.5


@pytest.mark.parametrize("text", ["soon", "-1", "nan", "inf", ""])
def test_what_is_no_time_is_refused(text):
    with pytest.raises(LaunchError) as raised:
        seconds({"DTRAIN_GRACE": text}, "DTRAIN_GRACE", "10")
    assert str(raised.value) == (
        f"launch: DTRAIN_GRACE: expected a number of seconds, at least 0, got {text!r}; "
        "for example: DTRAIN_GRACE=60"
    )
