"""The doctor on two hosts, which are network namespaces: a healthy pair, and each fault that a network has."""

from __future__ import annotations

import json
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.namespaces import Hosts, ip, why_not

pytestmark = pytest.mark.skipif(
    why_not() is not None or not Path(sys.executable).with_name("mpirun").exists(),
    reason=why_not() or "no mpirun beside this Python",
)


@pytest.fixture(scope="module")
def pair():
    with Hosts(2) as made:
        yield made


def consult(hosts: Hosts, folder: Path, *words: str, limit: int = 60) -> tuple[int, dict]:
    """Exit code, and what the doctor on the first host tells: `findings` by check."""
    slots = ",".join(f"{name}:1" for name in hosts.names)
    command = hosts.dtrain(
        "doctor", "--json", "--limit", str(limit), "--rsh-agent", str(hosts.agent), "--hosts", slots
    )
    process = hosts.start(hosts.names[0], [*command, *words], folder)
    output, _ = process.communicate()
    told = json.loads(output.splitlines()[-1])
    by_check: dict[str, list[dict]] = {}
    for one in told["findings"]:
        by_check.setdefault(one["check"], []).append(one)
    return process.returncode, {**told, "findings": by_check}


def failed(told: dict) -> dict[str, list[str]]:
    """check → texts of what failed."""
    return {
        check: texts
        for check, found in told["findings"].items()
        if (texts := [one["text"] for one in found if one["status"] == "fail"])
    }


def test_a_healthy_pair(pair, tmp_path):
    code, told = consult(pair, tmp_path)
    first, second = pair.names
    assert (code, failed(told)) == (0, {}), told["findings"]
    assert told["findings"]["hosts"][0]["text"] == f"all 2 hosts answer: {first}, {second}"
    assert told["findings"]["ranks"][0]["text"] == f"2 ranks on {first}, {second} are one job"
    assert f"shared by {first}, {second}" in told["findings"]["directory"][0]["text"]
    assert told["findings"]["software"][0]["text"].endswith("the same on all 2 hosts")
    assert f"{first} → {second}" in told["findings"]["ports"][0]["text"]
    assert "over eth0" in told["findings"]["ports"][0]["text"]
    assert told["speed"]["ranks"] == 2
    assert list(tmp_path.iterdir()) == []


def test_a_slow_link_is_measured(pair, tmp_path):
    """100 Mbit/s are 12.5 MB/s: what TCP makes of them is near, and never more."""
    pair.slow("100mbit")
    try:
        code, told = consult(pair, tmp_path)
    finally:
        pair.slow(None)
    (found,) = told["findings"]["exchange"]
    assert (code, found["status"]) == (0, "warn")
    assert "slower than 1 Gbit/s" in found["text"]
    assert told["speed"]["bytes"] / told["speed"]["large"] < 1.3 * 12.5e6  # the first burst goes unhindered


def test_a_host_whose_cable_is_cut_is_named_in_time(pair, tmp_path):
    left, lost = pair.names
    pair.cut(lost)
    try:
        code, told = consult(pair, tmp_path, limit=10)
    finally:
        pair.join(lost)
    assert code == 1
    assert told["seconds"] < 12
    assert [text.split(" did not answer")[0] for text in failed(told)["hosts"]] == [lost]
    assert [host["name"] for host in told["hosts"] if host["facts"]] == [left]


def test_a_firewall_is_suspected(pair, tmp_path):
    """The remote shell works, and TCP does not: the way back leads nowhere."""
    first, second = pair.names
    address = told_address(pair, second)
    route = ["-n", first, "route"]
    ip(*route, "add", "blackhole", f"{address}/32")
    try:
        code, told = consult(pair, tmp_path, limit=8)
    finally:
        ip(*route, "del", "blackhole", f"{address}/32")
    assert code == 1
    assert told["seconds"] < 12
    assert any(f"{first} does not reach {second} ({address})" in text for text in failed(told)["ports"])
    assert "ranks" in failed(told)  # MPI could not, either
    assert [pair.processes(name) for name in pair.names] == [[], []]


def told_address(hosts: Hosts, name: str) -> str:
    """The address in the table of names that all hosts have."""
    lines = Path("/etc/netns", name, "hosts").read_text().splitlines()
    return next(line.split()[0] for line in lines if line.endswith(f" {name}"))


def test_every_fault_of_a_host_is_named(tmp_path):
    """Another dtrain is installed there, /dev/shm is full, and the directory is its own."""
    metadata, version = Path(str(distribution("dtrain")._path)), distribution("dtrain").version  # type: ignore[attr-defined]
    other, folder, script = tmp_path / "other", tmp_path / "work", tmp_path / "before"
    other.mkdir()
    folder.mkdir()
    for file in (path for path in metadata.iterdir() if path.is_file()):
        text = file.read_text(encoding="utf-8")
        (other / file.name).write_text(text.replace(f"\nVersion: {version}\n", "\nVersion: 0.0.7\n"))
    mounts = [
        f"mount --bind {other} {metadata}",
        f"mount -t tmpfs tmpfs {folder}",
        "mount -t tmpfs -o size=1m tmpfs /dev/shm",
    ]
    script.write_text("\n".join(["#!/bin/sh -e", *mounts, 'exec "$@"\n']))
    script.chmod(0o755)
    with Hosts(2, before=("", str(script))) as hosts:
        code, told = consult(hosts, folder)
        first, second = hosts.names
    found = failed(told)
    assert code == 1
    assert found["directory"] == [f"{folder} on {second} is another directory of that name, not this one"]
    assert found["/dev/shm"] == [f"{second}: 1.05 MB of 1.05 MB free, MPI wants 17.8 MB for 1 rank"]
    (text,) = found["software"]
    assert text.endswith(f" more parts: dtrain {version} on {first}; dtrain 0.0.7 on {second}")
