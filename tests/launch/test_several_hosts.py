"""Ranks on several hosts, which are network namespaces: own name, own address, own /dev/shm."""

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.namespaces import Hosts, why_not

MPIRUN = Path(sys.executable).with_name("mpirun")
CONFIG = ("--set", "data.validation=0", "--set", "train.epochs=1", "--set", "checkpoint.steps=5")


@pytest.fixture(scope="module")
def hosts():
    if reason := why_not() or (None if MPIRUN.exists() else "no mpirun beside this Python"):
        pytest.skip(reason)
    with Hosts(2) as made:
        yield made


@pytest.fixture
def start_on_first(hosts, environment, tmp_path):
    """Starts `dtrain launch` on the first host; ends it, if it has not."""
    running = []

    def start(*words: str) -> subprocess.Popen[str]:
        settings = {**environment, "DTRAIN_RESTART_SECONDS": "0"}
        running.append(hosts.start(hosts.names[0], hosts.launch(*words), tmp_path, settings))
        return running[-1]

    yield start
    for launcher in running:
        if launcher.poll() is None:
            launcher.terminate()
            launcher.communicate()


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> str:
    """The weights that one process comes to."""
    out = tmp_path_factory.mktemp("alone") / "run"
    command = [sys.executable, "-P", "-m", "dtrain", "train", "digits", "--out", str(out), *CONFIG]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return summary(out)["weights_sha256"]


def test_two_hosts_come_to_the_weights_of_one_process(hosts, start_on_first, tmp_path, alone):
    words = ["--hosts", ",".join(hosts.names), "--", "train", "digits", "--out", "run"]
    launcher = start_on_first(*words, *CONFIG)
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    ranks = json.loads((tmp_path / "run/ranks.json").read_text())
    assert [one["host"] for one in ranks] == [*hosts.names]
    assert summary(tmp_path / "run")["weights_sha256"] == alone


def test_when_a_host_is_lost_the_other_comes_to_the_same_weights(
    hosts, start_on_first, fake, tmp_path, alone
):
    left, lost = hosts.names
    words = ["--restarts", "1", "--hosts", f"{left},{lost}", "--", "train", "digits", "--out", "run"]
    launcher = start_on_first(*words, *CONFIG)
    run = tmp_path / "run"
    try:
        fake.wait_until(lambda: any(run.glob("checkpoints/step-*.safetensors")), "a checkpoint")
        hosts.cut(lost)
        for pid in hosts.processes(lost):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, 9)
        output, _ = launcher.communicate()
    finally:
        hosts.join(lost)
    assert launcher.returncode == 0, output
    assert f"; {lost} cannot be reached and is left out; restart 1 of 1 in 0 s, 1 rank, from run/" in output
    assert {one["host"] for one in json.loads((run / "ranks.json").read_text())} == {left}
    assert (summary(run)["ranks"], summary(run)["weights_sha256"]) == (1, alone)
