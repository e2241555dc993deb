"""Hosts made of network namespaces, for what has to cross a network: own name, own address, own /dev/shm.

    with Hosts(2, rate="100mbit") as hosts:
        hosts.run(0, "dtrain launch --rsh-agent … --hosts …", cwd=…)

Each host hangs by its own cable (a veth pair) on one switch (a bridge). A rate is that of each host's way out.
Needs root, `ip`, `tc` and `unshare`; `why_not` says what is missing.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path
from typing import Any

AGENT = """#!/bin/bash
# Stands in for ssh: runs a command in a namespace, with a host name, a /dev/shm and shared memory of its own.
while [[ $1 == -* ]]; do shift; done
host=$1; shift
ip -n "$host" link show eth0 | grep -q "state UP" || exit 255
before=
case $host in
{before}
esac
exec ip netns exec "$host" unshare -u -m -i \\
  sh -c 'hostname "$0"; mount -t tmpfs {shm} tmpfs /dev/shm; exec '"$before"' sh -c "$1"' "$host" "$*"
"""
SETTINGS = {
    "net.ipv4.tcp_slow_start_after_idle": "0",  # a training step is a burst: else each begins anew at ten packets
    "net.ipv4.tcp_congestion_control": "reno",  # the cable loses nothing, and paces by itself
}
_number = count()


def why_not() -> str | None:
    """Returns what is missing for hosts of this kind."""
    if os.getuid() != 0 or not all(shutil.which(tool) for tool in ("ip", "tc", "unshare")):
        return "hosts made of network namespaces need root, ip, tc and unshare"
    probe = 'ip netns add "$0"; trap "ip netns del $0" EXIT; ip netns exec "$0" unshare -u -m -i true'
    if subprocess.run(["sh", "-ec", probe, f"dt{os.getpid()}x"], capture_output=True, check=False).returncode:
        return "network namespaces are not permitted here"
    return None


def ip(*words: str) -> None:
    """Runs `ip`."""
    _run("ip", *words)


class Hosts:
    """Several hosts on one machine, as long as the context lasts.

    names: of the hosts, short; they resolve to 10.88.N.1, 10.88.N.2, … on each of them, and on no other.
    agent: a program that runs a command on a host as `ssh HOST COMMAND` would.
    rate: of each host's way out, as tc writes it: `100mbit`; None: as fast as memory.
    before: for each host, words in front of every command on it, as `taskset -c 0` or `env A=1`.
    shm: size of each host's /dev/shm, as mount takes it: `64m`.
    """

    def __init__(
        self, count: int, rate: str | None = None, before: Sequence[str] = (), shm: str | None = None
    ) -> None:
        number = next(_number)
        self._stem = f"dt{os.getpid()}{chr(ord('a') + number % 26)}"  # two suites may run at once
        self._net = f"10.88.{(os.getpid() + 61 * number) % 256}"
        self.names = tuple(f"{self._stem}{k}" for k in range(count))
        self._rate, self._before, self._shm = rate, before, shm
        self._undo = contextlib.ExitStack()

    def __enter__(self) -> Hosts:
        with contextlib.ExitStack() as undo:
            bridge = f"{self._stem}br"
            ip("link", "add", bridge, "type", "bridge")
            undo.callback(ip, "link", "del", bridge)
            ip("link", "set", bridge, "up")
            for number, name in enumerate(self.names, 1):
                self._add(undo, bridge, number, name)
            folder = Path(undo.enter_context(tempfile.TemporaryDirectory()))
            folder.chmod(0o755)
            self.agent = folder / "agent"
            mount = f"-o size={self._shm}" if self._shm else ""
            before = [
                f'{name}) before="{words}";;' for name, words in zip(self.names, self._before, strict=False)
            ]
            self.agent.write_text(AGENT.format(shm=mount, before="\n".join(before)))
            self.agent.chmod(0o755)
            if self._rate:
                self.slow(self._rate)
            self._undo = undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        for name in self.names:
            for pid in self.processes(name):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, 9)
        self._undo.close()

    def _add(self, undo: contextlib.ExitStack, bridge: str, number: int, name: str) -> None:
        etc = Path("/etc/netns", name)
        undo.callback(shutil.rmtree, etc, ignore_errors=True)
        etc.mkdir(parents=True)
        table = [f"{self._net}.{k} {other}\n" for k, other in enumerate(self.names, 1)]
        (etc / "hosts").write_text("127.0.0.1 localhost\n" + "".join(table))
        ip("netns", "add", name)
        undo.callback(ip, "netns", "del", name)
        cable = f"{self._stem}v{number}"
        ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
        # Sockets that still wait keep a host alive, without a name, for minutes.
        undo.callback(ip, "link", "del", cable)
        ip("link", "set", cable, "master", bridge, "up")
        ip("-n", name, "addr", "add", f"{self._net}.{number}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")
        ip("-n", name, "link", "set", "lo", "up")
        for key, value in SETTINGS.items():
            _run("ip", "netns", "exec", name, "sysctl", "-q", "-w", f"{key}={value}")

    def slow(self, rate: str | None) -> None:
        """Sets the rate of every host's way out; None: as fast as memory again."""
        for name in self.names:
            subprocess.run(["tc", "-n", name, "qdisc", "del", "dev", "eth0", "root"], capture_output=True)
            if rate is not None:
                shape = ["tbf", "rate", rate, "burst", "128kb", "limit", "32mb"]
                _run("tc", "-n", name, "qdisc", "add", "dev", "eth0", "root", *shape)

    def cut(self, name: str) -> None:
        """Pulls a host's cable; what runs there goes on."""
        ip("-n", name, "link", "set", "eth0", "down")

    def join(self, name: str) -> None:
        """Puts a host's cable back."""
        ip("-n", name, "link", "set", "eth0", "up")

    def processes(self, name: str) -> list[int]:
        """Returns the numbers of the processes on a host."""
        found = subprocess.run(["ip", "netns", "pids", name], capture_output=True, text=True, check=False)
        return [int(pid) for pid in found.stdout.split()]

    def start(
        self, name: str, command: Sequence[str], cwd: Path, environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> subprocess.Popen[str]:  # fmt: skip
        """Starts a command on a host; stdout and stderr come together unless `options` say otherwise."""
        settings = dict(os.environ if environment is None else environment)
        settings["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        line = f"cd {shlex.quote(str(cwd))} && exec {shlex.join(command)}"
        streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return subprocess.Popen([str(self.agent), name, line], env=settings, **{**streams, **options})

    def dtrain(self, *words: str) -> list[str]:
        """Returns the command `dtrain …` of this Python."""
        return [sys.executable, "-P", "-m", "dtrain", *words]

    def launch(self, *words: str) -> list[str]:
        """Returns the command `dtrain launch …`, with these hosts' own remote shell."""
        return self.dtrain("launch", "--rsh-agent", str(self.agent), *words)


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
