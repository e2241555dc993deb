"""The command, for real: on this machine as it is, and with one thing broken."""

from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from dtrain.doctor.record import heard
from tests.mpirun import OPEN_MPI, mpirun_here

LONG = ("--limit", "60")
"""For what is not about time: other work may keep the cores busy."""
QUIET = os.getloadavg()[0] < 2 * len(os.sched_getaffinity(0))


class Ended(NamedTuple):
    code: int
    out: str
    seconds: float

    @property
    def findings(self) -> dict[str, list[dict]]:
        told: dict[str, list[dict]] = {}
        for one in json.loads(self.out)["findings"]:
            told.setdefault(one["check"], []).append(one)
        return told


@pytest.fixture
def doctor(tmp_path):
    """doctor(…words, VARIABLE=value) → how it ended."""

    def run(*words: str, **variables: str) -> Ended:
        environment = {name: value for name, value in os.environ.items() if not name.endswith("_NUM_THREADS")}
        begun = time.monotonic()
        ended = subprocess.run(
            [sys.executable, "-P", "-m", "dtrain", "doctor", *words],
            env={**environment, **variables}, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".dtrain")] == []
        return Ended(ended.returncode, ended.stdout, time.monotonic() - begun)

    return run


@pytest.fixture
def stand_in(tmp_path):
    """An MPI whose library is the real one, and whose mpirun is a script."""

    def make(script: str) -> dict[str, str]:
        prefix = tmp_path / "stand-in"
        (prefix / "bin").mkdir(parents=True)
        (prefix / "lib").symlink_to(Path(sys.prefix, "lib"))
        library = next(Path(prefix, "lib").glob("libmpi.so.*"))  # libmpi.so may be a linker script
        mpirun = prefix / "bin/mpirun"
        mpirun.write_text(f'#!/bin/sh\n[ "$1" = --version ] && exec {mpirun_here()} --version\n{script}\n')
        mpirun.chmod(0o755)
        return {"MPI4PY_LIBMPI": str(library)}

    return make


def test_here_nothing_is_wrong(doctor):
    ended = doctor("digits", "--json", *(() if QUIET else LONG))
    assert ended.code == 0, ended.out
    assert ended.seconds < (10 if QUIET else 60)
    found = ended.findings
    assert [one["status"] for one in found["ranks"]] == ["ok"]
    assert found["ranks"][0]["text"] == "2 ranks on this host are one job, with shared memory"
    assert found["exchange"][0]["text"].endswith(", within this host")
    assert "digits (51,210 parameters) takes about" in found["memory"][0]["text"]
    assert json.loads(ended.out)["speed"]["ranks"] == 2


def test_it_is_readable(doctor):
    ended = doctor(*LONG, OMP_NUM_THREADS="64")
    lines = ended.out.splitlines()
    assert lines[0].startswith("ok    mpi "), ended.out
    (at,) = [at for at, line in enumerate(lines) if "OMP_NUM_THREADS=64 is set" in line]
    assert lines[at].startswith("warn  cores       2 ranks × 64 threads on ")
    assert lines[at + 1].strip() == f"→ export OMP_NUM_THREADS={max(1, len(os.sched_getaffinity(0)) // 2)}"


def test_an_mpirun_that_hangs_does_not_hang_the_doctor(doctor, stand_in, tmp_path):
    ended = doctor("--json", "--limit", "6", **stand_in("echo $$ >> pids; sleep 600"))
    assert ended.code == 1, ended.out
    assert ended.seconds < 10
    assert ended.findings["ranks"][0]["text"].startswith("0 of 2 processes started within ")
    assert ended.findings["software"][0]["status"] == "ok"
    for pid in (tmp_path / "pids").read_text().split():
        assert not Path("/proc", pid).exists()


def test_ctrl_c_leaves_nothing(stand_in, tmp_path):
    command = [sys.executable, "-P", "-m", "dtrain", "doctor", "--limit", "60"]
    environment = {**os.environ, **stand_in("echo $$ >> pids; sleep 600")}
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    pids = tmp_path / "pids"
    while not pids.exists() or len(pids.read_text().split()) < 3:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, "dtrain: interrupted; nothing changed\n")
    assert not any(Path("/proc", pid).exists() for pid in pids.read_text().split())
    assert not list(tmp_path.glob(".dtrain-doctor-*"))


def test_a_host_that_is_silent_is_named_and_the_rest_goes_on(doctor, tmp_path):
    agent = tmp_path / "agent"
    agent.write_text("#!/bin/sh\nexec sleep 600\n")
    agent.chmod(0o755)
    ended = doctor("--json", "--hosts", f"{platform.node()}:2,elsewhere:2", "--rsh-agent", str(agent))
    found = ended.findings
    assert ended.code == 1, ended.out
    assert ended.seconds < 15
    assert re.match(
        r"elsewhere did not answer within \d s; the rest is tried without it", found["hosts"][0]["text"]
    )
    assert found["hosts"][0]["remedy"] == [f"this has to work, without a password: {agent} elsewhere true"]
    assert found["software"][0]["status"] == "ok"
    assert "2 ranks on this host are one job" in found["ranks"][0]["text"]


def test_processes_that_do_not_find_each_other(doctor, stand_in):
    """As when the launcher is not the library's: each is rank 0 of 1."""
    alone = 'while [ "$1" != -n ]; do shift; done; n=$2; shift 2; for k in $(seq $n); do "$@" & done; wait'
    ended = doctor("--json", *LONG, **stand_in(alone), **OPEN_MPI)
    assert ended.code == 1, ended.out
    assert ended.findings["ranks"][0]["text"].startswith("2 processes started, each of them rank 0 of 1")


def test_an_mpirun_that_refuses(doctor, stand_in):
    ended = doctor("--json", *LONG, **stand_in("echo no: such option is not known; exit 213"))
    text = (
        "mpirun ended with exit code 213 before the ranks were one job; it said: no: such option is not known"
    )
    assert ended.code == 1
    assert ended.findings["ranks"][0]["text"] == text
    assert ended.findings["slots"][0]["status"] == "fail"


def test_slurms_variables_without_slurm(doctor):
    ended = doctor(
        "--json",
        "--limit",
        "6",
        SLURM_JOB_ID="7",
        SLURM_JOB_NODELIST="a",
        SLURM_TASKS_PER_NODE="2",
        PATH="/nowhere",
    )
    assert ended.code == 1
    assert [one["status"] for one in ended.findings["scheduler"]] == ["fail"]


def test_a_config_that_cannot_be_built_says_why(tmp_path):
    parts = ['[data]\nname = "npz"\npath = "none.npz"', '[[network]]\nname = "relu"', '[loss]\nname = "mse"']
    parts += ['[optimizer]\nname = "sgd"', "[train]\nepochs = 1"]
    Path(tmp_path, "net.toml").write_text("\n".join(parts))
    command = [sys.executable, "-P", "-m", "dtrain.doctor.model_probe", "net.toml", "2"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "none.npz: " in (heard(ended.stdout) or {})["error"]


def test_the_ranks_look_at_their_hosts_where_no_remote_shell_does(mpirun):
    """As within Slurm: one look for each host, and the file of rank 0 is seen and taken away."""
    ended = mpirun(3, ["-P", "-m", "dtrain.doctor.rank_probe", "auto", ".dtrain-doctor-test"])
    assert ended.code == 0, ended.output
    records = [record for line in ended.output.splitlines() if (record := heard(line))]
    (host,) = [record for record in records if record["kind"] == "host"]
    assert host["facts"]["directory"]["sees"] is True
    assert not list(Path.cwd().glob(".dtrain-doctor-*"))
    assert [record["size"] for record in records if record["kind"] == "world"] == [3]


REFUSED = {
    "--hosts a:x": (
        "doctor --hosts: expected a host and how many ranks it is meant for, got 'a:x'; for example: --hosts a:8,b:8"
    ),
    "--hosts a --hostfile b": "argument --hostfile: not allowed with argument --hosts; see `dtrain doctor --help`",
    "--hostfile none": (
        "doctor --hostfile none: expected a file of hosts, got: No such file or directory; a line is: a slots=8"
    ),
    "-n 0": "argument -n/--ranks: expected a whole number of at least 1, got '0'; see `dtrain doctor --help`",
    "none.toml": None,
}


@pytest.mark.parametrize(("words", "message"), REFUSED.items())
def test_mistakes_in_the_arguments(doctor, words, message):
    ended = doctor(*words.split())
    assert ended.code == 2
    if message:
        assert ended.out == f"dtrain: {message}\n"
    else:
        assert ended.out.startswith("dtrain: no config 'none.toml': ")


def test_under_mpirun_it_is_refused_once(mpirun):
    ended = mpirun(2, ["-P", "-m", "dtrain", "doctor"])
    assert ended.code == 2
    text = "dtrain: doctor: expected one process, which starts ranks by itself, got mpirun; leave it out"
    assert ended.output.count(text) == 1
