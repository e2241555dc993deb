"""Signals become a number that the next step passes on, so that all ranks stop after the same update."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGUSR1: 143}
"""The exit code after a checkpoint. SIGUSR1 is how launchers say that time is up."""


class Signals:
    """Within `with`, the three signals set `code` instead of ending the process. Main thread only."""

    def __init__(self) -> None:
        self.code = 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in CODES:
                self._before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.code and number == signal.SIGINT:  # a second Ctrl-C: now
            raise KeyboardInterrupt
        self.code = CODES[signal.Signals(number)]

    def __exit__(self, *error: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
