"""Looks at every host at once: by the remote shell, and at this one without it."""

from __future__ import annotations

import json
import secrets
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from dtrain_launch.command import carried
from dtrain_launch.probe import is_here, remote_shell

from .checks.directory import TOKEN
from .child import Child
from .world import HostReport

if TYPE_CHECKING:
    from .asked import Asked

PROBE = "dtrain.doctor.host_probe"


class HostProbes:
    """One probe a host, all started at once, for as long as the `with` lasts.

    reports: what is to be filled, in the order of the hosts; the first is this one.
    """

    def __init__(self, asked: Asked, reports: Sequence[HostReport]) -> None:
        self._asked, self.reports = asked, reports
        self._folder = Path.cwd()
        self._token = f"{TOKEN}{secrets.token_hex(8)}"
        self._probes: list[Child] = []

    def __enter__(self) -> HostProbes:
        with suppress(OSError):  # the probe of this host will say why
            (self._folder / self._token).touch()
        self._probes = [self._start(number, report) for number, report in enumerate(self.reports)]
        return self

    def __exit__(self, *_: object) -> None:
        for probe in self._probes:
            probe.end()
        for path in [self._folder / self._token, *map(self._own, range(len(self.reports)))]:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def _own(self, number: int) -> Path:
        return self._folder / f"{self._token}-{number}"

    def _start(self, number: int, report: HostReport) -> Child:
        token = self._token if number else None
        asked = {"directory": str(self._folder), "token": token, "own": self._own(number).name}
        command = [sys.executable, "-P", "-m", PROBE, json.dumps(asked)]
        if number == 0 or is_here(report.name):
            return Child(command, self._asked.environment, talks=True)
        environment = self._asked.environment
        settings = [f"{name}={environment[name]}" for name in carried(environment)]
        line = shlex.join(["env", *settings, *command])
        return Child([*remote_shell(self._asked.agent), report.name, line], environment, talks=True)

    def look(self, here: float, elsewhere: float) -> None:
        """Takes in what each host tells of itself; one that has not told by then is silent.

        here, elsewhere: the deadlines; without this host little is left to look at, so it may take longer.
        """
        start = time.monotonic()
        for number, (report, probe) in enumerate(zip(self.reports, self._probes, strict=True)):
            probe.wait(lambda probe: probe.record("facts") is not None, elsewhere if number else here)
            record = probe.record("facts")
            if record is None:
                report.problem = _why(probe, time.monotonic() - start)
                probe.end()
                continue
            report.facts = record["facts"]
        for number, report in enumerate(self.reports):
            found = report.fact("directory")
            if number and found is not None and found["there"] and not found["why"]:
                found["seen"] = self._own(number).exists()

    def connect(self, deadline: float) -> None:
        """Lets every host that has answered try all of them."""
        talking = [(r, p) for r, p in zip(self.reports, self._probes, strict=True) if r.facts is not None]
        if len(talking) < 2:
            return
        ports = {report.name: (probe.record("facts") or {})["port"] for report, probe in talking}
        for report, probe in talking:
            probe.say(json.dumps({name: port for name, port in ports.items() if name != report.name}))
        for report, probe in talking:
            probe.wait(lambda probe: probe.record("links") is not None, deadline)
            report.links = (probe.record("links") or {}).get("links", {})


def _why(probe: Child, seconds: float) -> str:
    if probe.error:
        return f"could not be asked: {probe.error}"
    said = next((" ".join(line.split()) for line in reversed(probe.said) if line.strip()), "")
    code = probe.code
    if code is None:
        return f"did not answer within {seconds:.0f} s{said and f' ({said})'}"
    return f"did not answer: {said or f'the remote shell ended with exit code {code}'}"
