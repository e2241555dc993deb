"""How whole MPI jobs end: at once, with the cause on the screen, and with nobody left behind."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

START = """
import os, sys, time
from pathlib import Path
from dtrain.communicator import open_communicator
c = open_communicator()
c.barrier()
"""


@pytest.mark.parametrize("runner", [["-c"], ["-m", "mpi4py", "-c"]], ids=["python", "python -m mpi4py"])
def test_a_rank_that_raises_ends_the_job_with_its_traceback(mpirun, runner):
    started = time.monotonic()
    job = mpirun(3, [*runner, START + "if c.rank == 1: raise ValueError('boom')\nc.share('waiting')"])
    assert time.monotonic() - started < 15
    assert job.code == 1
    assert "ValueError: boom" in job.output
    assert "dtrain: rank 1 of 3 ended after barrier #1; ending the job" in job.output


@pytest.mark.parametrize("code", [0, 3])
def test_a_rank_that_leaves_alone_ends_the_job(mpirun, code):
    started = time.monotonic()
    job = mpirun(2, ["-c", START + f"if c.rank == 1: sys.exit({code})\nc.barrier()"])
    assert time.monotonic() - started < 20
    assert job.code == 1
    assert "dtrain: rank 1 of 2 ended after barrier #1; ending the job" in job.output


BEGUN = """
import numpy as np
begun = c.begin([], [(1, np.zeros(300000))], 0) if c.rank != 1 else None
c.announce("finish", (2,), "int8")
"""


@pytest.mark.parametrize("until", ["c.wait([begun])", "while not begun.done(): pass"], ids=["wait", "poll"])
def test_a_rank_that_raises_ends_the_job_of_those_that_wait_for_its_messages(mpirun, until):
    started = time.monotonic()
    job = mpirun(3, ["-c", f"{START}{BEGUN}if c.rank == 1: raise ValueError('boom')\n{until}"])
    assert time.monotonic() - started < 15
    assert job.code == 1
    assert "ValueError: boom" in job.output
    assert "dtrain: rank 1 of 3 ended after finish #2 of (2,) int8; ending the job" in job.output


@pytest.mark.parametrize("until", ["c.wait([begun])", "while not begun.done(): pass"], ids=["wait", "poll"])
def test_a_rank_that_is_killed_takes_out_those_that_wait_for_its_messages(mpirun, until):
    """Under ulfm they go on, and what was under way with it is not taken for what comes then."""
    program = f"""{START}{BEGUN}
from dtrain.errors import RankLost
if c.rank == 1:
    c.begin([(0, np.ones(300000))], [], 1)
    os.kill(os.getpid(), 9)
try:
    {until}
except RankLost as error:
    print(f"rank {{c.rank}}: {{error}}", flush=True)
c.shrink()
array = np.zeros(300000)
pending = [c.begin([(1 - c.rank, np.full(300000, 7.0 + c.rank))], [(1 - c.rank, array)], 0)]
while not pending[0].done():
    c.wait(pending)
print(f"now {{c.rank}} of {{c.size}}: {{array.min()}} {{array.max()}}", flush=True)
c.close()
"""
    job = mpirun(3, ["-c", program], flags=["--with-ft", "ulfm"])
    for rank in (0, 2):
        told = f"rank {rank}: a rank of 3 died while this rank was in finish #2 of (2,) int8"
        assert told in job.output, job.output
    assert "now 0 of 2: 8.0 8.0" in job.output
    assert "now 1 of 2: 7.0 7.0" in job.output


def test_ranks_that_leave_together_keep_their_code(mpirun):
    job = mpirun(2, ["-c", START + "time.sleep(c.rank)\nsys.exit(2)"])
    assert job.code == 2
    assert "dtrain:" not in job.output


def test_after_close_a_rank_ends_as_it_likes(mpirun):
    job = mpirun(2, ["-c", START + "c.close()\nprint('done')"])
    assert (job.code, job.output.splitlines()) == (0, ["done", "done"])


def test_abort_ends_every_rank_with_the_code(mpirun):
    job = mpirun(2, ["-c", START + "print('said', flush=False)\nif c.rank == 1: c.abort(7)\nc.barrier()"])
    assert job.code == 7
    assert "said" in job.output


def test_a_library_that_does_not_see_the_launcher_is_refused(mpirun):
    """Inside of a Slurm step without PMI, every process would be rank 0 of 1."""
    step = {"SLURM_STEP_ID": "0", "SLURM_PROCID": "1", "SLURM_NTASKS": "2"}
    program = f"""
import os
for name in ("OMPI_COMM_WORLD_SIZE", "MPI_LOCALRANKID"):
    os.environ.pop(name, None)
os.environ.update({step})
{START}"""
    job = mpirun(1, ["-c", program])
    assert job.code == 1
    assert "UserError: wrong start: Slurm started 2 processes, but " in job.output


def test_no_rank_outlives_its_mpirun(mpirun, tmp_path):
    program = f"""{START}
def parent(process):
    return int(Path(f"/proc/{{process}}/stat").read_text().rpartition(")")[2].split()[1])

Path({str(tmp_path)!r}, str(os.getpid())).touch()
c.barrier()
launcher = os.getppid()
while parent(launcher) != {os.getpid()}:
    launcher = parent(launcher)
if c.rank == 0:
    os.kill(launcher, 9)
time.sleep(60)
"""
    left_behind = {"TMPDIR": str(tmp_path), "OMPI_MCA_btl_sm_backing_directory": str(tmp_path)}
    job = mpirun(2, ["-c", program], timeout=30, environ=left_behind)
    assert job.code == -signal.SIGKILL
    ranks = [int(path.name) for path in tmp_path.iterdir() if path.name.isdecimal()]
    assert len(ranks) == 2
    deadline = time.monotonic() + 10
    while any(map(running, ranks)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [rank for rank in ranks if running(rank)] == []


def running(process):
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
