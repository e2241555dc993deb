"""A program that is listened to for as long as there is time."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from .record import heard


class Child:
    """A process in a session of its own; its records and its other lines are kept as they come.

    talks: whether it is spoken to, too. error: why it could not be started. stderr counts as stdout.
    """

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str] | None = None, *, talks: bool = False
    ) -> None:
        self.records: list[dict[str, Any]] = []
        self.said: list[str] = []
        self.error = ""
        self._news = threading.Condition()
        self._silent = False
        self._process: subprocess.Popen[bytes] | None = None
        try:
            self._process = subprocess.Popen(
                command, env=environment, start_new_session=True, bufsize=0,
                stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )  # fmt: skip
        except OSError as error:
            self.error, self._silent = f"{command[0]}: {error.strerror}", True
            return
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def code(self) -> int | None:
        """The exit code; None while it runs, and where it never ran."""
        return None if self._process is None else self._process.poll()

    def record(self, kind: str) -> dict[str, Any] | None:
        """The first record of this kind."""
        return next((record for record in list(self.records) if record["kind"] == kind), None)

    def wait(self, until: Callable[[Child], bool], deadline: float) -> None:
        """Waits until that is true, the child says no more, or the clock `time.monotonic` shows the deadline."""
        with self._news:
            while not self._silent and not until(self) and (left := deadline - time.monotonic()) > 0:
                self._news.wait(left)

    def wait_for_end(self, deadline: float) -> int | None:
        """Waits until it has ended; returns its exit code, None where it has not by the deadline."""
        self.wait(lambda _: False, deadline)
        while self._process is not None and self.code is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return self.code

    def say(self, line: str) -> None:
        """Writes a line to its stdin."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.write(f"{line}\n".encode())

    def end(self, patience: float = 0.0) -> None:
        """Closes its stdin, and kills its whole process group if it is still there.

        patience: seconds that it has for an end of its own, after SIGTERM.
        """
        if self._process is None:
            return
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
        if patience and self._process.poll() is None:
            self._process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(patience)
        if self._process.poll() is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        self._listener.join(0.1)
        if self._process.stdout is not None and not self._listener.is_alive():
            self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        rest = b""
        while chunk := os.read(self._process.stdout.fileno(), 65536):
            *lines, rest = (rest + chunk).split(b"\n")
            self._keep([line.decode(errors="replace") for line in lines])
        self._keep([rest.decode(errors="replace")] if rest else [])
        with self._news:
            self._silent = True
            self._news.notify_all()

    def _keep(self, lines: list[str]) -> None:
        with self._news:
            for line in lines:
                record = heard(line)
                if record is None:
                    self.said.append(line)
                else:
                    self.records.append(record)
            self._news.notify_all()
