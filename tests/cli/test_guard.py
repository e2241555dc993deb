"""How a command ends, in each case by the rank that has to speak."""

from __future__ import annotations

import json
import os

import pytest

from dtrain.cli import guard
from dtrain.errors import ConfigError, RunError, on_all_ranks

HOST = os.uname().nodename


class Job:
    """A communicator that notes how it was left."""

    def __init__(self, size: int) -> None:
        self.size, self.left = size, []

    def close(self) -> None:
        self.left.append("closed")

    def abort(self, code: int) -> None:
        self.left.append(f"aborted with {code}")


def raising(error, job=None):
    def command(scope):
        scope.communicator = job
        raise error

    return command


@pytest.fixture
def as_rank(monkeypatch):
    """as_rank(1, 2): this process is rank 1 of 2; nobody sleeps."""
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)

    def launched(rank, size):
        monkeypatch.setenv("OMPI_COMM_WORLD_RANK", str(rank))
        monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", str(size))
        return slept

    return launched


def test_a_command_that_ends_well_closes_its_job():
    job = Job(1)

    def command(scope):
        scope.communicator = job
        return 7

    assert guard.guarded(command) == 7
    assert job.left == ["closed"]


@pytest.mark.parametrize(("error", "code"), [(ConfigError("no\n  way"), 2), (RunError("no way"), 1)])
def test_one_process_speaks_for_itself(error, code, capfd):
    assert guard.guarded(raising(error)) == code
    assert capfd.readouterr().err == "dtrain: no way\n"


@pytest.mark.parametrize(("rank", "said", "slept"), [(0, "dtrain: no way\n", []), (1, "", [1.0])])
def test_rank_0_speaks_for_all_and_leaves_first(rank, said, slept, as_rank, capfd):
    naps, job = as_rank(rank, 2), Job(2)
    assert guard.guarded(raising(on_all_ranks(ConfigError("no way")), job)) == 2
    assert (capfd.readouterr().err, naps, job.left) == (said, slept, ["closed"])


def test_a_rank_that_alone_met_an_error_ends_the_job(as_rank, capfd):
    job = Job(8)
    naps = as_rank(1, 2)
    assert guard.guarded(raising(ConfigError("no way"), job)) == 2
    assert naps == [0.2]  # rank 0 would have spoken
    assert capfd.readouterr().err == f"dtrain: rank 1 of 2 on {HOST} (before the first step): no way\n"
    assert job.left == ["aborted with 2"]


def test_before_there_is_a_job_another_rank_speaks_only_when_rank_0_has_not(as_rank, capfd):
    naps = as_rank(1, 2)
    assert guard.guarded(raising(ConfigError("no MPI here"))) == 2
    assert naps == [1.0]
    assert capfd.readouterr().err == f"dtrain: rank 1 of 2 on {HOST} (before the first step): no MPI here\n"


@pytest.mark.parametrize("size", [1, 2])
def test_a_bug_shows_its_traceback_and_ends_the_job(size, as_rank, capfd):
    job = Job(size)
    as_rank(size - 1, size)
    error = ValueError("wrong\nshape")
    error.add_note("in the forward of layer 'x'")
    assert guard.guarded(raising(error, job)) == 1
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == (
        f"dtrain: rank {size - 1} of {size} on {HOST} (before the first step): ValueError: wrong shape "
        "(in the forward of layer 'x'); the traceback is above"
    )
    assert job.left == (["aborted with 1"] if size == 2 else [])


def test_memory_that_is_not_there_is_told_in_one_line(capfd):
    job = Job(2)
    error = MemoryError("Unable to allocate 7 TiB")
    error.add_note("in the forward of layer 'dense_1'")
    assert guard.guarded(raising(error, job)) == 1
    assert capfd.readouterr().err == (
        f"dtrain: rank 0 of 1 on {HOST} (before the first step): not enough memory: Unable to allocate 7 TiB (in the "
        "forward of layer 'dense_1'); take a smaller batch or network, or more ranks\n"
    )
    assert job.left == ["aborted with 1"]


def test_ctrl_c_before_the_first_step(capfd):
    assert guard.guarded(raising(KeyboardInterrupt())) == 130
    assert capfd.readouterr().err == "dtrain: interrupted; nothing saved since the last checkpoint\n"


def test_an_exit_in_the_middle_of_a_run_is_a_failure(capfd):
    assert guard.guarded(raising(SystemExit(0), Job(1))) == 1
    assert capfd.readouterr().err.splitlines()[-1] == (
        f"dtrain: rank 0 of 1 on {HOST} (before the first step): something called sys.exit(0) in the middle of "
        "the run"
    )


def test_an_exit_before_it_is_an_exit():
    with pytest.raises(SystemExit):
        guard.guarded(raising(SystemExit(0)))


def test_the_error_is_reported_to_who_asked(tmp_path, monkeypatch):
    monkeypatch.setenv("DTRAIN_REPORT", str(tmp_path / "report"))
    guard.guarded(raising(ConfigError("no way")))
    assert json.loads((tmp_path / "report").read_text()) == ["ConfigError", "no way"]
    monkeypatch.setenv("DTRAIN_REPORT", str(tmp_path / "none" / "report"))
    assert guard.guarded(raising(ConfigError("no way"))) == 2
