"""Ranks on several hosts, which are network namespaces: own name, own address, own /dev/shm."""

import contextlib
import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import pytest

from tests.namespaces import Hosts, why_not

MPIRUN = Path(sys.executable).with_name("mpirun")
CONFIG = ("--set", "data.validation=0", "--set", "train.epochs=8", "--set", "checkpoint.steps=5")
TRAIN = ("--", "train", "digits", "--out", "run", *CONFIG)
ENDLESS = (*TRAIN, "--set", "train.epochs=100000")


@pytest.fixture(scope="module")
def hosts(tmp_path_factory):
    """Two hosts; a command on the second goes through the script `second`, which a test may write."""
    if reason := why_not() or (None if MPIRUN.exists() else "no mpirun beside this Python"):
        pytest.skip(reason)
    second = tmp_path_factory.mktemp("second") / "second"
    with Hosts(2, before=("", str(second))) as made:
        made.second = second
        yield made


@pytest.fixture(autouse=True)
def second_is_like_the_first(hosts):
    on_second(hosts, "")


def on_second(hosts: Hosts, line: str) -> None:
    """Before each command on the second host, in a mount namespace of that command's own, runs this line."""
    hosts.second.write_text(f'#!/bin/sh\n{line}\nexec "$@"\n')
    hosts.second.chmod(0o755)


@pytest.fixture
def start_on_first(hosts, environment, tmp_path):
    """Starts `dtrain launch` on the first host; ends it, if it has not."""
    running = []

    def start(*words: str, **variables: str) -> subprocess.Popen[str]:
        settings = {**environment, "DTRAIN_RESTART_SECONDS": "0", **variables}
        running.append(hosts.start(hosts.names[0], hosts.launch(*words), tmp_path, settings))
        return running[-1]

    yield start
    for launcher in running:
        if launcher.poll() is None:
            launcher.terminate()
            launcher.communicate()


def summary(folder: Path) -> dict:
    return json.loads((folder / "summary.json").read_text())


def weights_of_one_process(out: Path, *more: str) -> str:
    command = [sys.executable, "-P", "-m", "dtrain", "train", "digits", "--out", str(out), *CONFIG, *more]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    return summary(out)["weights_sha256"]


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> str:
    """The weights that one process comes to."""
    return weights_of_one_process(tmp_path_factory.mktemp("alone") / "run")


def wait_for_a_checkpoint(fake, run: Path) -> None:
    fake.wait_until(lambda: any(run.glob("checkpoints/step-*.safetensors")), "a checkpoint")


def wait_for_epochs(fake, run: Path, count: int) -> None:
    metrics = run / "metrics.jsonl"
    fake.wait_until(
        lambda: metrics.exists() and len(metrics.read_text().splitlines()) >= count, f"{count} epochs"
    )


def test_a_hostfile_in_both_dialects_comes_to_the_weights_of_one_process(
    hosts, start_on_first, tmp_path, alone
):
    first, second = hosts.names
    (tmp_path / "hosts").write_text(f"{first} slots=1\n{second}:1  # as MPICH has it\n")
    launcher = start_on_first("--hostfile", "hosts", *TRAIN)
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    ranks = json.loads((tmp_path / "run/ranks.json").read_text())
    assert [one["host"] for one in ranks] == [*hosts.names]
    assert summary(tmp_path / "run")["weights_sha256"] == alone


@pytest.mark.usefixtures("hosts")
def test_three_hosts_and_one_rank_more_on_the_first_come_to_the_same_weights(environment, tmp_path):
    short = ("--set", "train.epochs=1")
    with Hosts(3, rate="1gbit") as three:
        a, b, c = three.names
        command = three.launch("--hosts", f"{a}:2,{b}:1,{c}:1", *TRAIN, *short)
        launcher = three.start(a, command, tmp_path, environment)
        output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    ranks = json.loads((tmp_path / "run/ranks.json").read_text())
    assert [one["host"] for one in ranks] == [a, a, b, c]
    assert summary(tmp_path / "run")["weights_sha256"] == weights_of_one_process(tmp_path / "one", *short)


def test_the_folder_the_environment_and_the_variables_are_the_same_there(
    hosts, start_on_first, tmp_path, monkeypatch
):
    monkeypatch.syspath_prepend(tmp_path)  # becomes PYTHONPATH
    (tmp_path / "sitecustomize.py").write_text(
        "import json, os, sys\n"
        f"if os.uname().nodename == {hosts.names[1]!r} and 'OMPI_COMM_WORLD_RANK' in os.environ:\n"
        "    names = [name for name in os.environ if name.startswith(('PYTHON', 'DTRAIN'))]\n"
        "    seen = [os.getcwd(), sys.prefix, sys.executable, {name: os.environ[name] for name in names}]\n"
        "    open('seen', 'w').write(json.dumps(seen))\n"
    )
    mine = {"DTRAIN_STOP_LIMIT": "7", "PYTHONHASHSEED": "3"}
    words = ["--hosts", ",".join(hosts.names), *TRAIN, "--set", "train.steps=2"]
    launcher = start_on_first(*words, "--set", "train.epochs=1", **mine)
    launcher.communicate()
    folder, prefix, python, variables = json.loads((tmp_path / "seen").read_text())
    assert (folder, prefix, python) == (str(tmp_path), sys.prefix, sys.executable)
    assert {**variables, **mine} == variables
    assert variables["PYTHONPATH"].split(os.pathsep)[0] == str(tmp_path)


def test_when_a_host_is_lost_the_other_comes_to_the_same_weights(
    hosts, start_on_first, fake, tmp_path, alone
):
    left, lost = hosts.names
    launcher = start_on_first("--restarts", "1", "--hosts", f"{left},{lost}", *TRAIN)
    run = tmp_path / "run"
    try:
        wait_for_a_checkpoint(fake, run)
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


def test_a_host_that_is_cut_off_and_lives_on_is_named_and_left_out(
    hosts, start_on_first, fake, tmp_path, alone
):
    left, lost = hosts.names
    words = ["--restarts", "1", "--hosts", f"{left},{lost}", *TRAIN]
    launcher = start_on_first(*words, DTRAIN_STOP_LIMIT="2")
    run = tmp_path / "run"
    try:
        wait_for_epochs(fake, run, 2)  # by then the hosts' watchdogs have heard of each other
        hosts.cut(lost)
        output, _ = launcher.communicate(timeout=60)  # TCP by itself would wait for a quarter of an hour
    finally:
        hosts.join(lost)
    assert launcher.returncode == 0, output
    assert f"dtrain: rank 1 of 2 on {lost} (pid " in output
    assert "its process is stopped, or its host out of reach; ending the job" in output
    assert f"; {lost} cannot be reached and is left out; restart 1 of 1 in 0 s, 1 rank, from run/" in output
    assert (summary(run)["ranks"], summary(run)["weights_sha256"]) == (1, alone)
    assert not [*tmp_path.glob(".dtrain*")]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_leaves_nothing_behind_on_any_host(hosts, start_on_first, fake, tmp_path, number, code):
    launcher = start_on_first("--hosts", ",".join(hosts.names), *ENDLESS)
    wait_for_a_checkpoint(fake, tmp_path / "run")
    assert hosts.processes(hosts.names[1])
    launcher.send_signal(number)
    output, _ = launcher.communicate(timeout=20)
    assert launcher.returncode == code, output
    assert "interrupted after step" in output  # and so has saved
    deadline = time.monotonic() + 10
    while any(map(hosts.processes, hosts.names)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert [*map(hosts.processes, hosts.names)] == [[], []]


# ---------------------------------------------------------------------- what is wrong on one host alone


def said(output: str) -> list[str]:
    return [line.removeprefix("dtrain: ") for line in output.splitlines() if line.startswith("dtrain: ")]


def hidden(folder: Path) -> str:
    return f"mount -t tmpfs tmpfs {shlex.quote(str(folder))}"


@pytest.mark.parametrize("missing", ["folder", "python"])
def test_what_is_missing_on_one_host_is_told_before_the_start(hosts, start_on_first, tmp_path, missing):
    on_second(hosts, hidden(tmp_path.parent if missing == "folder" else Path(sys.executable).parent))
    launcher = start_on_first("--hosts", ",".join(hosts.names), *TRAIN)
    output, _ = launcher.communicate(timeout=20)
    messages = {
        "folder": f"expected the working directory {tmp_path}, got none that can be entered; all hosts have to share "
        "it: start where they do",
        "python": f"expected this Python, {sys.executable}, got none; install the same environment there, at the same "
        "path",
    }
    assert (launcher.returncode, output) == (
        2,
        f"dtrain: launch: host {hosts.names[1]}: {messages[missing]}\n",
    )


def test_a_config_that_one_host_does_not_have_is_told_by_its_rank(hosts, start_on_first, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/run.toml").write_text((resources.files("dtrain.recipes") / "digits.toml").read_text())
    on_second(hosts, hidden(tmp_path / "mine"))
    launcher = start_on_first("--hosts", ",".join(hosts.names), "--", "train", "mine/run.toml")
    output, _ = launcher.communicate(timeout=20)
    (line,) = said(output)
    assert launcher.returncode == 2, output
    assert line.startswith(
        f"rank 1 of 2 on {hosts.names[1]}: no config 'mine/run.toml': expected a TOML file or the name of a recipe; "
    )


def test_another_version_of_a_plugin_on_one_host_is_told_before_the_first_step(
    hosts, start_on_first, tmp_path, monkeypatch
):
    info = tmp_path / "acme_dtrain-1.2.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text("[dtrain]\nacme = acme\n")
    (tmp_path / "acme.py").write_text(
        "from dtrain import Activation, hookimpl\n"
        "class Same(Activation):\n    def forward(self, x, context): return x, lambda dy: dy\n"
        "@hookimpl\ndef dtrain_activations(): return {'same': Same}\n"
    )
    for version, folder in (("1.2", info), ("1.3", tmp_path / "other")):
        folder.mkdir(exist_ok=True)
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: acme-dtrain\nVersion: {version}\n")
    monkeypatch.syspath_prepend(tmp_path)
    on_second(hosts, f"mount --bind {tmp_path}/other/METADATA {info}/METADATA")
    launcher = start_on_first("--hosts", ",".join(hosts.names), *TRAIN)
    output, _ = launcher.communicate(timeout=20)
    assert (launcher.returncode, said(output)) == (
        2,
        [
            "activations.same differs between ranks: plugin 'acme' 1.2 (distribution acme-dtrain) on rank 0; plugin "
            "'acme' 1.3 (distribution acme-dtrain) on rank 1; install the same plugins on every host"
        ],
    )
    assert not (tmp_path / "run").exists()
