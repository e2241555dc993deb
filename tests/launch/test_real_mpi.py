"""The same with the installed MPI: real ranks that meet, are interrupted, fail and are lost."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dtrain_launch.flavour import detect

MPIRUN = Path(sys.executable).with_name("mpirun")
pytestmark = pytest.mark.skipif(not MPIRUN.exists(), reason="no mpirun beside this Python")

DRIVER = """
import os, sys
from pathlib import Path
from dtrain_launch.flavour import detect
from dtrain_launch.job import Job
from dtrain_launch.main import launch

mpirun, script, ranks, *command = sys.argv[1:]
program = (sys.executable, "-m", "mpi4py", script)
environment = dict(os.environ)
job = Job(int(ranks), tuple(command), program, threads=2, environment=environment, root=os.getuid() == 0)
sys.exit(launch(job, detect(Path(mpirun), environment)))
"""

RANK = """
import json, os, signal, sys, time
from pathlib import Path
from mpi4py import MPI

here, mode = Path(sys.argv[1]), sys.argv[2]
world = MPI.COMM_WORLD
asked = []
signal.signal(signal.SIGUSR1, lambda number, frame: asked.append(number))
report = [world.size, os.environ["DTRAIN_THREADS"], len(os.sched_getaffinity(0)), os.getpid()]
(here / f"new{world.rank}").write_text(json.dumps(report))
(here / f"new{world.rank}").rename(here / f"rank{world.rank}")
world.Barrier()
if mode == "interrupt":
    while not asked:
        time.sleep(0.01)
    (here / f"saved{world.rank}").touch()
    world.Barrier()
    sys.exit(130)
if mode == "lose":
    if world.rank == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(600)
if mode == "fail":
    raise RuntimeError(f"rank {world.rank} fails")
if mode == "mistake":
    sys.exit(2)
"""


@pytest.fixture
def run(tmp_path, environment):
    """Start N ranks that do `mode`; on the way out, end the launcher, which ends them."""
    (tmp_path / "drive.py").write_text(DRIVER)
    (tmp_path / "rank.py").write_text(RANK)
    running = []

    def run(ranks: int, mode: str) -> subprocess.Popen:
        words = [tmp_path / "drive.py", MPIRUN, tmp_path / "rank.py", str(ranks), tmp_path, mode]
        command = [sys.executable, *map(str, words)]
        running.append(
            subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
            )
        )
        return running[-1]

    yield run
    for launcher in running:
        if launcher.poll() is None:
            launcher.terminate()
            launcher.communicate()


def reports(folder: Path) -> list[list]:
    """size, threads, cores and process number of every rank that met the others."""
    return [json.loads(path.read_text()) for path in sorted(folder.glob("rank[0-9]*"))]


def none_left(folder: Path) -> bool:
    return not any(Path(f"/proc/{pid}").exists() for *_, pid in reports(folder))


@pytest.mark.parametrize("ranks", [1, 2, 5])
def test_ranks_meet_unbound_with_their_threads_on_any_number_of_cores(run, tmp_path, ranks):
    launcher = run(ranks, "done")
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    cores = len(os.sched_getaffinity(0))
    assert [report[:3] for report in reports(tmp_path)] == [[ranks, "2", cores]] * ranks
    assert none_left(tmp_path)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupted_ranks_save_before_they_leave(run, fake, tmp_path, number, code):
    launcher = run(3, "interrupt")
    fake.wait_until(lambda: len(reports(tmp_path)) == 3, "three ranks")
    launcher.send_signal(number)
    output, _ = launcher.communicate()
    assert launcher.returncode == code, output
    assert len(list(tmp_path.glob("saved*"))) == 3
    assert none_left(tmp_path)


@pytest.mark.parametrize(("mode", "code"), [("lose", 1), ("fail", 1), ("mistake", 2)])
def test_a_job_that_fails_ends_with_one_code_and_no_rank(run, tmp_path, mode, code):
    launcher = run(2, mode)
    output, _ = launcher.communicate()
    assert launcher.returncode == code, output
    assert len(reports(tmp_path)) == 2
    assert none_left(tmp_path)


def test_a_mistake_in_the_users_own_arguments_is_shown_by_mpirun_itself(environment, start):
    words = ["-n", "1", "--mpirun", str(MPIRUN), "--mpi-args", "--no-such-flag", "--", "train"]
    launcher = start(words)
    out, err = launcher.communicate()
    assert launcher.returncode == 1
    assert "no-such-flag" in "".join((err + out).splitlines()[1:])


def test_the_installed_mpi_is_recognised():
    assert detect(MPIRUN, os.environ).version >= (4,)
