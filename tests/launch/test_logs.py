"""Each rank's output in a file of its own, and who failed first."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dtrain_launch.logged import rank_in
from dtrain_launch.logs import Logs

FAILED = "Traceback (most recent call last):\n  …\nValueError: broken\n"


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({"OMPI_COMM_WORLD_RANK": "3"}, 3),
        ({"PMI_RANK": "2"}, 2),
        ({"SLURM_PROCID": "4"}, 4),
        ({}, 0),
        ({"PMI_RANK": ""}, 0),
    ],
)
def test_a_rank_knows_its_number_under_any_launcher(environment, rank):
    assert rank_in(environment) == rank


def run(folder: Path, rank: int, body: str) -> subprocess.CompletedProcess:
    """A process that writes to the log of a rank, as `dtrain_launch.logged` does in front of dtrain."""
    code = (
        "import os, sys; from pathlib import Path; from dtrain_launch.logged import write_to\n"
        f"write_to(Path({str(folder)!r}, 'rank-{rank}.log'), screen={rank == 0})\n{body}"
    )
    command = [sys.executable, "-c", code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(("rank", "screen"), [(0, "one\ntwo\n"), (1, "")])
def test_all_output_goes_into_the_file_and_rank_0s_to_the_screen_as_well(tmp_path, rank, screen):
    body = "os.write(1, b'one\\n'); os.system('echo two >&2'); os._exit(3)"
    ended = run(tmp_path / "logs", rank, body)
    assert (ended.returncode, ended.stdout, ended.stderr) == (3, "", screen)
    assert (tmp_path / f"logs/rank-{rank}.log").read_text() == "one\ntwo\n"


def test_another_start_adds_to_the_file(tmp_path):
    for _ in range(2):
        run(tmp_path, 1, "print('once')")
    assert (tmp_path / "rank-1.log").read_text() == "once\nonce\n"


def test_dtrain_runs_as_if_it_had_been_called_itself(tmp_path, environment):
    code = "import sys; print(sys.argv, __name__)"
    (tmp_path / "dtrain").mkdir()
    (tmp_path / "dtrain" / "__init__.py").touch()
    (tmp_path / "dtrain" / "__main__.py").write_text(code)
    path = os.pathsep.join([str(tmp_path), environment["PYTHONPATH"]])
    command = [sys.executable, "-m", "dtrain_launch.logged", str(tmp_path / "logs"), "train", "x"]
    settings = {**environment, "PYTHONPATH": path, "PMI_RANK": "1"}
    subprocess.run(command, env=settings, cwd=tmp_path, check=True)
    said = (tmp_path / "logs/rank-1.log").read_text()
    assert said.endswith("__main__.py', 'train', 'x'] __main__\n")


@pytest.fixture
def logs(tmp_path) -> Logs:
    return Logs(tmp_path)


def write(logs: Logs, rank: int, text: str, when: int) -> Path:
    path = logs.folder / f"rank-{rank}.log"
    with path.open("a") as file:
        file.write(text)
    os.utime(path, (when, when))
    return path


def test_where_nobody_failed_there_are_no_last_words(logs):
    logs.begin()
    assert logs.last_words() is None
    write(logs, 0, "epoch 1/2\n", 1)
    assert logs.last_words() is None


def test_the_last_words_are_those_of_the_rank_that_failed_first(logs):
    logs.begin()
    write(logs, 0, "epoch 1/2\ndtrain: rank 0 of 3 on a (epoch 2): a peer is gone\n", 30)
    path = write(logs, 2, "loading\n" + FAILED, 20)
    write(logs, 1, "loading\n", 10)
    assert logs.last_words() == (path, ["loading", *FAILED.splitlines()])
    assert logs.last_words(2) == (path, FAILED.splitlines()[-2:])


def test_failures_of_an_earlier_start_do_not_count(logs):
    write(logs, 1, FAILED, 1)
    logs.begin()
    write(logs, 1, "epoch 1/2\n", 2)
    assert logs.last_words() is None
    path = write(logs, 1, FAILED, 3)
    assert logs.last_words() == (path, ["epoch 1/2", *FAILED.splitlines()])
