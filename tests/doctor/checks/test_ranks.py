"""A job that is none, in each of its forms."""

from __future__ import annotations

from dtrain.doctor.world import JobReport
from tests.doctor.support import bad, healthy, judged

TRY = "dtrain launch -n 2 --dry-run -- train digits   # the command, to try it by hand"


def test_one_job():
    assert judged("ranks", healthy())[0].text == "2 ranks on this host are one job, with shared memory"
    assert judged("ranks", healthy(2))[0].text == "4 ranks on node0, node1 are one job"


def test_singletons():
    world = healthy()
    alone = {"size": 1, "shares_memory": False, "ranks": [{"host": "node0", "mask": [0], "threads": 1}]}
    world.job = JobReport(2, worlds=[alone, alone], code=0)
    world.environment = {"SLURM_JOB_ID": "7"}
    (found,) = judged("ranks", world)
    assert (found.status, found.text) == (
        "fail",
        "2 processes started, each of them rank 0 of 1: the MPI library is not the launcher's, and N separate models "
        "would be trained",
    )
    assert found.remedy == (
        "start by `dtrain launch` within salloc or sbatch; by srun, only with the site's own MPI: srun --mpi=pmix",
        "mend first what else has failed here: mpi, /dev/shm, software or ports may be the cause",
        TRY,
    )


def test_an_error_in_the_ranks_own_words():
    world = healthy()
    world.job = JobReport(2, errors=["wrong mpirun: Open MPI started 2 processes, but MPICH sees 1"], code=1)
    assert bad("ranks", world) == [("fail", "wrong mpirun: Open MPI started 2 processes, but MPICH sees 1")]


def test_fewer_ranks_than_asked_for():
    world = healthy()
    world.job.ranks = 3
    assert bad("ranks", world) == [("fail", "3 ranks were asked for, and the job has 2")]


def test_mpirun_gives_up():
    world = healthy()
    world.job = JobReport(2, code=213, said=["-----", "  mpirun: unknown  option", "-----"])
    assert bad("ranks", world) == [
        (
            "fail",
            "mpirun ended with exit code 213 before the ranks were one job; it said: mpirun: unknown option",
        )
    ]


def test_the_line_that_tells_the_cause_is_shown_not_the_last_ones():
    world = healthy()
    world.job = JobReport(2, code=1, said=["hello", "Fatal error in Init", "a", "b", "c", "d"])
    assert bad("ranks", world)[0][1].endswith("it said: Fatal error in Init / a / b")


def test_a_job_that_hangs_before_mpi_and_in_it():
    world = healthy(2)
    world.job = JobReport(4, started=[{"host": "node0"}], seconds=5.2)
    assert bad("ranks", world) == [("fail", "1 of 4 processes started within 5 s; it said nothing")]
    world.job = JobReport(4, started=[{"host": "node0"}] * 4, seconds=5.2)
    (found,) = judged("ranks", world)
    assert found.text == "all 4 processes started, and MPI did not join them within 5 s; it said nothing"
    assert "btl_tcp_if_include" in found.remedy[0]


def test_a_job_that_does_not_end_or_ends_badly():
    world = healthy()
    world.job.code, world.job.seconds = None, 6.0
    assert bad("ranks", world) == [("fail", "the job did not end: it was killed after 6 s; it said nothing")]
    world.here.facts["cores"]["load"] = 9.0
    assert [status for status, _ in bad("ranks", world)] == ["warn"]
    world.job.code = 139
    assert bad("ranks", world) == [("fail", "the job ended with exit code 139; it said nothing")]


def test_ranks_of_one_host_without_shared_memory():
    world = healthy()
    world.job.worlds[0]["shares_memory"] = False
    assert [status for status, _ in bad("ranks", world)] == ["warn"]


def test_no_job():
    world = healthy()
    world.job = None
    assert bad("ranks", world) == [("skip", "no job was tried: what has failed above comes first")]
    world.mpirun = None
    assert bad("ranks", world) == [("skip", "no job was tried: there is no mpirun for it")]
