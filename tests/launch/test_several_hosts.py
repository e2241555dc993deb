"""Ranks on several hosts, which are network namespaces: own name, own address, own /dev/shm."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MPIRUN = Path(sys.executable).with_name("mpirun")
OURS = f"dt{os.getpid()}"  # two suites may run at once
NAMES = (f"{OURS}a", f"{OURS}b")
BRIDGE = f"{OURS}br"
AGENT = """#!/bin/bash
# Stands in for ssh: runs a command in a namespace, with a host name, a /dev/shm and shared memory of its own.
while [[ $1 == -* ]]; do shift; done
host=$1; shift
ip -n "$host" link show eth0 | grep -q "state UP" || exit 255
exec ip netns exec "$host" unshare -u -m -i \\
  sh -c 'hostname "$0"; mount -t tmpfs tmpfs /dev/shm; exec sh -c "$1"' "$host" "$*"
"""
CONFIG = ("--set", "data.validation=0", "--set", "train.epochs=1", "--set", "checkpoint.steps=5")


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


def why_not() -> str | None:
    """What is missing for hosts of this kind."""
    if not MPIRUN.exists():
        return "no mpirun beside this Python"
    if os.getuid() != 0 or shutil.which("ip") is None or shutil.which("unshare") is None:
        return "hosts made of network namespaces need root, ip and unshare"
    probe = 'ip netns add "$0"; trap "ip netns del $0" EXIT; ip netns exec "$0" unshare -u -m -i true'
    if subprocess.run(["sh", "-ec", probe, f"{OURS}x"], capture_output=True, check=False).returncode != 0:
        return "network namespaces are not permitted here"
    return None


@pytest.fixture(scope="module")
def agent(tmp_path_factory):
    """The hosts, and the program that reaches them."""
    if reason := why_not():
        pytest.skip(reason)
    with contextlib.ExitStack() as undo:
        ip("link", "add", BRIDGE, "type", "bridge")
        undo.callback(ip, "link", "del", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for number, name in enumerate(NAMES, 1):
            etc = Path("/etc/netns", name)
            undo.callback(shutil.rmtree, etc, ignore_errors=True)
            etc.mkdir(parents=True)
            table = [f"10.87.0.{k} {other}\n" for k, other in enumerate(NAMES, 1)]
            (etc / "hosts").write_text("127.0.0.1 localhost\n" + "".join(table))
            ip("netns", "add", name)
            undo.callback(ip, "netns", "del", name)
            ip("link", "add", f"{OURS}v{number}", "type", "veth", "peer", "name", "eth0", "netns", name)
            ip("link", "set", f"{OURS}v{number}", "master", BRIDGE, "up")
            ip("-n", name, "addr", "add", f"10.87.0.{number}/24", "dev", "eth0")
            ip("-n", name, "link", "set", "eth0", "up")
            ip("-n", name, "link", "set", "lo", "up")
        path = tmp_path_factory.mktemp("agent") / "agent"
        path.write_text(AGENT)
        path.chmod(0o755)
        yield path


@pytest.fixture
def start_on_first(agent, environment, tmp_path):
    """Starts `dtrain launch` on the first host; ends it, if it has not."""
    running = []

    def start(*words: str) -> subprocess.Popen:
        python = [sys.executable, "-P", "-m", "dtrain", "launch", "--rsh-agent", str(agent), *words]
        line = f"cd {tmp_path} && exec {' '.join(python)}"
        settings = {**environment, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        running.append(
            subprocess.Popen(
                [agent, NAMES[0], line],
                env={**settings, "DTRAIN_RESTART_SECONDS": "0"},
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
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


def test_two_hosts_come_to_the_weights_of_one_process(start_on_first, tmp_path, alone):
    launcher = start_on_first("--hosts", ",".join(NAMES), "--", "train", "digits", "--out", "run", *CONFIG)
    output, _ = launcher.communicate()
    assert launcher.returncode == 0, output
    assert [one["host"] for one in json.loads((tmp_path / "run/ranks.json").read_text())] == [*NAMES]
    assert summary(tmp_path / "run")["weights_sha256"] == alone


def test_when_a_host_is_lost_the_other_comes_to_the_same_weights(start_on_first, fake, tmp_path, alone):
    words = [
        "--restarts",
        "1",
        "--hosts",
        ",".join(NAMES),
        "--",
        "train",
        "digits",
        "--out",
        "run",
    ]
    launcher = start_on_first(*words, *CONFIG)
    run = tmp_path / "run"
    try:
        fake.wait_until(lambda: any(run.glob("checkpoints/step-*.safetensors")), "a checkpoint")
        ip("-n", NAMES[1], "link", "set", "eth0", "down")
        there = subprocess.run(["ip", "netns", "pids", NAMES[1]], capture_output=True, text=True, check=True)
        for pid in there.stdout.split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), 9)
        output, _ = launcher.communicate()
    finally:
        ip("-n", NAMES[1], "link", "set", "eth0", "up")
    assert launcher.returncode == 0, output
    assert (
        f"; {NAMES[1]} cannot be reached and is left out; restart 1 of 1 in 0 s, 1 rank, from run/" in output
    )
    assert {one["host"] for one in json.loads((run / "ranks.json").read_text())} == {NAMES[0]}
    assert (summary(run)["ranks"], summary(run)["weights_sha256"]) == (1, alone)
