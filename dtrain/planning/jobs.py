"""Starts the jobs that measure, as a user would start the training: by `dtrain launch`."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dtrain.errors import ConfigError, RunError
from dtrain.trainer.spawn import error_of, run_dtrain

MARK = '{"probed": '
"""How the line begins that a job prints."""

MISTAKE = 2
"""The exit code for a mistake of the user's."""


@dataclass(frozen=True)
class Jobs:
    """config: the words after `dtrain plan` that name and change the config. source: how messages call it.

    hosts: (name, slots) of each host; none: this machine alone.
    """

    config: Sequence[str]
    source: str
    hosts: Sequence[tuple[str, int]] = ()

    def steps(self, ranks: int, processes: int, shares_memory: bool) -> dict[str, Any]:
        """Returns what `probe_steps` says of a job of `ranks`, run as so many processes."""
        return self._run(["--probe", f"{ranks}{',shared' * shares_memory}"], processes, self.hosts)

    def within(self, processes: int) -> dict[str, Any]:
        """Returns what `probe_links` says of ranks on one host."""
        return self._run(["--probe", "links"], processes, [(name, processes) for name, _ in self.hosts[:1]])

    def between(self, hosts: int) -> dict[str, Any]:
        """Returns what `probe_links` says of one rank on each of so many hosts."""
        return self._run(["--probe", "links"], hosts, [(name, 1) for name, _ in self.hosts[:hosts]])

    def _run(self, what: list[str], processes: int, hosts: Sequence[tuple[str, int]]) -> dict[str, Any]:
        words = ["plan", *self.config, *what]
        if processes > 1 or hosts:
            where = ",".join(f"{name}:{slots}" for name, slots in hosts)
            words = ["launch", *(["--hosts", where] if hosts else []), "-n", str(processes), "--", *words]
        with tempfile.TemporaryDirectory(prefix="dtrain-") as folder:
            report = Path(folder) / "error.json"
            said: list[str] = []
            code = run_dtrain(words, report, take=said.append)
            text = "".join(said)
            if code:
                raise self._error(code, report, text)
        for line in text.splitlines():
            if line.startswith(MARK):
                found: dict[str, Any] = json.loads(line)["probed"]
                return found
        raise RunError(f"plan: `dtrain {' '.join(words)}` ended without a result; it said: {_last(text)}")

    def _error(self, code: int, report: Path, text: str) -> Exception:
        if report.exists():
            return error_of(code, report, report, self.source)
        if code == MISTAKE:  # of the launcher, which says it on the screen alone
            return ConfigError(_last(text))
        return RunError(f"plan: a job that measures ended with exit code {code}; it said: {_last(text)}")


def _last(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("dtrain: ") if lines else "nothing"
